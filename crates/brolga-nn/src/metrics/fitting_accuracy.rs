//! The accuracy that fits labels and predictions.

use brolga_ir::Var;
use serde::Serialize;

use super::{BinaryAccuracy, CategoricalAccuracy, Direction, Metric, SparseCategoricalAccuracy};
use crate::error::NnError;
use crate::registry::{Object, Value, to_value};
use crate::trace::Prediction;

/// The metric of the names `"accuracy"` and `"acc"` in `compile`, as in Keras: [`BinaryAccuracy`]
/// where predictions have one element, [`SparseCategoricalAccuracy`] where labels have an axis less
/// or a last axis of one element, else [`CategoricalAccuracy`].
#[derive(Debug, Serialize)]
pub(crate) struct FittingAccuracy;

impl Object for FittingAccuracy {
    fn class_name(&self) -> &'static str {
        "Accuracy"
    }

    fn config(&self) -> Result<Value, NnError> {
        to_value("Accuracy", self)
    }
}

impl Metric for FittingAccuracy {
    fn direction(&self) -> Option<Direction> {
        Some(Direction::Max)
    }

    fn statistics(
        &self,
        y_true: &Var,
        y_pred: &Prediction,
        sample_weight: Option<&Var>,
    ) -> Vec<Var> {
        let (labels, output) = (y_true.shape(), y_pred.output.shape());
        let metric: &dyn Metric = if output.last() == Some(&1) {
            &BinaryAccuracy::default()
        } else if labels.rank() < output.rank() || labels.last() == Some(&1) {
            &SparseCategoricalAccuracy::default()
        } else {
            &CategoricalAccuracy::default()
        };
        metric.statistics(y_true, y_pred, sample_weight)
    }
}
