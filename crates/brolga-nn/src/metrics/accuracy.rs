//! The accuracy that fits labels and predictions.

use brolga_ir::Var;

use super::{
    BinaryAccuracy, CategoricalAccuracy, Direction, Metric, SparseCategoricalAccuracy, plain_metric,
};
use crate::trace::Prediction;

plain_metric! {
    /// The metric of the names `"accuracy"` and `"acc"`, as in Keras: [`BinaryAccuracy`] where
    /// predictions have one element, [`SparseCategoricalAccuracy`] where labels have an axis less
    /// or a last axis of one element, else [`CategoricalAccuracy`].
    Accuracy
}

impl Metric for Accuracy {
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
