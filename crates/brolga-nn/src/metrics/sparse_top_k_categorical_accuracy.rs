//! How often the right class is among the most probable ones.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::top_k_categorical_accuracy::in_top_k;
use super::{Direction, Metric, mean_statistics, metric};
use crate::trace::Prediction;

/// The share of samples where fewer than `k` elements of the prediction are greater than the one of
/// the class that the label is.
///
/// Keras: `keras.metrics.SparseTopKCategoricalAccuracy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SparseTopKCategoricalAccuracy {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// How many classes may be the right one; 5 by default.
    pub k: usize,
}

metric!(SparseTopKCategoricalAccuracy { k: Count });

impl Default for SparseTopKCategoricalAccuracy {
    fn default() -> Self {
        Self::new(5)
    }
}

impl SparseTopKCategoricalAccuracy {
    /// Among so many classes.
    pub fn new(k: usize) -> Self {
        Self { name: None, k }
    }
}

impl Metric for SparseTopKCategoricalAccuracy {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Max)
    }

    fn statistics(
        &self,
        y_true: &Var,
        y_pred: &Prediction,
        sample_weight: Option<&Var>,
    ) -> Vec<Var> {
        mean_statistics(&in_top_k(y_true, &y_pred.output, self.k), sample_weight)
    }
}
