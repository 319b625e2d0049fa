//! How often the most probable class is the right one.

use brolga_ir::{DType, Var};

use super::mean_metric;
use crate::trace::argmax_last;

mean_metric! {
    /// The share of samples whose label is the index of the greatest element of the prediction.
    ///
    /// Keras: `keras.metrics.SparseCategoricalAccuracy`.
    SparseCategoricalAccuracy: Max = right
}

fn right(y_true: &Var, y_pred: &Var) -> Var {
    let classes = argmax_last(y_pred);
    y_true.cast(DType::I32).reshape(classes.shape().clone()).eq(&classes)
}
