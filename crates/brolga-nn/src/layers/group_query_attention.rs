//! Attention with several heads of queries for each head of keys.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::heads::{KEYWORDS, MultiHead};
use super::weights::{Bias, Kernel, bias_setters, kernel_setters};
use super::{Base, Layer, WeightSpec, layer, shapes, yes};
use crate::setters::setters;
use crate::trace::Call;

/// [`MultiHeadAttention`](super::MultiHeadAttention) in which `num_query_heads /
/// num_key_value_heads` neighbouring heads of queries share a head of keys and values. Keys and
/// values are not repeated for it.
///
/// Inputs, outputs and arguments of a call are those of `MultiHeadAttention`, for sequences
/// `[batch, steps, features]`; a cache is `[batch, 2, S, num_key_value_heads, head_dim]`.
///
/// A mistake if `num_query_heads` is no multiple of `num_key_value_heads`; and as there.
///
/// Ainslie et al., "GQA: training generalized multi-query transformer models" (2023). Keras:
/// <https://keras.io/api/layers/attention_layers/group_query_attention/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GroupQueryAttention {
    #[serde(flatten)]
    base: Base,
    head_dim: usize,
    num_query_heads: usize,
    num_key_value_heads: usize,
    #[serde(default)]
    dropout: f64,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default)]
    use_gate: bool,
    #[serde(default)]
    sliding_window: Option<usize>,
    #[serde(default)]
    flash_attention: Option<bool>,
    #[serde(flatten)]
    kernel: Kernel,
    #[serde(flatten)]
    bias: Bias,
}

layer!(GroupQueryAttention {
    head_dim: Count,
    num_query_heads: Count,
    num_key_value_heads: Count,
    dropout: Share,
    sliding_window: Count,
});

impl GroupQueryAttention {
    /// Attention with heads of `head_dim` features.
    pub fn new(head_dim: usize, num_query_heads: usize, num_key_value_heads: usize) -> Self {
        Self {
            base: Base::default(),
            head_dim,
            num_query_heads,
            num_key_value_heads,
            dropout: 0.0,
            use_bias: true,
            use_gate: false,
            sliding_window: None,
            flash_attention: None,
            kernel: Kernel::default(),
            bias: Bias::default(),
        }
    }

    setters! {
        /// The probability with which a share is dropped in training; 0 by default.
        dropout: f64,
        /// Whether the projections have biases; true by default.
        use_bias: bool,
        /// Whether a sigmoid of a projection of the query multiplies what the heads give; false by
        /// default.
        use_gate: bool,
        /// Queries attend to keys that are less than so many steps away; any by default.
        sliding_window: opt usize,
        /// Accepted as in Keras, and changes nothing; not together with dropout, or with scores as
        /// a result.
        flash_attention: opt bool,
    }

    kernel_setters!();
    bias_setters!();

    fn heads(&self) -> MultiHead<'_> {
        MultiHead {
            class: "GroupQueryAttention",
            heads: self.num_query_heads,
            groups: self.num_key_value_heads,
            key_dim: self.head_dim,
            value_dim: self.head_dim,
            output: None,
            axes: None,
            use_bias: self.use_bias,
            use_gate: self.use_gate,
            dropout: self.dropout,
            sliding_window: self.sliding_window,
            flash_attention: self.flash_attention == Some(true),
        }
    }
}

impl Layer for GroupQueryAttention {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn takes_separate_inputs(&self) -> bool {
        true
    }

    fn keywords(&self) -> &'static [&'static str] {
        &KEYWORDS
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let (heads, groups) = (self.num_query_heads, self.num_key_value_heads);
        if !heads.is_multiple_of(groups) {
            let message = format!(
                "GroupQueryAttention: {heads} heads of queries, {groups} of keys and values"
            );
            let help = "num_query_heads must be a multiple of num_key_value_heads";
            return Err(Mistake::new(message).help(help));
        }
        if let Some(wrong) = inputs.iter().find(|ty| ty.shape.rank() != 3) {
            let given = shapes(std::slice::from_ref(wrong));
            let message = format!(
                "GroupQueryAttention takes sequences (None, steps, features), given {given}"
            );
            let help = "with several axes of steps take MultiHeadAttention";
            return Err(Mistake::new(message).help(help));
        }
        self.heads().declare(&self.kernel, &self.bias, inputs)
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        self.heads().call(call, inputs)
    }
}
