//! The mean squared error.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Loss, Losses, Reduction, loss, mean_last, pair, reduction};
use crate::trace::Prediction;

/// `mean((y_pred − y_true)²)` along the last axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MeanSquaredError {
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
}

loss!(MeanSquaredError);

impl MeanSquaredError {
    /// With the default reduction, the mean over the batch.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Loss for MeanSquaredError {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        mean_squared_error(y_true, &y_pred.output).into()
    }
}

/// The loss of each sample; see [`MeanSquaredError`].
#[track_caller]
#[must_use]
pub fn mean_squared_error(y_true: &Var, y_pred: &Var) -> Var {
    let (y_true, y_pred) = pair(y_true, y_pred);
    let difference = y_pred - y_true;
    mean_last(&(&difference * &difference))
}
