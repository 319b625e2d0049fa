//! The mean squared error of logarithms.

use brolga_ir::Var;

use super::{EPSILON, mean_last, pair, plain_loss};

plain_loss! {
    /// `mean((ln(1 + y_true) − ln(1 + y_pred))²)` along the last axis; numbers below 10⁻⁷ count as
    /// 10⁻⁷.
    ///
    /// Keras: `keras.losses.MeanSquaredLogarithmicError`.
    MeanSquaredLogarithmicError = mean_squared_logarithmic_error
}

/// The loss of each sample; see [`MeanSquaredLogarithmicError`].
#[track_caller]
#[must_use]
pub fn mean_squared_logarithmic_error(y_true: &Var, y_pred: &Var) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let log = |y: &Var| (y.maximum(&y.constant_like(EPSILON)) + 1.0).log();
    let difference = log(&y_true) - log(&y_pred);
    mean_last(&(&difference * &difference))
}
