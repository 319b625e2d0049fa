//! The logarithm of the hyperbolic cosine of the error.

use std::f64::consts::LN_2;

use brolga_ir::Var;

use super::{mean_last, pair, plain_loss};
use crate::activations::softplus;

plain_loss! {
    /// `mean(ln cosh(y_pred − y_true))` along the last axis, computed as `x + softplus(−2x) − ln
    /// 2`, which overflows nowhere.
    ///
    /// Keras: `keras.losses.LogCosh`.
    LogCosh = log_cosh
}

/// The loss of each sample; see [`LogCosh`].
#[track_caller]
#[must_use]
pub fn log_cosh(y_true: &Var, y_pred: &Var) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let x = y_pred - y_true;
    mean_last(&(&x + softplus(&(&x * -2.0)) - LN_2))
}
