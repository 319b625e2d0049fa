//! Convolution of sequences.

use super::convolution::{Convolution, convolution_layer};

/// `y = f(x ∗ kernel + bias)` over sequences; see [`Conv`](brolga_ir::ops::Conv) for the
/// convolution.
///
/// `x: [batch, steps, channels]`, `kernel: [width, channels / groups, filters]`, `bias: [filters]`,
/// `y: [batch, steps', filters]`, where `padding` tells how many places the window takes: with
/// `"causal"` no output depends on a later input.
///
/// A mistake if the input is no sequence, the window does not fit into it, or `groups` does not
/// divide channels and filters.
///
/// Keras: <https://keras.io/api/layers/convolution_layers/convolution1d/>
pub type Conv1D = Convolution<1>;

convolution_layer!(Conv1D);
