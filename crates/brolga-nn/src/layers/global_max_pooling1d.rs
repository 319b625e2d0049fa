//! The maximum over a whole sequence.

use super::layer;
use super::pooling::{GlobalPooling, Greatest};

/// The maximum of each channel over sequences: `[batch, steps, channels]` to `[batch, channels]`,
/// or with `keepdims` to `[batch, 1, channels]`. The gradient goes to the greatest elements in
/// equal shares.
///
/// A mistake if the input is no sequence.
///
/// Keras: <https://keras.io/api/layers/pooling_layers/global_max_pooling1d/>
pub type GlobalMaxPooling1D = GlobalPooling<Greatest, 1>;

layer!(GlobalMaxPooling1D);
