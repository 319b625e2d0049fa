//! The maximum over windows of an image.

use super::layer;
use super::pooling::{Greatest, WindowPooling};

/// The maximum of each window over images; see [`MaxPool`](brolga_ir::ops::MaxPool).
///
/// `x: [batch, height, width, channels]`, `y: [batch, height', width', channels]`, where `padding`
/// tells how many places the window takes. With `"same"` padding what is added does not count.
///
/// A mistake if the input is no image, or the window does not fit into it.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/max_pooling2d/>
pub type MaxPooling2D = WindowPooling<Greatest, 2>;

layer!(MaxPooling2D { pool_size: Count, strides: Count });
