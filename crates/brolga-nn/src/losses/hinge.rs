//! The hinge loss.

use brolga_ir::Var;

use super::{mean_last, pair, plain_loss};

plain_loss! {
    /// `mean(max(1 − y_true · y_pred, 0))` along the last axis, with labels −1 and 1.
    ///
    /// A batch whose labels are all 0 or 1 counts its zeros as −1, as in Keras.
    ///
    /// Keras: `keras.losses.Hinge`.
    Hinge = hinge
}

/// The loss of each sample; see [`Hinge`].
#[track_caller]
#[must_use]
pub fn hinge(y_true: &Var, y_pred: &Var) -> Var {
    mean_last(&margins(y_true, y_pred))
}

/// `max(1 − y_true · y_pred, 0)`, with labels of 0 and 1 as −1 and 1.
#[track_caller]
pub(super) fn margins(y_true: &Var, y_pred: &Var) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let is = |label: f64| y_true.eq(&y_true.constant_like(label));
    let binary = is(0.0).logical_or(&is(1.0)).cast(y_true.dtype());
    let axes: Vec<usize> = (0..binary.shape().rank()).collect();
    let all_binary = binary.reduce_min(&axes, false).gt(&binary.constant_like(0.5));
    let labels = all_binary.select(&(&y_true * 2.0 - 1.0), &y_true);
    (1.0 - labels * y_pred).relu()
}
