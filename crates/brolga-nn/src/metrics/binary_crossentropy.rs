//! The cross entropy of independent yes-or-no answers.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Direction, Metric, mean_statistics, metric};
use crate::config::Axis;
use crate::losses;
use crate::setters::setters;
use crate::trace::Prediction;

/// The mean of [`losses::BinaryCrossentropy`] over the samples.
///
/// Keras: `keras.metrics.BinaryCrossentropy`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BinaryCrossentropy {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// Whether predictions are logits instead of probabilities.
    pub from_logits: bool,
    /// How far labels are moved towards ½.
    pub label_smoothing: f64,
    /// The axis of the mean; −1, the last one, by default.
    pub axis: Axis,
}

metric!(BinaryCrossentropy { label_smoothing: Share });

impl BinaryCrossentropy {
    /// Of probabilities.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Whether predictions are logits instead of probabilities; false by default.
        from_logits: bool,
        /// How far labels are moved towards the ½; 0 by default.
        label_smoothing: f64,
        /// The axis of the mean; −1, the last one, by default.
        axis: into Axis,
    }
}

impl Metric for BinaryCrossentropy {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Min)
    }

    fn statistics(
        &self,
        y_true: &Var,
        y_pred: &Prediction,
        sample_weight: Option<&Var>,
    ) -> Vec<Var> {
        let values = losses::binary_crossentropy(
            y_true,
            y_pred,
            self.from_logits,
            self.label_smoothing,
            self.axis,
        );
        mean_statistics(&values, sample_weight)
    }
}
