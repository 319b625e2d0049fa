//! The average over windows of a volume.

use super::layer;
use super::pooling::{Mean, WindowPooling};

/// The average of each window over volumes; see [`AvgPool`](brolga_ir::ops::AvgPool).
///
/// `x: [batch, depth, height, width, channels]`, `y: [batch, depth', height', width', channels]`,
/// where `padding` tells how many places the window takes. With `"same"` padding what is added
/// counts neither in the sum nor in the number of elements.
///
/// A mistake if the input is no volume, or the window does not fit into it.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/average_pooling3d/>
pub type AveragePooling3D = WindowPooling<Mean, 3>;

layer!(AveragePooling3D { pool_size: Count, strides: Count });
