//! The cross entropy of independent yes-or-no answers.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Loss, Losses, Reduction, clip, loss, mean_along, pair, reduction};
use crate::activations::softplus;
use crate::config::Axis;
use crate::setters::setters;
use crate::trace::{Logits, Prediction};

/// `−mean(t·ln p + (1 − t)·ln(1 − p))` along an axis, with probabilities p and labels t from
/// 0 to 1.
///
/// From logits z, p = σ(z), it is computed as `softplus(z) − t·z`, which neither overflows nor
/// rounds to 0. That happens with `from_logits`, and without where the model's last layer is a
/// sigmoid. Label smoothing replaces t by `t·(1 − s) + s/2`.
///
/// Keras: `keras.losses.BinaryCrossentropy`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BinaryCrossentropy {
    /// Whether predictions are logits instead of probabilities.
    pub from_logits: bool,
    /// How far labels are moved towards ½.
    pub label_smoothing: f64,
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
    /// The axis of the mean; −1, the last one, by default.
    pub axis: Axis,
}

loss!(BinaryCrossentropy { label_smoothing: Share });

impl BinaryCrossentropy {
    /// Of probabilities, with the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Whether predictions are logits instead of probabilities; false by default.
        from_logits: bool,
        /// How far labels are moved towards ½; 0 by default.
        label_smoothing: f64,
        /// The axis of the mean; −1, the last one, by default.
        axis: into Axis,
    }
}

impl Loss for BinaryCrossentropy {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let Self { from_logits, label_smoothing, axis, .. } = *self;
        binary_crossentropy(y_true, y_pred, from_logits, label_smoothing, axis).into()
    }
}

/// The loss of each sample; see [`BinaryCrossentropy`].
#[track_caller]
#[must_use]
pub fn binary_crossentropy(
    y_true: &Var,
    y_pred: &Prediction,
    from_logits: bool,
    label_smoothing: f64,
    axis: Axis,
) -> Var {
    let terms = binary_terms(y_true, y_pred, from_logits, label_smoothing);
    mean_along(&terms.crossentropies, axis)
}

/// Labels after smoothing, the probabilities of yes, and the cross entropy of each answer.
pub(super) struct BinaryTerms {
    pub(super) labels: Var,
    pub(super) probabilities: Var,
    pub(super) crossentropies: Var,
}

#[track_caller]
pub(super) fn binary_terms(
    y_true: &Var,
    y_pred: &Prediction,
    from_logits: bool,
    label_smoothing: f64,
) -> BinaryTerms {
    let smooth = |t: Var| {
        if label_smoothing == 0.0 { t } else { t * (1.0 - label_smoothing) + 0.5 * label_smoothing }
    };
    let logits = match &y_pred.logits {
        _ if from_logits => Some(&y_pred.output),
        Some(Logits::Sigmoid(logits)) => Some(logits),
        _ => None,
    };
    if let Some(logits) = logits {
        let (t, z) = pair(y_true, logits);
        let labels = smooth(t);
        let crossentropies = softplus(&z) - &labels * &z;
        return BinaryTerms { labels, probabilities: z.sigmoid(), crossentropies };
    }
    let (t, probabilities) = pair(y_true, &y_pred.output);
    let (labels, p) = (smooth(t), clip(&probabilities));
    let yes = &labels * p.log();
    let no = (1.0 - &labels) * (1.0 - p).log();
    BinaryTerms { labels, probabilities, crossentropies: -(yes + no) }
}
