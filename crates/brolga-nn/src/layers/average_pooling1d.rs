//! The average over windows of a sequence.

use super::layer;
use super::pooling::{Mean, WindowPooling};

/// The average of each window over sequences; see [`AvgPool`](brolga_ir::ops::AvgPool).
///
/// `x: [batch, steps, channels]`, `y: [batch, steps', channels]`, where `padding` tells how many
/// places the window takes. With `"same"` padding what is added counts neither in the sum nor in
/// the number of elements.
///
/// A mistake if the input is no sequence, or the window does not fit into it.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/average_pooling1d/>
pub type AveragePooling1D = WindowPooling<Mean, 1>;

layer!(AveragePooling1D { pool_size: Count, strides: Count });
