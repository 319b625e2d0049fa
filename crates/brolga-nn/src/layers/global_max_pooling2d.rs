//! The maximum over a whole image.

use super::layer;
use super::pooling::{GlobalPooling, Greatest};

/// The maximum of each channel over images: `[batch, height, width, channels]` to
/// `[batch, channels]`, or with `keepdims` to `[batch, 1, 1, channels]`. The gradient goes to the
/// greatest elements in equal shares.
///
/// A mistake if the input is no image.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/global_max_pooling2d/>
pub type GlobalMaxPooling2D = GlobalPooling<Greatest, 2>;

layer!(GlobalMaxPooling2D);
