//! The overlap over the union of answers of yes or no.

use brolga_ir::{DType, Var};
use serde::{Deserialize, Serialize};

use super::overlap::{mean_iou, overlap};
use super::{Direction, Metric, metric};
use crate::setters::setters;
use crate::trace::Prediction;

/// The mean of `overlap / union` of labels and predictions over the classes 0 and 1, of those that
/// occur. A prediction is 1 if it is at least the threshold.
///
/// Keras: `keras.metrics.BinaryIoU`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BinaryIoU {
    /// The name under which it is reported; `None`: Keras's name for the class.
    pub name: Option<String>,
    /// The classes that are looked at; 0 and 1 by default.
    pub target_class_ids: Vec<usize>,
    /// The least prediction that means 1; ½ by default.
    pub threshold: f64,
}

metric!(BinaryIoU { threshold: Finite });

impl Default for BinaryIoU {
    fn default() -> Self {
        Self { name: None, target_class_ids: vec![0, 1], threshold: 0.5 }
    }
}

impl BinaryIoU {
    /// Of both classes, at the threshold ½.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The classes that are looked at; 0 and 1 by default.
        target_class_ids: into Vec<usize>,
        /// The least prediction that means 1; ½ by default.
        threshold: f64,
    }
}

impl Metric for BinaryIoU {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn uses_mask(&self) -> bool {
        false
    }

    fn direction(&self) -> Option<Direction> {
        Some(Direction::Max)
    }

    fn parts(&self) -> usize {
        1
    }

    fn statistics(
        &self,
        y_true: &Var,
        y_pred: &Prediction,
        sample_weight: Option<&Var>,
    ) -> Vec<Var> {
        let labels = y_true.cast(DType::I32);
        let output = &y_pred.output;
        let yes = output.ge(&output.constant_like(self.threshold));
        let predictions = yes.cast(DType::I32);
        vec![overlap(&labels, &predictions, sample_weight, 2, None)]
    }

    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        mean_iou(totals, 2, &self.target_class_ids)
    }
}
