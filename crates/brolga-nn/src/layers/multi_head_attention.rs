//! Attention with several heads.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::heads::{KEYWORDS, MultiHead};
use super::weights::{Bias, Kernel, bias_setters, kernel_setters};
use super::{Base, Layer, WeightSpec, layer, yes};
use crate::config::{Axes, OneOrMany};
use crate::setters::setters;
use crate::trace::Call;

/// For each head `softmax(Q·Kᵀ / √key_dim) · V`, with the projections `Q` of the query, `K` of the
/// key and `V` of the value; a last projection joins the heads.
///
/// Inputs are query `[batch, T, features]`, value and, if it is another tensor, key `[batch, S,
/// features]`; of one sequence `layer.on([&x, &x])`. The output is `[batch, T, features]`, or has
/// the extents `output_shape` in place of the features. With more axes of steps, `attention_axes`
/// are those along which queries attend to keys.
///
/// Arguments of a [call](crate::model::CallArguments):
///
/// | | |
/// |---|---|
/// | `query_mask`, `value_mask`, `key_mask` | which steps count, `[batch, T]`, `[batch, S]`; the masks of the inputs by default |
/// | `attention_mask` | where a query may attend to a key: `[batch, T, S]`, with the axis of the heads before `T`, or without the batch |
/// | `use_causal_mask` | whether a query attends to no key after its own place |
/// | `return_attention_scores` | whether the shares `[batch, heads, T, S]` before dropout are a second output |
/// | `cache`, `cache_update_index` | keys and values `[batch, 2, S, heads, key_dim]`, and the place of the new ones, a number or `[batch, 1]`; the last output is the cache with them |
///
/// With a cache, tokens one at a time give the bits of the whole sequence. Query masks are handed
/// on. A query that may attend to no key attends to all alike, or, where the shares are a result or
/// there is `dropout`, to none: as in Keras.
///
/// Weights: `kernel` and `bias` of `query`, `key`, `gate` if `use_gate`, `value` and
/// `attention_output`.
///
/// A mistake if the inputs are no sequences, value and key differ in their steps, a mask does not
/// fit, or the cache is too short.
///
/// Vaswani et al., "Attention is all you need" (2017). Keras:
/// <https://keras.io/api/layers/attention_layers/multi_head_attention/>; the cache is that of
/// KerasHub's `CachedMultiHeadAttention`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MultiHeadAttention {
    #[serde(flatten)]
    base: Base,
    num_heads: usize,
    key_dim: usize,
    #[serde(default)]
    value_dim: Option<usize>,
    #[serde(default)]
    dropout: f64,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default)]
    use_gate: bool,
    #[serde(default)]
    output_shape: Option<OneOrMany<usize>>,
    #[serde(default)]
    attention_axes: Option<Axes>,
    #[serde(default)]
    sliding_window: Option<usize>,
    #[serde(default)]
    flash_attention: Option<bool>,
    #[serde(flatten)]
    kernel: Kernel,
    #[serde(flatten)]
    bias: Bias,
}

layer!(MultiHeadAttention {
    num_heads: Count,
    key_dim: Count,
    value_dim: Count,
    dropout: Share,
    sliding_window: Count,
});

impl MultiHeadAttention {
    /// Attention with so many heads, for whose queries and keys there are `key_dim` features.
    pub fn new(num_heads: usize, key_dim: usize) -> Self {
        Self {
            base: Base::default(),
            num_heads,
            key_dim,
            value_dim: None,
            dropout: 0.0,
            use_bias: true,
            use_gate: false,
            output_shape: None,
            attention_axes: None,
            sliding_window: None,
            flash_attention: None,
            kernel: Kernel::default(),
            bias: Bias::default(),
        }
    }

    setters! {
        /// The features of a head's values; `key_dim` by default.
        value_dim: opt usize,
        /// The probability with which a share is dropped in training; 0 by default.
        dropout: f64,
        /// Whether the projections have biases; true by default.
        use_bias: bool,
        /// Whether a sigmoid of a projection of the query multiplies what the heads give; false by
        /// default.
        use_gate: bool,
        /// The extents of the output beside batch and steps; the features of the query by default.
        output_shape: some OneOrMany<usize>,
        /// The axes along which queries attend to keys; all axes of steps by default.
        attention_axes: some Axes,
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
            class: "MultiHeadAttention",
            heads: self.num_heads,
            groups: self.num_heads,
            key_dim: self.key_dim,
            value_dim: self.value_dim.unwrap_or(self.key_dim),
            output: self.output_shape.as_ref().map(OneOrMany::as_slice),
            axes: self.attention_axes.as_ref().map(OneOrMany::as_slice),
            use_bias: self.use_bias,
            use_gate: self.use_gate,
            dropout: self.dropout,
            sliding_window: self.sliding_window,
            flash_attention: self.flash_attention == Some(true),
        }
    }
}

impl Layer for MultiHeadAttention {
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
        self.heads().declare(&self.kernel, &self.bias, inputs)
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        self.heads().call(call, inputs)
    }
}
