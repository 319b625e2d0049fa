//! The least of tensors.

use super::merging::merging;

merging! {
    /// `y = min(x₀, x₁, …)`, element by element; the gradient of two that are equal goes to both in
    /// halves. NaN wins.
    ///
    /// Inputs broadcast to each other; one of a lower rank gets axes of extent 1 behind the batch.
    ///
    /// A mistake if they do not broadcast.
    ///
    /// Keras: <https://keras.io/api/layers/merging_layers/minimum/>
    Minimum, |a, b| a.minimum(&b)
}
