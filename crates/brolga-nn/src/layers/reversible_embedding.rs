//! A vector for each whole number, and the way back.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::embedding::looked_up;
use super::weights::{Embeddings, embeddings_setters};
use super::{Base, Layer, WeightSpec, layer, shape_of, yes};
use crate::setters::setters;
use crate::trace::Call;

/// An [`Embedding`](super::Embedding) that is also called with the argument `reverse`, for which it
/// gives a score for each number: `y = x · embeddingsᵀ`, or with other weights than these
/// `x · reverse_embeddings`.
///
/// ```
/// use brolga_nn::prelude::*;
///
/// let ids = Input::new([9]).dtype("int32").tensor();
/// let words = ReversibleEmbedding::new(50, 8).shared();
/// let x = words.on(&ids);
/// let logits = words.on(CallArguments::of(&x).reverse(true));
/// let model = Model::new(&ids, &logits)?;
/// # Ok::<(), NnError>(())
/// ```
///
/// Of numbers `x: [batch, ..]`, `y: [batch, .., output_dim]`; in reverse of `x: [batch, ..,
/// output_dim]`, `y: [batch, .., input_dim]`, which `logit_soft_cap` keeps below itself:
/// `tanh(y / cap) · cap`. With `mask_zero` the mask of `y` is `x ≠ 0`; in reverse a mask is dropped,
/// as in Keras.
///
/// Weights: `embeddings: [input_dim, output_dim]`, and `reverse_embeddings: [output_dim,
/// input_dim]` unless `tie_weights`.
///
/// A mistake if an input in reverse has another number of features.
///
/// Press and Wolf, "Using the output embedding to improve language models" (2016). Keras:
/// <https://keras.io/api/layers/core_layers/reversible_embedding/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReversibleEmbedding {
    #[serde(flatten)]
    base: Base,
    input_dim: usize,
    output_dim: usize,
    #[serde(default = "yes")]
    tie_weights: bool,
    #[serde(flatten)]
    embeddings: Embeddings,
    #[serde(default)]
    mask_zero: bool,
    #[serde(default)]
    logit_soft_cap: Option<f64>,
}

layer!(ReversibleEmbedding { input_dim: Count, output_dim: Count, logit_soft_cap: Positive });

impl ReversibleEmbedding {
    /// Vectors of `output_dim` elements for the numbers below `input_dim`.
    pub fn new(input_dim: usize, output_dim: usize) -> Self {
        Self {
            base: Base::default(),
            input_dim,
            output_dim,
            tie_weights: true,
            embeddings: Embeddings::default(),
            mask_zero: false,
            logit_soft_cap: None,
        }
    }

    embeddings_setters!();

    setters! {
        /// Whether the way back has the same weights; true by default.
        tie_weights: bool,
        /// Whether 0 stands for a step that is not there: it is masked. False by default.
        mask_zero: bool,
        /// The bound of the scores; none by default.
        logit_soft_cap: opt f64,
    }
}

/// A score for each of the rows of a table, of vectors like them; `tied` tables are those of the
/// rows, others have the rows as columns.
pub(super) fn reversed(class: &str, x: &Var, table: &Var, tied: bool) -> Var {
    let [numbers, features] = match table.shape()[..] {
        [rows, columns] if tied => [rows, columns],
        [rows, columns] => [columns, rows],
        _ => return x.tracer().fail(Mistake::new(format!("{class}: {} is no table", table.ty()))),
    };
    let Some((_, steps)) = x.shape().split_last().filter(|(n, _)| **n == features) else {
        let message =
            format!("{class} in reverse takes vectors of {features}, given {}", shape_of(x));
        return x.tracer().fail(Mistake::new(message).help("they are as long as the embeddings"));
    };
    let rows = x.reshape([steps.iter().product(), features]);
    let scores = rows.matmul_with(table, false, tied);
    scores.reshape(steps.iter().copied().chain([numbers]).collect::<Vec<_>>())
}

impl Layer for ReversibleEmbedding {
    fn base(&self) -> &Base {
        &self.base
    }

    fn keywords(&self) -> &'static [&'static str] {
        &["reverse"]
    }

    fn build(&self, _: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let (inputs, outputs) = (self.input_dim, self.output_dim);
        let embeddings = self.embeddings.declare("embeddings", [inputs, outputs]);
        let first = embeddings.initializer.clone();
        let reverse = || WeightSpec::trainable("reverse_embeddings", [outputs, inputs], &first);
        let reverse = (!self.tie_weights).then(reverse);
        Ok(std::iter::once(embeddings).chain(reverse).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            if call.flag("reverse") {
                let name = if self.tie_weights { "embeddings" } else { "reverse_embeddings" };
                let table = call.weight(name);
                let scores = reversed("ReversibleEmbedding", &x, &table, self.tie_weights);
                return match self.logit_soft_cap {
                    Some(cap) => (scores / cap).tanh() * cap,
                    None => scores,
                };
            }
            let y = looked_up(&call.weight("embeddings"), &x);
            if self.mask_zero {
                call.set_mask(&y, Some(&x.ne(&x.constant_like(0.0))));
            }
            y
        })
    }
}
