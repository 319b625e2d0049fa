//! The divergence of Kullback and Leibler.

use brolga_ir::Var;

use super::{EPSILON, pair, plain_loss, sum_last};

plain_loss! {
    /// `Σ y_true · ln(y_true / y_pred)` along the last axis, with both kept between 10⁻⁷ and 1.
    ///
    /// Keras: `keras.losses.KLDivergence`.
    KLDivergence = kl_divergence
}

/// The loss of each sample; see [`KLDivergence`].
#[track_caller]
#[must_use]
pub fn kl_divergence(y_true: &Var, y_pred: &Var) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let within = |y: &Var| y.maximum(&y.constant_like(EPSILON)).minimum(&y.constant_like(1.0));
    let (y_true, y_pred) = (within(&y_true), within(&y_pred));
    sum_last(&(&y_true * (&y_true / y_pred).log()))
}
