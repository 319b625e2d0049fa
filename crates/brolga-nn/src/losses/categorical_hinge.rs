//! The hinge loss of classes.

use brolga_ir::Var;

use super::{Labels, pair, plain_loss, sum_last};
use crate::config::Axis;

plain_loss! {
    /// `max(n − p + 1, 0)` with `p = Σ y_true · y_pred` and `n = max((1 − y_true) · y_pred)` along
    /// the last axis, with one-hot labels.
    ///
    /// Keras: `keras.losses.CategoricalHinge`.
    CategoricalHinge = categorical_hinge, labels: Labels::Distributions { axis: Axis::default() }
}

/// The loss of each sample; see [`CategoricalHinge`].
#[track_caller]
#[must_use]
pub fn categorical_hinge(y_true: &Var, y_pred: &Var) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let Some(axis) = y_pred.shape().rank().checked_sub(1) else { return y_pred };
    let positive = sum_last(&(&y_true * &y_pred));
    let negative = ((1.0 - y_true) * y_pred).reduce_max(&[axis], false);
    (negative - positive + 1.0).relu()
}
