//! The Poisson loss.

use brolga_ir::Var;

use super::{EPSILON, mean_last, pair, plain_loss};

plain_loss! {
    /// `mean(y_pred − y_true · ln(y_pred + 10⁻⁷))` along the last axis.
    ///
    /// Keras: `keras.losses.Poisson`.
    Poisson = poisson
}

/// The loss of each sample; see [`Poisson`].
#[track_caller]
#[must_use]
pub fn poisson(y_true: &Var, y_pred: &Var) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let log = (&y_pred + EPSILON).log();
    mean_last(&(&y_pred - y_true * log))
}
