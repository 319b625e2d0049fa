//! Attention without projections.

use brolga_ir::{Mistake, Shape, Type, Var};
use serde::{Deserialize, Serialize};

use super::moments::ones;
use super::scores::{KEYWORDS, Scores, attended, check, sums};
use super::{Base, Layer, WeightSpec, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `softmax(scores) · value`, with scores of each query and key: `scale · query·key`, or with
/// `score_mode("concat")` `weight · Σ tanh(scale · (query + key))`.
///
/// Inputs are query `[batch, T, features]`, value `[batch, S, values]` and, if it is another tensor,
/// key `[batch, S, features]`. The output is `[batch, T, values]`; with the argument
/// `return_attention_scores` of a [call](crate::model::CallArguments) the shares `[batch, T, S]` are
/// a second one. `use_causal_mask` lets a query attend to no key after its own place. Masked values
/// get no share, masked queries give 0; the output has the mask of the query.
///
/// Weights: `scale: []` if `use_scale`, `concat_score_weight: []` if the mode is `concat`.
///
/// A mistake if the inputs do not fit each other.
///
/// Luong et al., "Effective approaches to attention-based neural machine translation" (2015).
/// Keras: <https://keras.io/api/layers/attention_layers/attention/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attention {
    #[serde(flatten)]
    base: Base,
    #[serde(default)]
    use_scale: bool,
    #[serde(default = "dot")]
    score_mode: String,
    #[serde(default)]
    dropout: f64,
}

fn dot() -> String {
    "dot".to_owned()
}

layer!(Attention { dropout: Share });

impl Default for Attention {
    fn default() -> Self {
        Self { base: Base::default(), use_scale: false, score_mode: dot(), dropout: 0.0 }
    }
}

impl Attention {
    /// Attention by scalar products.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Whether a trained number multiplies the scores, or what is under the tanh; false by
        /// default.
        use_scale: bool,
        /// `"dot"`, the default, or `"concat"`.
        score_mode: into String,
        /// The probability with which a share is dropped in training; 0 by default.
        dropout: f64,
    }

    fn scaled(&self, call: &Call<'_>, x: &Var) -> Var {
        if self.use_scale { x * call.weight("scale") } else { x.clone() }
    }

    /// The scores of the mode `concat`.
    fn scores(&self, call: &Call<'_>, query: &Var, key: &Var) -> Var {
        let sum = self.scaled(call, &sums(query, key)).tanh();
        sum.reduce_sum(&[3], false) * call.weight("concat_score_weight")
    }
}

impl Layer for Attention {
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
        check("Attention", inputs)?;
        let weight = |name: &str| WeightSpec::trainable(name, Shape::scalar(), &ones());
        let mode = match self.score_mode.as_str() {
            "dot" => None,
            "concat" => Some(weight("concat_score_weight")),
            other => {
                let message = format!("there is no score_mode `{other}`");
                return Err(Mistake::new(message).help("score_mode is \"dot\" or \"concat\""));
            }
        };
        Ok(self.use_scale.then(|| weight("scale")).into_iter().chain(mode).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let products = |call: &Call<'_>, query: &Var| self.scaled(call, query);
        let others = |call: &Call<'_>, q: &Var, k: &Var| self.scores(call, q, k);
        let scores = match self.score_mode.as_str() {
            "dot" => Scores::Products(&products),
            _ => Scores::Other(&others),
        };
        attended(call, "Attention", inputs, self.dropout, &scores)
    }
}
