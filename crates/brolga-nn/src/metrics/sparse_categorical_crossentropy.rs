//! The cross entropy of class numbers.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Direction, Metric, mean_statistics, metric};
use crate::config::Axis;
use crate::losses;
use crate::setters::setters;
use crate::trace::Prediction;

/// The mean of [`losses::SparseCategoricalCrossentropy`] over the samples.
///
/// Keras: `keras.metrics.SparseCategoricalCrossentropy`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SparseCategoricalCrossentropy {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// Whether predictions are logits instead of probabilities.
    pub from_logits: bool,
    /// The axis of the classes; −1, the last one, by default.
    pub axis: Axis,
}

metric!(SparseCategoricalCrossentropy);

impl SparseCategoricalCrossentropy {
    /// Of probabilities.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Whether predictions are logits instead of probabilities; false by default.
        from_logits: bool,
        /// The axis of the classes; −1, the last one, by default.
        axis: into Axis,
    }
}

impl Metric for SparseCategoricalCrossentropy {
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
        let values =
            losses::sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.axis);
        mean_statistics(&values, sample_weight)
    }
}
