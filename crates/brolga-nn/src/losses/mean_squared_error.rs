//! The mean squared error.

use brolga_ir::Var;

use super::{mean_last, pair, plain_loss};

plain_loss! {
    /// `mean((y_pred − y_true)²)` along the last axis.
    ///
    /// Keras: `keras.losses.MeanSquaredError`.
    MeanSquaredError = mean_squared_error
}

/// The loss of each sample; see [`MeanSquaredError`].
#[track_caller]
#[must_use]
pub fn mean_squared_error(y_true: &Var, y_pred: &Var) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let difference = y_pred - y_true;
    mean_last(&(&difference * &difference))
}
