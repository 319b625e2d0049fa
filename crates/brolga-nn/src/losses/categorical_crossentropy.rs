//! The cross entropy of distributions over classes.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{
    Labels, LastAxis, Loss, Losses, Reduction, log_probabilities, loss, pair, reduction, smoothed,
    sum_last, weighted,
};
use crate::trace::Prediction;

/// `−Σ t·ln p` along the last axis, with distributions p and labels t (one-hot, or any other
/// distribution).
///
/// From logits z, p = softmax(z), it is computed with `ln p = z − max z − ln Σ exp(z − max z)`,
/// which neither overflows nor rounds to
/// 0. That happens with `from_logits`, and without where the model's last layer is a softmax. Label
///    smoothing replaces t by
/// `t·(1 − s) + s/classes`.
///
/// Keras: `keras.losses.CategoricalCrossentropy`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CategoricalCrossentropy {
    /// Whether predictions are logits instead of probabilities.
    pub from_logits: bool,
    /// How far labels are moved towards the uniform distribution.
    pub label_smoothing: f64,
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
    axis: LastAxis,
}

loss!(CategoricalCrossentropy { label_smoothing: Share });

impl CategoricalCrossentropy {
    /// Of probabilities, with the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether predictions are logits instead of probabilities; false by default.
    #[must_use]
    pub fn from_logits(mut self, from_logits: bool) -> Self {
        self.from_logits = from_logits;
        self
    }

    /// How far labels are moved towards the uniform distribution; 0 by default.
    #[must_use]
    pub fn label_smoothing(mut self, label_smoothing: f64) -> Self {
        self.label_smoothing = label_smoothing;
        self
    }
}

impl Loss for CategoricalCrossentropy {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn labels(&self) -> Labels {
        Labels::Distributions
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing).into()
    }
}

/// The loss of each sample; see [`CategoricalCrossentropy`].
#[track_caller]
#[must_use]
pub fn categorical_crossentropy(
    y_true: &Var,
    y_pred: &Prediction,
    from_logits: bool,
    label_smoothing: f64,
) -> Var {
    let log_p = log_probabilities(y_pred, from_logits);
    let (t, log_p) = pair(y_true, &log_p);
    -sum_last(&weighted(&log_p, &smoothed(t, label_smoothing)))
}
