//! A vector several times.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::trace::Call;

/// `[batch, features]` to `[batch, n, features]`: the vector `n` times.
///
/// A mistake if samples are no vectors.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/repeat_vector/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RepeatVector {
    #[serde(flatten)]
    base: Base,
    n: usize,
}

layer!(RepeatVector { n: Count });

impl RepeatVector {
    /// The vector this many times.
    pub fn new(n: usize) -> Self {
        Self { base: Base::default(), n }
    }
}

impl Layer for RepeatVector {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        if inputs.iter().all(|ty| ty.shape.rank() == 2) {
            return Ok(vec![]);
        }
        let message = format!("RepeatVector takes (None, features), given {}", shapes(inputs));
        Err(Mistake::new(message).help("make vectors of the samples first: Flatten::new()"))
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| match x.shape()[..] {
            [batch, features] => {
                x.reshape([batch, 1, features]).broadcast([batch, self.n, features])
            }
            _ => x,
        })
    }
}
