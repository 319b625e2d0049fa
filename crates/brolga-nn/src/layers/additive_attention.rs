//! Attention by sums of query and key.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::scores::{KEYWORDS, Scores, attended, check, sums};
use super::{Base, Layer, WeightSpec, layer, yes};
use crate::initializers::GlorotUniform;
use crate::setters::setters;
use crate::trace::Call;

/// `softmax(scores) · value`, with the scores `Σ scale · tanh(query + key)` over the features.
///
/// Inputs, outputs, masks and arguments of a call are those of [`Attention`](super::Attention).
///
/// Weights: `scale: [features]` if `use_scale`.
///
/// A mistake if the inputs do not fit each other.
///
/// Bahdanau et al., "Neural machine translation by jointly learning to align and translate" (2015).
/// Keras: <https://keras.io/api/layers/attention_layers/additive_attention/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AdditiveAttention {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "yes")]
    use_scale: bool,
    #[serde(default)]
    dropout: f64,
}

layer!(AdditiveAttention { dropout: Share });

impl Default for AdditiveAttention {
    fn default() -> Self {
        Self { base: Base::default(), use_scale: true, dropout: 0.0 }
    }
}

impl AdditiveAttention {
    /// Attention with trained factors of the features.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Whether each feature has a trained factor; true by default.
        use_scale: bool,
        /// The probability with which a share is dropped in training; 0 by default.
        dropout: f64,
    }
}

impl Layer for AdditiveAttention {
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
        let features = check("AdditiveAttention", inputs)?;
        let initializer = GlorotUniform::default().into();
        let scale = || WeightSpec::trainable("scale", [features], &initializer);
        Ok(self.use_scale.then(scale).into_iter().collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let scores = |call: &Call<'_>, query: &Var, key: &Var| {
            let sums = sums(query, key).tanh();
            let scaled = if self.use_scale { sums * call.weight("scale") } else { sums };
            scaled.reduce_sum(&[3], false)
        };
        attended(call, "AdditiveAttention", inputs, self.dropout, &Scores::Other(&scores))
    }
}
