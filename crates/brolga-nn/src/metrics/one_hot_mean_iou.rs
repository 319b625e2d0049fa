//! The overlap over the union of all classes of one-hot labels.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::overlap::{classes, mean_iou, overlap};
use super::{Direction, Metric, metric};
use crate::losses::LastAxis;
use crate::trace::Prediction;

/// The mean of `overlap / union` of one-hot labels and predictions over all classes that occur.
///
/// Keras: `keras.metrics.OneHotMeanIoU`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]

pub struct OneHotMeanIoU {
    /// The name under which it is reported; `None`: Keras's name for the class.
    #[serde(default)]
    pub name: Option<String>,
    /// The number of classes.
    pub num_classes: usize,
    /// A label that marks samples that do not count.
    #[serde(default)]
    pub ignore_class: Option<i64>,
    /// Whether predictions are class numbers instead of vectors over the classes; false by default.
    #[serde(default)]
    pub sparse_y_pred: bool,
    #[serde(default)]
    axis: LastAxis,
}

metric!(OneHotMeanIoU { num_classes: Count });

impl OneHotMeanIoU {
    /// Of so many classes, with vectors as predictions.
    pub fn new(num_classes: usize) -> Self {
        Self { name: None, num_classes, ignore_class: None, sparse_y_pred: false, axis: LastAxis }
    }

    /// A label that marks samples that do not count; none by default.
    #[must_use]
    pub fn ignore_class(mut self, class: i64) -> Self {
        self.ignore_class = Some(class);
        self
    }

    /// Whether predictions are class numbers instead of vectors over the classes; false by
    /// default.
    #[must_use]
    pub fn sparse_y_pred(mut self, sparse: bool) -> Self {
        self.sparse_y_pred = sparse;
        self
    }
}

impl Metric for OneHotMeanIoU {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
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
        let labels = classes(y_true, false);
        let predictions = classes(&y_pred.output, self.sparse_y_pred);
        vec![overlap(&labels, &predictions, sample_weight, self.num_classes, self.ignore_class)]
    }

    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        totals.first().map_or(0.0, |total| mean_iou(total, self.num_classes, 0..self.num_classes))
    }
}
