//! The average over a whole volume.

use super::layer;
use super::pooling::{GlobalPooling, Mean};

/// The average of each channel over volumes: `[batch, depth, height, width, channels]` to
/// `[batch, channels]`, or with `keepdims` to `[batch, 1, 1, 1, channels]`.
///
/// A mistake if the input is no volume.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/global_average_pooling3d/>
pub type GlobalAveragePooling3D = GlobalPooling<Mean, 3>;

layer!(GlobalAveragePooling3D);
