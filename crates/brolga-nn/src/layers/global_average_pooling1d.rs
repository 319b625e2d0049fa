//! The average over a whole sequence.

use super::layer;
use super::pooling::{GlobalPooling, Mean};

/// The average of each channel over sequences: `[batch, steps, channels]` to `[batch, channels]`,
/// or with `keepdims` to `[batch, 1, channels]`.
///
/// Steps that a mask leaves out do not count; of a sequence without any the average is NaN, as in
/// Keras.
///
/// A mistake if the input is no sequence.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/global_average_pooling1d/>
pub type GlobalAveragePooling1D = GlobalPooling<Mean, 1>;

layer!(GlobalAveragePooling1D);
