//! The cosine of the angle between labels and predictions.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{EPSILON, Loss, Losses, Reduction, loss, pair, reduction};
use crate::config::axis_index;
use crate::setters::setters;
use crate::trace::Prediction;

/// `−Σ t · p` along an axis, with t and p divided by their norms: −1 where they have the same
/// direction. Vectors shorter than 10⁻⁷ are divided by that.
///
/// Keras: `keras.losses.CosineSimilarity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CosineSimilarity {
    /// The axis; −1, the last, by default.
    pub axis: i64,
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
}

loss!(CosineSimilarity);

impl Default for CosineSimilarity {
    fn default() -> Self {
        Self { axis: -1, reduction: Reduction::default() }
    }
}

impl CosineSimilarity {
    /// Along the last axis, with the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis; −1, the last, by default.
        axis: i64,
    }
}

impl Loss for CosineSimilarity {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        (-cosine_similarity(y_true, &y_pred.output, self.axis)).into()
    }
}

/// The cosine of each sample, which is the negative of its loss; see [`CosineSimilarity`].
#[track_caller]
#[must_use]
pub fn cosine_similarity(y_true: &Var, y_pred: &Var, axis: i64) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let axis = match axis_index(axis, y_pred.shape()) {
        Ok(axis) => axis,
        Err(mistake) => return y_pred.tracer().fail(mistake),
    };
    let unit = |y: &Var| {
        let square = (y * y).reduce_sum(&[axis], true);
        y / square.maximum(&square.constant_like(EPSILON * EPSILON)).sqrt()
    };
    (unit(&y_true) * unit(&y_pred)).reduce_sum(&[axis], false)
}
