//! The cross entropy of distributions over classes.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{
    Labels, Loss, Losses, Reduction, log_probabilities, loss, pair, reduction, smoothed, weighted,
};
use crate::config::Axis;
use crate::setters::setters;
use crate::trace::Prediction;

/// `−Σ t·ln p` along an axis, with distributions p and labels t (one-hot, or any other
/// distribution).
///
/// From logits z, p = softmax(z), it is computed with `ln p = z − max z − ln Σ exp(z − max z)`,
/// which neither overflows nor rounds to 0. That happens with `from_logits`, and without where the
/// model's last layer is a softmax. Label smoothing replaces t by `t·(1 − s) + s/n`, where n is the
/// extent of the last axis, also where the classes are on another one, as in Keras.
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
    /// The axis of the classes; −1, the last one, by default.
    pub axis: Axis,
}

loss!(CategoricalCrossentropy { label_smoothing: Share });

impl CategoricalCrossentropy {
    /// Of probabilities, with the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Whether predictions are logits instead of probabilities; false by default.
        from_logits: bool,
        /// How far labels are moved towards the uniform distribution; 0 by default.
        label_smoothing: f64,
        /// The axis of the classes; −1, the last one, by default.
        axis: into Axis,
    }
}

impl Loss for CategoricalCrossentropy {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn labels(&self) -> Labels {
        Labels::Distributions { axis: self.axis }
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let Self { from_logits, label_smoothing, axis, .. } = *self;
        categorical_crossentropy(y_true, y_pred, from_logits, label_smoothing, axis).into()
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
    axis: Axis,
) -> Var {
    let axis = match axis.of(y_pred.output.shape()) {
        Ok(axis) => axis,
        Err(mistake) => return y_true.tracer().fail(mistake),
    };
    let log_p = log_probabilities(y_pred, from_logits, axis);
    let (t, log_p) = pair(y_true, &log_p);
    -weighted(&log_p, &smoothed(t, label_smoothing)).reduce_sum(&[axis], false)
}
