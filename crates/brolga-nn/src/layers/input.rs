//! The input of a model.

use brolga_ir::{DType, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::trace::Call;

/// Declares the shape of one sample: `Input::new([28, 28, 1])`. It computes nothing.
///
/// Elements are `f32`; data of other types is converted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    #[serde(flatten)]
    base: Base,
    batch_shape: Vec<Option<usize>>,
}

layer!(Input);

impl Input {
    /// Samples of this shape, the batch not counted.
    pub fn new(shape: impl IntoIterator<Item = usize>) -> Self {
        let extents = shape.into_iter().map(Some);
        let batch_shape = std::iter::once(None).chain(extents).collect();
        Self { base: Base::default(), batch_shape }
    }
}

impl Layer for Input {
    fn base(&self) -> &Base {
        &self.base
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Var {
        call.single(inputs)
    }

    fn input_type(&self) -> Option<Type> {
        let extents = self.batch_shape.iter().skip(1).copied();
        Some(Type::new(DType::F32, extents.collect::<Option<Vec<_>>>()?))
    }
}
