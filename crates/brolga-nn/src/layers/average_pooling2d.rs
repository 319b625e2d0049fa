//! The average over windows of an image.

use super::layer;
use super::pooling::{Mean, WindowPooling};

/// The average of each window over images; see [`AvgPool`](brolga_ir::ops::AvgPool).
///
/// `x: [batch, height, width, channels]`, `y: [batch, height', width', channels]`, where `padding`
/// tells how many places the window takes. With `"same"` padding what is added counts neither in
/// the sum nor in the number of elements.
///
/// A mistake if the input is no image, or the window does not fit into it.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/average_pooling2d/>
pub type AveragePooling2D = WindowPooling<Mean, 2>;

layer!(AveragePooling2D { pool_size: Count, strides: Count });
