//! The input of a model.

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::setters::setters;
use crate::trace::Call;

/// Declares the shape of one sample: `Input::new([28, 28, 1])`. It computes nothing.
///
/// Elements are `f32`, or `i32` with `dtype("int32")`; data of other types is converted.
///
/// Keras: <https://keras.io/api/layers/core_layers/input/>.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Input {
    #[serde(flatten)]
    base: Base,
    batch_shape: Vec<Option<usize>>,
    #[serde(default = "float32")]
    dtype: String,
}

fn float32() -> String {
    "float32".to_owned()
}

layer!(Input);

impl Input {
    /// Samples of this shape, the batch not counted.
    pub fn new(shape: impl IntoIterator<Item = usize>) -> Self {
        let extents = shape.into_iter().map(Some);
        let batch_shape = std::iter::once(None).chain(extents).collect();
        Self { base: Base::default(), batch_shape, dtype: float32() }
    }

    /// The size of all batches. Stateful layers have to know it, and take no other; all else takes
    /// batches of any size.
    #[must_use]
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        if let Some(batch) = self.batch_shape.first_mut() {
            *batch = Some(batch_size);
        }
        self
    }

    setters! {
        /// The type of the elements: `"float32"` by default, or `"int32"` for class numbers and
        /// indices.
        dtype: into String,
    }

    fn elements(&self) -> Option<DType> {
        match self.dtype.as_str() {
            "float32" => Some(DType::F32),
            "int32" => Some(DType::I32),
            _ => None,
        }
    }
}

impl Layer for Input {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    /// An input after other layers declares their output.
    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        if let [Some(0), ..] = self.batch_shape[..] {
            let message = "the input is declared for batches of 0 samples";
            return Err(Mistake::new(message).help("a batch has one sample at least"));
        }
        if self.elements().is_none() {
            let message = format!("the input is declared as `{}`", self.dtype);
            let help = "inputs are float32 or int32; arrays of other types are converted";
            return Err(Mistake::new(message).help(help));
        }
        let declared = self.batch_shape.get(1..).unwrap_or_default();
        let fits = |ty: &Type| {
            let given = ty.shape.get(1..).unwrap_or_default();
            given.len() == declared.len()
                && declared.iter().zip(given).all(|(d, g)| d.is_none_or(|extent| extent == *g))
        };
        if inputs.iter().all(fits) {
            return Ok(vec![]);
        }
        let extent = |extent: &Option<usize>| extent.map_or("None".to_owned(), |e| e.to_string());
        let declared: Vec<_> =
            std::iter::once("None".to_owned()).chain(declared.iter().map(extent)).collect();
        let message =
            format!("the input is declared as ({}), given {}", declared.join(", "), shapes(inputs));
        Err(Mistake::new(message).help("a model has one Input, and it is the first layer"))
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| x)
    }

    fn batch_size(&self) -> Option<usize> {
        self.batch_shape.first().copied().flatten()
    }

    fn input_type(&self) -> Option<Type> {
        let extents = self.batch_shape.iter().skip(1).copied();
        let dtype = self.elements().unwrap_or(DType::F32);
        Some(Type::new(dtype, extents.collect::<Option<Vec<_>>>()?))
    }
}
