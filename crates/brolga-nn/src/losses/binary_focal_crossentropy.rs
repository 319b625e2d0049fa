//! The cross entropy of independent yes-or-no answers, most of which are easy.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Loss, Losses, Reduction, binary_terms, loss, mean_along, power, reduction};
use crate::config::Axis;
use crate::setters::setters;
use crate::trace::Prediction;

/// `−mean(t·(1 − p)^γ·ln p + (1 − t)·p^γ·ln(1 − p))` along the last axis for labels t of 0 and 1,
/// with probabilities p; in general the terms of
/// [`BinaryCrossentropy`](super::BinaryCrossentropy) times `(1 − q)^γ` with
/// `q = t·p + (1 − t)·(1 − p)`.
///
/// With `apply_class_balancing` terms are multiplied by `t·alpha + (1 − t)·(1 − alpha)` too. Logits
/// and label smoothing are as of [`BinaryCrossentropy`](super::BinaryCrossentropy).
///
/// Lin et al., "Focal loss for dense object detection" (2017).
///
/// Keras: `keras.losses.BinaryFocalCrossentropy`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BinaryFocalCrossentropy {
    /// Whether terms are weighted by their class; false by default.
    pub apply_class_balancing: bool,
    /// The weight of the answer yes, `1 − alpha` that of no; 0.25 by default.
    pub alpha: f64,
    /// How much less easy answers count; 2 by default.
    pub gamma: f64,
    /// Whether predictions are logits instead of probabilities; false by default.
    pub from_logits: bool,
    /// How far labels are moved towards ½; 0 by default.
    pub label_smoothing: f64,
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
    /// The axis of the mean; −1, the last one, by default.
    pub axis: Axis,
}

loss!(BinaryFocalCrossentropy { alpha: Share, gamma: AtLeast(0.0), label_smoothing: Share });

impl Default for BinaryFocalCrossentropy {
    fn default() -> Self {
        Self {
            apply_class_balancing: false,
            alpha: 0.25,
            gamma: 2.0,
            from_logits: false,
            label_smoothing: 0.0,
            reduction: Reduction::default(),
            axis: Axis::default(),
        }
    }
}

impl BinaryFocalCrossentropy {
    /// Of probabilities, without weights of classes, with the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Whether terms are weighted by their class; false by default.
        apply_class_balancing: bool,
        /// The weight of the answer yes, `1 − alpha` that of no; 0.25 by default.
        alpha: f64,
        /// How much less easy answers count; 2 by default.
        gamma: f64,
        /// Whether predictions are logits instead of probabilities; false by default.
        from_logits: bool,
        /// How far labels are moved towards ½; 0 by default.
        label_smoothing: f64,
        /// The axis of the mean; −1, the last one, by default.
        axis: into Axis,
    }
}

impl Loss for BinaryFocalCrossentropy {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let terms = binary_terms(y_true, y_pred, self.from_logits, self.label_smoothing);
        let (t, p) = (&terms.labels, &terms.probabilities);
        // 1 − q, without the difference of numbers near 1.
        let hardness = t * (1.0 - p) + (1.0 - t) * p;
        let focal = power(&hardness, self.gamma) * &terms.crossentropies;
        let balanced = if self.apply_class_balancing {
            focal * (t * self.alpha + (1.0 - t) * (1.0 - self.alpha))
        } else {
            focal
        };
        mean_along(&balanced, self.axis).into()
    }
}
