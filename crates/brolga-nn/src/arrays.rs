//! The arrays of models with several inputs or outputs.

use brolga_ir::{Mistake, Type};

use crate::data::{Data, IntoData};
use crate::error::NnError;
use crate::model::Objective;

/// Arrays for the inputs or the outputs of a model: in their order, or by name.
#[derive(Debug, Clone)]
pub struct Arrays<'a>(Vec<(Option<String>, Data<'a>)>);

/// Types that can be given for the inputs or the outputs of a model: one array ([`IntoData`]), a
/// list of arrays in the order of the inputs, or a list of pairs of name and array.
///
/// ```
/// use brolga_nn::IntoArrays;
/// use ndarray::{Array1, Array2};
///
/// let (user, rating) = (Array1::<i32>::zeros(8), Array1::<f32>::zeros(8));
/// let (left, right) = (Array2::<f32>::zeros((8, 3)), Array2::<f32>::zeros((8, 3)));
/// let one = (&rating).into_arrays();
/// let list = [&left, &right].into_arrays();
/// let named = [("right", &right), ("left", &left)].into_arrays();
/// let mixed = brolga_nn::arrays![&user, &left];
/// ```
pub trait IntoArrays<'a> {
    /// The same as arrays.
    fn into_arrays(self) -> Arrays<'a>;
}

impl<'a> IntoArrays<'a> for Arrays<'a> {
    fn into_arrays(self) -> Arrays<'a> {
        self
    }
}

/// No arrays: of a [`Dataset`](crate::Dataset) the labels are part of the batches.
impl<'a> IntoArrays<'a> for () {
    fn into_arrays(self) -> Arrays<'a> {
        Arrays(vec![])
    }
}

impl<'a, T: IntoData<'a>> IntoArrays<'a> for T {
    fn into_arrays(self) -> Arrays<'a> {
        Arrays(vec![(None, self.into_data())])
    }
}

impl<'a, T: IntoData<'a>, const N: usize> IntoArrays<'a> for [T; N] {
    fn into_arrays(self) -> Arrays<'a> {
        Arrays(self.into_iter().map(|data| (None, data.into_data())).collect())
    }
}

impl<'a, T: IntoData<'a>> IntoArrays<'a> for Vec<T> {
    fn into_arrays(self) -> Arrays<'a> {
        Arrays(self.into_iter().map(|data| (None, data.into_data())).collect())
    }
}

impl<'a, T: IntoData<'a>, N: Into<String>, const M: usize> IntoArrays<'a> for [(N, T); M] {
    fn into_arrays(self) -> Arrays<'a> {
        Arrays(self.into_iter().map(|(name, data)| (Some(name.into()), data.into_data())).collect())
    }
}

impl<'a, T: IntoData<'a>, N: Into<String>> IntoArrays<'a> for Vec<(N, T)> {
    fn into_arrays(self) -> Arrays<'a> {
        Arrays(self.into_iter().map(|(name, data)| (Some(name.into()), data.into_data())).collect())
    }
}

impl<'a> Arrays<'a> {
    /// The arrays in the order in which they were given.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Data<'a>> {
        self.0.iter().map(|(_, data)| data)
    }

    /// Whether one of them is given by name.
    pub(crate) fn has_names(&self) -> bool {
        self.0.iter().any(|(name, _)| name.is_some())
    }

    /// The same with copies of what is borrowed.
    pub(crate) fn into_owned(self) -> Arrays<'static> {
        Arrays(self.0.into_iter().map(|(name, data)| (name, data.into_owned())).collect())
    }

    /// The names of the arrays in messages, which call all of them `role`, and the types of their
    /// samples.
    pub(crate) fn signature(&self, role: &str) -> Vec<(String, Type)> {
        let one = self.len() == 1;
        let named = |(number, (name, data)): (usize, &(Option<String>, Data<'_>))| {
            let name = match name {
                Some(name) => format!("{role}/{name}"),
                None if one => role.to_owned(),
                None => format!("{role}[{number}]"),
            };
            (name, Type::new(data.dtype(), data.sample_shape()))
        };
        self.0.iter().enumerate().map(named).collect()
    }

    /// The number of arrays.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The arrays of the outputs that have an objective, where one was given for each output.
    pub(crate) fn of_objectives(self, objectives: &[Objective], outputs: usize) -> Self {
        let unnamed = self.0.iter().all(|(name, _)| name.is_none());
        if !unnamed || self.len() != outputs {
            return self;
        }
        let asked = |output: usize| objectives.iter().any(|objective| objective.output == output);
        let arrays = self.0.into_iter().enumerate();
        Self(arrays.filter(|(output, _)| asked(*output)).map(|(_, array)| array).collect())
    }

    /// The same array so many times, if it is one without a name.
    pub(crate) fn repeated(self, count: usize) -> Self {
        match &self.0[..] {
            [(None, data)] => Self(vec![(None, data.clone()); count]),
            _ => self,
        }
    }

    /// An array for each of these ports, of the model's inputs or outputs. `what` is what messages
    /// call the arrays: `x` or `y`; `of` is `input` or `output`.
    ///
    /// # Errors
    /// If there are others, or more, or fewer.
    pub(crate) fn assign(
        self,
        ports: &[&str],
        (what, of): (&str, &str),
    ) -> Result<Vec<Data<'a>>, NnError> {
        let listed = ports.iter().map(|port| format!("`{port}`")).collect::<Vec<_>>().join(", ");
        let error = |message: String| {
            let s = if ports.len() == 1 { "" } else { "s" };
            let help = format!(
                "the model has {} {of}{s}: {listed}; give an array for each, in this order or as \
                 pairs of name and array",
                ports.len()
            );
            Err(Mistake::new(message).help(help).into())
        };
        let named = self.0.iter().filter(|(name, _)| name.is_some()).count();
        if named == 0 {
            let given = self.0.len();
            if given != ports.len() {
                let were = if given == 1 { "array was" } else { "arrays were" };
                return error(format!("{what}: {given} {were} given"));
            }
            return Ok(self.0.into_iter().map(|(_, data)| data).collect());
        }
        let mut slots: Vec<Option<Data<'a>>> = ports.iter().map(|_| None).collect();
        for (name, data) in self.0 {
            let name = name.unwrap_or_default();
            let Some(index) = ports.iter().position(|port| **port == *name) else {
                return error(format!("{what}: there is no {of} `{name}`"));
            };
            if slots[index].replace(data).is_some() {
                return error(format!("{what}: two arrays were given for `{name}`"));
            }
        }
        if let Some(missing) = slots.iter().position(Option::is_none) {
            return error(format!("{what}: no array was given for `{}`", ports[missing]));
        }
        Ok(slots.into_iter().flatten().collect())
    }
}

/// A list of arrays of different types, in the order of a model's inputs or outputs, or by name:
/// `arrays![&user, &film]`, `arrays!["user" => &user, "film" => &film]`.
#[macro_export]
macro_rules! arrays {
    ($($data:expr),+ $(,)?) => {
        vec![$($crate::IntoData::into_data($data)),+]
    };
    ($($name:expr => $data:expr),+ $(,)?) => {
        vec![$(($name, $crate::IntoData::into_data($data))),+]
    };
}
