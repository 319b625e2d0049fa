//! The mean absolute error in percent of the labels.

use brolga_ir::Var;

use super::{EPSILON, mean_last, pair, plain_loss};

plain_loss! {
    /// `100 · mean(|y_true − y_pred| / max(|y_true|, 10⁻⁷))` along the last axis.
    ///
    /// Keras: `keras.losses.MeanAbsolutePercentageError`.
    MeanAbsolutePercentageError = mean_absolute_percentage_error
}

/// The loss of each sample; see [`MeanAbsolutePercentageError`].
#[track_caller]
#[must_use]
pub fn mean_absolute_percentage_error(y_true: &Var, y_pred: &Var) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let size = y_true.abs().maximum(&y_true.constant_like(EPSILON));
    mean_last(&((y_true - y_pred) / size).abs()) * 100.0
}
