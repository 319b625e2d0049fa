//! The overlap over the union of some classes.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::overlap::{classes, mean_iou, overlap};
use super::{Direction, Metric, metric};
use crate::losses::LastAxis;
use crate::trace::Prediction;

/// The mean of `overlap / union` of labels and predictions over some classes, of those that occur.
///
/// Keras: `keras.metrics.IoU`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]

pub struct IoU {
    /// The name under which it is reported; `None`: Keras's name for the class.
    #[serde(default)]
    pub name: Option<String>,
    /// The number of classes.
    pub num_classes: usize,
    /// The classes that are looked at.
    pub target_class_ids: Vec<usize>,
    /// A label that marks samples that do not count.
    #[serde(default)]
    pub ignore_class: Option<i64>,
    /// Whether labels are class numbers instead of vectors over the classes; true by default.
    #[serde(default = "crate::layers::yes")]
    pub sparse_y_true: bool,
    /// Whether predictions are class numbers instead of vectors over the classes; true by default.
    #[serde(default = "crate::layers::yes")]
    pub sparse_y_pred: bool,
    #[serde(default)]
    axis: LastAxis,
}

metric!(IoU { num_classes: Count });

impl IoU {
    /// Of these classes among so many, with class numbers as labels and predictions.
    pub fn new(num_classes: usize, target_class_ids: impl Into<Vec<usize>>) -> Self {
        Self {
            name: None,
            num_classes,
            target_class_ids: target_class_ids.into(),
            ignore_class: None,
            sparse_y_true: true,
            sparse_y_pred: true,
            axis: LastAxis,
        }
    }

    /// A label that marks samples that do not count; none by default.
    #[must_use]
    pub fn ignore_class(mut self, class: i64) -> Self {
        self.ignore_class = Some(class);
        self
    }

    /// Whether labels are class numbers instead of vectors over the classes; true by
    /// default.
    #[must_use]
    pub fn sparse_y_true(mut self, sparse: bool) -> Self {
        self.sparse_y_true = sparse;
        self
    }

    /// Whether predictions are class numbers instead of vectors over the classes; true by
    /// default.
    #[must_use]
    pub fn sparse_y_pred(mut self, sparse: bool) -> Self {
        self.sparse_y_pred = sparse;
        self
    }
}

impl Metric for IoU {
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
        let labels = classes(y_true, self.sparse_y_true);
        let predictions = classes(&y_pred.output, self.sparse_y_pred);
        vec![overlap(&labels, &predictions, sample_weight, self.num_classes, self.ignore_class)]
    }

    fn result(&self, totals: &[Vec<f64>]) -> f64 {
        totals.first().map_or(0.0, |total| {
            mean_iou(total, self.num_classes, self.target_class_ids.iter().copied())
        })
    }
}
