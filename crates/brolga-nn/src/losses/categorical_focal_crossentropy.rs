//! The cross entropy of distributions over classes, most of which are easy.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{
    Labels, LastAxis, Loss, Losses, Reduction, log_probabilities, loss, pair, power, reduction,
    smoothed, sum_last, weighted,
};
use crate::config::PerChannel;
use crate::trace::Prediction;

/// `−Σ alpha·(1 − p)^γ·t·ln p` along the last axis, with distributions p and labels t.
///
/// Logits and label smoothing are as of
/// [`CategoricalCrossentropy`](super::CategoricalCrossentropy).
///
/// Lin et al., "Focal loss for dense object detection" (2017).
///
/// Keras: `keras.losses.CategoricalFocalCrossentropy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CategoricalFocalCrossentropy {
    /// The weight of all classes, or of each; 0.25 by default.
    pub alpha: PerChannel,
    /// How much less easy samples count; 2 by default.
    pub gamma: f64,
    /// Whether predictions are logits instead of probabilities; false by default.
    pub from_logits: bool,
    /// How far labels are moved towards the uniform distribution; 0 by default.
    pub label_smoothing: f64,
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
    axis: LastAxis,
}

loss!(CategoricalFocalCrossentropy {
    alpha: AtLeast(0.0),
    gamma: AtLeast(0.0),
    label_smoothing: Share,
});

impl Default for CategoricalFocalCrossentropy {
    fn default() -> Self {
        Self {
            alpha: 0.25.into(),
            gamma: 2.0,
            from_logits: false,
            label_smoothing: 0.0,
            reduction: Reduction::default(),
            axis: LastAxis,
        }
    }
}

impl CategoricalFocalCrossentropy {
    /// Of probabilities, with the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    /// The weight of all classes, or of each; 0.25 by default.
    #[must_use]
    pub fn alpha(mut self, alpha: impl Into<PerChannel>) -> Self {
        self.alpha = alpha.into();
        self
    }

    /// How much less easy samples count; 2 by default.
    #[must_use]
    pub fn gamma(mut self, gamma: f64) -> Self {
        self.gamma = gamma;
        self
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

impl Loss for CategoricalFocalCrossentropy {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn labels(&self) -> Labels {
        Labels::Distributions
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let log_p = log_probabilities(y_pred, self.from_logits);
        let (t, log_p) = pair(y_true, &log_p);
        if let Err(mistake) = self.alpha.check("alpha", log_p.ty()) {
            return log_p.tracer().fail(mistake).into();
        }
        let t = smoothed(t, self.label_smoothing);
        let factor = power(&(1.0 - log_p.exp()), self.gamma) * self.alpha.constant(&log_p);
        (-sum_last(&weighted(&log_p, &(factor * t)))).into()
    }
}
