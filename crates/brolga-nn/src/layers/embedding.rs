//! A vector for each whole number.

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::weights::{Embeddings, embeddings_setters};
use super::{Base, Layer, WeightSpec, layer};
use crate::trace::Call;

/// `y[i.., :] = embeddings[x[i..], :]`: whole numbers become vectors.
///
/// `x: [batch, ..]` of numbers from 0 to `input_dim − 1`, `embeddings: [input_dim, output_dim]`,
/// `y: [batch, .., output_dim]`. Fractions of `x` are cut off; a number out of range gives zeros.
/// Inputs of models are `f32`, which holds each whole number up to 2²⁴.
///
/// Keras: <https://keras.io/api/layers/core_layers/embedding/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Embedding {
    #[serde(flatten)]
    base: Base,
    input_dim: usize,
    output_dim: usize,
    #[serde(flatten)]
    embeddings: Embeddings,
}

layer!(Embedding { input_dim: Count, output_dim: Count });

impl Embedding {
    /// Vectors of `output_dim` elements for the numbers below `input_dim`.
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        Self { base: Base::default(), input_dim, output_dim, embeddings: Embeddings::default() }
    }

    embeddings_setters!();
}

impl Layer for Embedding {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, _: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let shape = [self.input_dim, self.output_dim];
        Ok(vec![self.embeddings.declare("embeddings", shape)])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let indices = if x.dtype().is_float() { x.cast(DType::I32) } else { x };
            call.weight("embeddings").gather(&indices)
        })
    }
}
