//! The maximum over a whole volume.

use super::layer;
use super::pooling::{GlobalPooling, Greatest};

/// The maximum of each channel over volumes: `[batch, depth, height, width, channels]` to
/// `[batch, channels]`, or with `keepdims` to `[batch, 1, 1, 1, channels]`. The gradient goes to
/// the greatest elements in equal shares.
///
/// A mistake if the input is no volume.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/global_max_pooling3d/>
pub type GlobalMaxPooling3D = GlobalPooling<Greatest, 3>;

layer!(GlobalMaxPooling3D);
