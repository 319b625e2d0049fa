//! The average over a whole image.

use super::layer;
use super::pooling::{GlobalPooling, Mean};

/// The average of each channel over images: `[batch, height, width, channels]` to
/// `[batch, channels]`, or with `keepdims` to `[batch, 1, 1, channels]`.
///
/// A mistake if the input is no image.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/global_average_pooling2d/>
pub type GlobalAveragePooling2D = GlobalPooling<Mean, 2>;

layer!(GlobalAveragePooling2D);
