//! The Huber loss.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Loss, Losses, Reduction, loss, mean_last, pair, reduction};
use crate::trace::Prediction;

/// `mean(h(y_pred − y_true))` along the last axis, with `h(x) = x² / 2` where `|x| ≤ delta`,
/// `delta · |x| − delta² / 2` elsewhere.
///
/// Huber, "Robust estimation of a location parameter" (1964).
///
/// Keras: `keras.losses.Huber`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Huber {
    /// The error from which on the loss is linear; 1 by default.
    pub delta: f64,
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
}

loss!(Huber { delta: Positive });

impl Default for Huber {
    fn default() -> Self {
        Self::new(1.0)
    }
}

impl Huber {
    /// Linear from this error on, with the default reduction.
    pub fn new(delta: f64) -> Self {
        Self { delta, reduction: Reduction::default() }
    }
}

impl Loss for Huber {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        huber(y_true, &y_pred.output, self.delta).into()
    }
}

/// The loss of each sample; see [`Huber`].
#[track_caller]
#[must_use]
pub fn huber(y_true: &Var, y_pred: &Var, delta: f64) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let error = (y_pred - y_true).abs();
    // Both halves of the formula at once: nothing is squared that is larger than delta.
    let bounded = error.minimum(&error.constant_like(delta));
    mean_last(&(&bounded * (error - &bounded * 0.5)))
}
