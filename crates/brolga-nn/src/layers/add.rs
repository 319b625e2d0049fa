//! The sum of tensors.

use super::merging::merging;

merging! {
    /// `y = x₀ + x₁ + …`, element by element.
    ///
    /// Inputs broadcast to each other; one of a lower rank gets axes of extent 1 behind the batch.
    ///
    /// A mistake if they do not broadcast.
    ///
    /// Keras: <https://keras.io/api/layers/merging_layers/add/>
    Add, |a, b| a + b
}
