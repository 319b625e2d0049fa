//! The squared hinge loss.

use brolga_ir::Var;

use super::hinge::margins;
use super::{mean_last, plain_loss};

plain_loss! {
    /// `mean(max(1 − y_true · y_pred, 0)²)` along the last axis, with labels as of
    /// [`Hinge`](super::Hinge).
    ///
    /// Keras: `keras.losses.SquaredHinge`.
    SquaredHinge = squared_hinge
}

/// The loss of each sample; see [`SquaredHinge`].
#[track_caller]
#[must_use]
pub fn squared_hinge(y_true: &Var, y_pred: &Var) -> Var {
    let margins = margins(y_true, y_pred);
    mean_last(&(&margins * &margins))
}
