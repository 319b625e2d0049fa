//! A vector for each whole number.

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::weights::{Embeddings, embeddings_setters};
use super::{Base, Layer, WeightSpec, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y[i.., :] = embeddings[x[i..], :]`: whole numbers become vectors.
///
/// `x: [batch, ..]` of numbers from 0 to `input_dim − 1`, `embeddings: [input_dim, output_dim]`,
/// `y: [batch, .., output_dim]`. Fractions of `x` are cut off; a number out of range gives zeros.
/// Inputs of models are `f32`, which holds each whole number up to 2²⁴. With `mask_zero` the mask of
/// `y` is `x ≠ 0`.
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
    #[serde(default)]
    mask_zero: bool,
}

layer!(Embedding { input_dim: Count, output_dim: Count });

impl Embedding {
    /// Vectors of `output_dim` elements for the numbers below `input_dim`.
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        let (base, embeddings) = (Base::default(), Embeddings::default());
        Self { base, input_dim, output_dim, embeddings, mask_zero: false }
    }

    embeddings_setters!();

    setters! {
        /// Whether 0 stands for a step that is not there: it is masked. False by default.
        mask_zero: bool,
    }
}

impl Layer for Embedding {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        self.mask_zero
    }

    fn build(&self, _: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let shape = [self.input_dim, self.output_dim];
        Ok(vec![self.embeddings.declare("embeddings", shape)])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let y = looked_up(&call.weight("embeddings"), &x);
            if self.mask_zero {
                call.set_mask(&y, Some(&x.ne(&x.constant_like(0.0))));
            }
            y
        })
    }
}

/// The rows of a table with these numbers, of which fractions are cut off.
pub(super) fn looked_up(table: &Var, x: &Var) -> Var {
    if x.dtype().is_float() { table.gather(&x.cast(DType::I32)) } else { table.gather(x) }
}
