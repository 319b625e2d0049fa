//! Vectors of tokens and of their positions.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::embedding::looked_up;
use super::position_embedding::vectors;
use super::reversible_embedding::reversed;
use super::weights::{Embeddings, embeddings_setters};
use super::{Base, Layer, WeightSpec, layer, shapes, yes};
use crate::setters::setters;
use crate::trace::Call;

/// `y[b, t, :] = tokens[x[b, t], :] + positions[t, :]`.
///
/// `x: [batch, steps]` of numbers from 0 to `vocabulary_size − 1`, `y: [batch, steps,
/// embedding_dim]`. With `mask_zero` the mask of `y` is `x ≠ 0`. Arguments of a call are those of
/// [`PositionEmbedding`](super::PositionEmbedding), and `reverse`, with which vectors become scores
/// of tokens as in [`ReversibleEmbedding`](super::ReversibleEmbedding).
///
/// Weights: `token_embedding/embeddings: [vocabulary_size, embedding_dim]`,
/// `token_embedding/reverse_embeddings` unless `tie_weights`, `position_embedding/embeddings:
/// [sequence_length, embedding_dim]`.
///
/// A mistake if `x` is no sequence of numbers, or longer than `sequence_length`.
///
/// KerasHub: <https://keras.io/keras_hub/api/modeling_layers/token_and_position_embedding/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenAndPositionEmbedding {
    #[serde(flatten)]
    base: Base,
    vocabulary_size: usize,
    sequence_length: usize,
    embedding_dim: usize,
    #[serde(default = "yes")]
    tie_weights: bool,
    #[serde(flatten)]
    embeddings: Embeddings,
    #[serde(default)]
    mask_zero: bool,
}

layer!(TokenAndPositionEmbedding {
    vocabulary_size: Count,
    sequence_length: Count,
    embedding_dim: Count,
});

impl TokenAndPositionEmbedding {
    /// Vectors of `embedding_dim` elements for so many tokens and positions.
    pub fn new(vocabulary_size: usize, sequence_length: usize, embedding_dim: usize) -> Self {
        Self {
            base: Base::default(),
            vocabulary_size,
            sequence_length,
            embedding_dim,
            tie_weights: true,
            embeddings: Embeddings::default(),
            mask_zero: false,
        }
    }

    embeddings_setters!();

    setters! {
        /// Whether the way back from vectors to tokens has no weights of its own; true by default.
        tie_weights: bool,
        /// Whether 0 stands for a step that is not there: it is masked. False by default.
        mask_zero: bool,
    }
}

const CLASS: &str = "TokenAndPositionEmbedding";

impl Layer for TokenAndPositionEmbedding {
    fn base(&self) -> &Base {
        &self.base
    }

    fn keywords(&self) -> &'static [&'static str] {
        &["start_index", "positions", "reverse"]
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        if let Some(wrong) = inputs.iter().find(|ty| ty.shape.rank() != 2) {
            let given = shapes(std::slice::from_ref(wrong));
            let message = format!("{CLASS} takes token numbers (None, steps), given {given}");
            return Err(Mistake::new(message).help("a sample is one sequence: Input::new([steps])"));
        }
        let (tokens, length, features) =
            (self.vocabulary_size, self.sequence_length, self.embedding_dim);
        let declare = |name: &str, shape: [usize; 2]| self.embeddings.declare(name, shape);
        let reverse = (!self.tie_weights)
            .then(|| declare("token_embedding/reverse_embeddings", [features, tokens]));
        let table = declare("token_embedding/embeddings", [tokens, features]);
        let positions = declare("position_embedding/embeddings", [length, features]);
        Ok(std::iter::once(table).chain(reverse).chain([positions]).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            if call.flag("reverse") {
                let name = if self.tie_weights { "embeddings" } else { "reverse_embeddings" };
                let table = call.weight(&format!("token_embedding/{name}"));
                return reversed(CLASS, &x, &table, self.tie_weights);
            }
            let tokens = looked_up(&call.weight("token_embedding/embeddings"), &x);
            let table = call.weight("position_embedding/embeddings");
            let y = match vectors(call, CLASS, &table, &tokens) {
                Ok(positions) => tokens + positions,
                Err(mistake) => return call.tracer().fail(mistake),
            };
            if self.mask_zero {
                call.set_mask(&y, Some(&x.ne(&x.constant_like(0.0))));
            }
            y
        })
    }
}
