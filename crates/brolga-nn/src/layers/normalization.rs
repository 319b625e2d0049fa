//! Inputs of mean 0 and variance 1.

use brolga_ir::{Data as Elements, Mistake, Tensor, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{Axes, last};
use super::moments::ones;
use super::{Base, Layer, WeightSpec, layer, shapes, zeros};
use crate::arguments::Numbers;
use crate::data::IntoData;
use crate::error::NnError;
use crate::initializers::Kept;
use crate::setters::setters;
use crate::trace::Call;

/// `y = (x − mean) / max(√variance, 1e-7)`, or with `invert` the way back,
/// `x · max(√variance, 1e-7) + mean`; training does not change them.
///
/// Mean and variance are given, or weights that [`Normalization::adapt`] finds in data or a file
/// holds; before that they are 0 and 1, as in Keras. There is one of each for each place on `axis`,
/// which may be several axes or none; numbers that are given stand for all places, and lists have
/// their extents. `y` has the shape of `x`.
///
/// Weights, unless mean and variance are given: `mean`, `variance`, `count`.
///
/// A mistake if one of mean and variance is given alone, or they do not fit the input.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/numerical/normalization/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Normalization {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "last_of_many")]
    axis: Axes,
    #[serde(default)]
    mean: Option<Statistic>,
    #[serde(default)]
    variance: Option<Statistic>,
    #[serde(default)]
    invert: bool,
    /// Mean and variance of the places in data.
    #[serde(skip)]
    adapted: Option<[Vec<f32>; 2]>,
}

/// A number for all places, or lists of numbers for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Statistic {
    /// The same for all.
    One(f64),
    /// One for each, by the first axis.
    Each(Vec<Statistic>),
}

fn last_of_many() -> Axes {
    Axes::Many(vec![last()])
}

layer!(Normalization { mean: Finite, variance: AtLeast(0.0) });

/// A standard deviation below this one divides as this one does.
const LEAST_DEVIATION: f64 = 1e-7;

/// The shape in which a statistic broadcasts to inputs, and its numbers.
type Shaped = (Vec<usize>, Vec<f64>);

impl From<f64> for Statistic {
    fn from(number: f64) -> Self {
        Self::One(number)
    }
}

impl<const N: usize> From<[f64; N]> for Statistic {
    fn from(numbers: [f64; N]) -> Self {
        numbers.to_vec().into()
    }
}

impl From<Vec<f64>> for Statistic {
    fn from(numbers: Vec<f64>) -> Self {
        Self::Each(numbers.into_iter().map(Self::One).collect())
    }
}

impl Numbers for Statistic {
    fn numbers(&self) -> Vec<f64> {
        match self {
            Self::One(number) => vec![*number],
            Self::Each(parts) => parts.iter().flat_map(Numbers::numbers).collect(),
        }
    }
}

impl Statistic {
    /// The extents of lists of lists that have one length on each level.
    fn extents(&self) -> Option<Vec<usize>> {
        let Self::Each(parts) = self else { return Some(vec![]) };
        let mut inner = parts.iter().map(Self::extents);
        let first = inner.next().unwrap_or(Some(vec![]))?;
        let all = inner.all(|extents| extents.as_ref() == Some(&first));
        all.then(|| std::iter::once(parts.len()).chain(first).collect())
    }
}

impl Default for Normalization {
    fn default() -> Self {
        let (mean, variance) = (None, None);
        let adapted = None;
        Self { base: Base::default(), axis: last_of_many(), mean, variance, invert: false, adapted }
    }
}

impl Normalization {
    /// A normalization of each place on the last axis, whose mean and variance are to be set.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis or axes on which each place has a mean and a variance; −1, the last one, by
        /// default.
        axis: into Axes,
        /// Whether `y` has the mean and the variance instead; false by default.
        invert: bool,
        /// The mean.
        mean: some Statistic,
        /// The variance.
        variance: some Statistic,
    }

    /// Whether mean and variance are weights.
    fn has_weights(&self) -> bool {
        self.mean.is_none() && self.variance.is_none()
    }

    /// Takes mean and variance from data, over all axes but `axis`, in `f64`.
    ///
    /// # Errors
    /// If there are no data, or they have no such axis.
    pub fn adapt<'a>(mut self, data: impl IntoData<'a>) -> Result<Self, NnError> {
        let data = data.into_data();
        data.check_copied("the data")?;
        let axes = self.axis.of(&Type::f32(data.shape()))?;
        let extents: Vec<usize> = axes.iter().map(|&axis| data.shape()[axis]).collect();
        let places: usize = extents.iter().product();
        let count = data.shape().iter().product::<usize>() / places.max(1);
        if count == 0 {
            let message = format!("adapt: there are no data of shape {:?}", data.shape());
            return Err(Mistake::new(message).help("give at least one sample").into());
        }
        let inner = |axis: usize| data.shape()[axis + 1..].iter().product::<usize>();
        let steps: Vec<(usize, usize)> =
            axes.iter().map(|&axis| (inner(axis), data.shape()[axis])).collect();
        let place = |element: usize| {
            steps.iter().fold(0, |place, (inner, extent)| place * extent + element / inner % extent)
        };
        let average = |of: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; places];
            data.each(|element, x| sums[place(element)] += of(place(element), x));
            sums.into_iter().map(|sum| sum / count as f64).collect::<Vec<_>>()
        };
        let mean = average(&|_, x| x);
        let variance = average(&|place, x| (x - mean[place]).powi(2));
        let rounded = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect();
        self.adapted = Some([rounded(mean), rounded(variance)]);
        (self.mean, self.variance) = (None, None);
        Ok(self)
    }

    /// Mean and variance, each with the shape in which it broadcasts to inputs of this type.
    fn statistics(&self, x: &Type) -> Result<[Shaped; 2], Mistake> {
        let (Some(mean), Some(variance)) = (&self.mean, &self.variance) else {
            let message = "Normalization has one of mean and variance alone";
            return Err(Mistake::new(message)
                .help("give both, .mean(..).variance(..), or take them from data, .adapt(&x)?"));
        };
        let axes = self.axis.of(x)?;
        let shaped = |what: &str, statistic: &Statistic| {
            let mut shape = vec![1; x.shape.rank()];
            let given = statistic.extents();
            let own = given.as_deref().unwrap_or_default();
            let fits = given.is_some()
                && own.len() <= axes.len()
                && axes.iter().rev().zip(own.iter().rev()).all(|(&axis, &extent)| {
                    shape[axis] = extent;
                    x.shape[axis] == extent || extent == 1
                });
            if fits {
                return Ok((shape, statistic.numbers()));
            }
            let wanted: Vec<usize> = axes.iter().map(|&axis| x.shape[axis]).collect();
            let message = format!(
                "{what} has the extents {own:?}, {} has {wanted:?} on axes {axes:?}",
                shapes(std::slice::from_ref(x))
            );
            Err(Mistake::new(message).help("give one number, or one for each place on the axes"))
        };
        Ok([shaped("mean", mean)?, shaped("variance", variance)?])
    }
}

impl Normalization {
    /// What the weights make of `x`.
    fn by_weights(&self, call: &mut Call<'_>, x: &Var) -> Var {
        let axes = match self.axis.of(x.ty()) {
            Ok(axes) => axes,
            Err(mistake) => return call.tracer().fail(mistake),
        };
        let mut shape = vec![1; x.shape().rank()];
        axes.iter().for_each(|&axis| shape[axis] = x.shape()[axis]);
        let [mean, variance] = ["mean", "variance"]
            .map(|name| call.weight(name).reshape(shape.clone()).cast(x.dtype()));
        let deviation = variance.sqrt();
        let deviation = deviation.maximum(&deviation.constant_like(LEAST_DEVIATION));
        if self.invert { x * deviation + mean } else { (x - mean) / deviation }
    }
}

impl Layer for Normalization {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        if !self.has_weights() {
            return self.statistics(x).map(|_| vec![]);
        }
        let shape: Vec<usize> = self.axis.of(x)?.iter().map(|&axis| x.shape[axis]).collect();
        let [mean, variance] = match &self.adapted {
            None => [zeros(), ones()],
            Some(adapted) => {
                let places = adapted[0].len();
                if places != shape.iter().product::<usize>() {
                    let message = format!(
                        "Normalization has the statistics of {places} places, given {}",
                        shapes(inputs)
                    );
                    return Err(Mistake::new(message).help("adapt it to data of the same shape"));
                }
                adapted.clone().map(|values| Kept { values }.into())
            }
        };
        Ok(vec![
            WeightSpec::non_trainable("mean", &*shape, &mean),
            WeightSpec::non_trainable("variance", &*shape, &variance),
            WeightSpec::non_trainable("count", [], &zeros()),
        ])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.statistics(x.ty()) {
            _ if self.has_weights() => self.by_weights(call, &x),
            Ok([(mean_shape, mean), (shape, variance)]) => {
                let constant = |shape: Vec<usize>, values: &[f64]| {
                    let tensor = Tensor::new(shape, Elements::from_f64(x.dtype(), values));
                    x.tracer().constant(tensor.expect("as many values as the extents say"))
                };
                let deviation = |variance: &f64| variance.sqrt().max(LEAST_DEVIATION);
                let deviation =
                    constant(shape, &variance.iter().map(deviation).collect::<Vec<_>>());
                let mean = constant(mean_shape, &mean);
                if self.invert { x * deviation + mean } else { (x - mean) / deviation }
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
