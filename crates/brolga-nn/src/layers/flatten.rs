//! All axes but the batch as one.

use brolga_ir::{Mistake, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::trace::Call;

/// `[batch, ..]` to `[batch, n]`, in row-major order; n is 1 for samples of one number.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/flatten/>
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Flatten {
    #[serde(flatten)]
    base: Base,
}

layer!(Flatten);

impl Flatten {
    /// All axes but the batch as one.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Layer for Flatten {
    fn base(&self) -> &Base {
        &self.base
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match x.shape()[..] {
            [batch, ref rest @ ..] => x.reshape([batch, rest.iter().product()]),
            [] => call.tracer().fail(Mistake::new("Flatten takes (None, ..), given a scalar")),
        })
    }
}
