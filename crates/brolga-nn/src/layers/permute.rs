//! The axes of samples in another order.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::trace::Call;

/// Axis `k` of the result is axis `dims[k − 1]` of the input; axes are counted from 1, the batch
/// stays in front. `Permute::new([2, 1])` exchanges the two axes of a sample.
///
/// A mistake if `dims` is not an order of the sample's axes.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/permute/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Permute {
    #[serde(flatten)]
    base: Base,
    dims: Vec<usize>,
}

layer!(Permute);

impl Permute {
    /// The axes of samples in this order, counted from 1.
    pub fn new(dims: impl IntoIterator<Item = usize>) -> Self {
        Self { base: Base::default(), dims: dims.into_iter().collect() }
    }
}

impl Layer for Permute {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let mut sorted = self.dims.clone();
        sorted.sort_unstable();
        let fits = |ty: &Type| sorted.iter().copied().eq(1..ty.shape.rank().max(1));
        if inputs.iter().all(fits) {
            return Ok(vec![]);
        }
        let message =
            format!("dims {:?} is not an order of the axes of {}", self.dims, shapes(inputs));
        Err(Mistake::new(message).help("each axis but the batch must occur once, counted from 1"))
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let order: Vec<usize> = std::iter::once(0).chain(self.dims.iter().copied()).collect();
        call.map(inputs, |_, x| x.transpose(&order))
    }
}
