//! The maximum over windows of a sequence.

use super::layer;
use super::pooling::{Greatest, WindowPooling};

/// The maximum of each window over sequences; see [`MaxPool`](brolga_ir::ops::MaxPool).
///
/// `x: [batch, steps, channels]`, `y: [batch, steps', channels]`, where `padding` tells how many
/// places the window takes. With `"same"` padding what is added does not count.
///
/// A mistake if the input is no sequence, or the window does not fit into it.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/max_pooling1d/>
pub type MaxPooling1D = WindowPooling<Greatest, 1>;

layer!(MaxPooling1D { pool_size: Count, strides: Count });
