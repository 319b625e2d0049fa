//! The maximum over windows of a volume.

use super::layer;
use super::pooling::{Greatest, WindowPooling};

/// The maximum of each window over volumes; see [`MaxPool`](brolga_ir::ops::MaxPool).
///
/// `x: [batch, depth, height, width, channels]`, `y: [batch, depth', height', width', channels]`,
/// where `padding` tells how many places the window takes. With `"same"` padding what is added does
/// not count.
///
/// A mistake if the input is no volume, or the window does not fit into it.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/max_pooling3d/>
pub type MaxPooling3D = WindowPooling<Greatest, 3>;

layer!(MaxPooling3D { pool_size: Count, strides: Count });
