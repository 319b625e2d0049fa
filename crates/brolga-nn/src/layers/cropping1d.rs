//! A sequence without its borders.

use super::cropping::Cropping;
use super::layer;

/// Sequences without so many elements before and after each spatial axis, one element on each side
/// by default: `[batch, steps, channels]` to `[batch, steps', channels]`.
///
/// A mistake if the input is no sequence, or nothing would be left of it.
///
/// Keras: <https://keras.io/api/layers/reshaping_layers/cropping1d/>
pub type Cropping1D = Cropping<1>;

layer!(Cropping1D);
