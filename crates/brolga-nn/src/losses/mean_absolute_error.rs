//! The mean absolute error.

use brolga_ir::Var;

use super::{mean_last, pair, plain_loss};

plain_loss! {
    /// `mean(|y_pred − y_true|)` along the last axis.
    ///
    /// Keras: `keras.losses.MeanAbsoluteError`.
    MeanAbsoluteError = mean_absolute_error
}

/// The loss of each sample; see [`MeanAbsoluteError`].
#[track_caller]
#[must_use]
pub fn mean_absolute_error(y_true: &Var, y_pred: &Var) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    mean_last(&(y_pred - y_true).abs())
}
