//! The cross entropy of distributions over classes, most of which are easy.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{
    Labels, Loss, Losses, Reduction, log_probabilities, loss, pair, power, reduction, smoothed,
    weighted,
};
use crate::config::{Axis, PerChannel};
use crate::setters::setters;
use crate::trace::Prediction;

/// `−Σ alpha·(1 − p)^γ·t·ln p` along an axis, with distributions p and labels t.
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
    /// The axis of the classes; −1, the last one, by default.
    pub axis: Axis,
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
            axis: Axis::default(),
        }
    }
}

impl CategoricalFocalCrossentropy {
    /// Of probabilities, with the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The weight of all classes, or of each; 0.25 by default.
        alpha: into PerChannel,
        /// How much less easy samples count; 2 by default.
        gamma: f64,
        /// Whether predictions are logits instead of probabilities; false by default.
        from_logits: bool,
        /// How far labels are moved towards the uniform distribution; 0 by default.
        label_smoothing: f64,
        /// The axis of the classes; −1, the last one, by default.
        axis: into Axis,
    }
}

impl Loss for CategoricalFocalCrossentropy {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn labels(&self) -> Labels {
        Labels::Distributions { axis: self.axis }
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let axis = match self.axis.of(y_pred.output.shape()) {
            Ok(axis) => axis,
            Err(mistake) => return y_true.tracer().fail(mistake).into(),
        };
        let log_p = log_probabilities(y_pred, self.from_logits, axis);
        let (t, log_p) = pair(y_true, &log_p);
        if let Err(mistake) = self.alpha.check("alpha", log_p.ty()) {
            return log_p.tracer().fail(mistake).into();
        }
        let t = smoothed(t, self.label_smoothing);
        let factor = power(&(1.0 - log_p.exp()), self.gamma) * self.alpha.constant(&log_p);
        (-weighted(&log_p, &(factor * t)).reduce_sum(&[axis], false)).into()
    }
}
