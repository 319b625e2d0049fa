//! A trained vector for each position.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::positions::{KEYWORDS, Positions, sequence};
use super::{Base, Layer, WeightSpec, layer};
use crate::initializers::{GlorotUniform, Initializer};
use crate::registry::Choice;
use crate::setters::setters;
use crate::trace::Call;

/// `y[b, t, :] = embeddings[t, :]`: a trained vector for each position, to be added to `x`.
///
/// `x: [batch, steps, features]`, of which the shape alone matters; `y` has the shape of `x`. A
/// [call](crate::model::CallArguments) may have `start_index`, the position of the first step, as a
/// number or `[batch, 1]`, or `positions: [batch, steps]`. The mask of `x` is handed on.
///
/// Weights: `embeddings: [sequence_length, features]`.
///
/// A mistake if `x` is no sequence, or longer than `sequence_length`; positions that are tensors
/// give zeros beyond it.
///
/// KerasHub: <https://keras.io/keras_hub/api/modeling_layers/position_embedding/>, which does not
/// hand masks on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PositionEmbedding {
    #[serde(flatten)]
    base: Base,
    sequence_length: usize,
    #[serde(default = "glorot_uniform")]
    initializer: Choice<dyn Initializer>,
}

pub(super) fn glorot_uniform() -> Choice<dyn Initializer> {
    GlorotUniform::default().into()
}

layer!(PositionEmbedding { sequence_length: Count });

impl PositionEmbedding {
    /// Vectors for so many positions.
    pub fn new(sequence_length: usize) -> Self {
        Self { base: Base::default(), sequence_length, initializer: glorot_uniform() }
    }

    setters! {
        /// The first values of the vectors; `glorot_uniform` by default.
        initializer: into Choice<dyn Initializer>,
    }
}

impl Layer for PositionEmbedding {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn keywords(&self) -> &'static [&'static str] {
        &KEYWORDS
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        let [_, _, features] = sequence("PositionEmbedding", x)?;
        let shape = [self.sequence_length, features];
        Ok(vec![WeightSpec::trainable("embeddings", shape, &self.initializer)])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let table = call.weight("embeddings");
            match vectors(call, "PositionEmbedding", &table, &x) {
                Ok(vectors) => vectors.broadcast(x.shape().clone()),
                Err(mistake) => call.tracer().fail(mistake),
            }
        })
    }
}

/// The vectors of the positions of a sequence, which broadcast to it.
pub(super) fn vectors(call: &Call<'_>, class: &str, table: &Var, x: &Var) -> Result<Var, Mistake> {
    let [batch, steps, _] = sequence(class, x.ty())?;
    Positions::of(call, batch, steps)?.of_table(class, table, steps)
}
