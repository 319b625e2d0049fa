//! The cross entropy of class numbers.

use brolga_ir::{DType, Mistake, Var};
use serde::{Deserialize, Serialize};

use super::{
    Labels, LastAxis, Loss, Losses, Reduction, log_probabilities, loss, reduction, sum_last,
};
use crate::trace::Prediction;

/// `−ln p[t]`, with distributions p along the last axis and class numbers t.
///
/// The logarithm is taken as in [`CategoricalCrossentropy`](super::CategoricalCrossentropy). Labels
/// equal to `ignore_class` count neither in the sum nor in the mean.
///
/// Keras: `keras.losses.SparseCategoricalCrossentropy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SparseCategoricalCrossentropy {
    /// Whether predictions are logits instead of probabilities.
    pub from_logits: bool,
    /// A class number that marks labels without a meaning.
    pub ignore_class: Option<i64>,
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
    axis: LastAxis,
}

loss!(SparseCategoricalCrossentropy);

impl SparseCategoricalCrossentropy {
    /// Of probabilities, with the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether predictions are logits instead of probabilities; false by default.
    #[must_use]
    pub fn from_logits(mut self, from_logits: bool) -> Self {
        self.from_logits = from_logits;
        self
    }

    /// A class number that marks labels without a meaning; none by default.
    #[must_use]
    pub fn ignore_class(mut self, class: i64) -> Self {
        self.ignore_class = Some(class);
        self
    }
}

impl Loss for SparseCategoricalCrossentropy {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn labels(&self) -> Labels {
        Labels::Classes { ignored: self.ignore_class }
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let values = sparse_categorical_crossentropy(y_true, y_pred, self.from_logits);
        // The one-hot vector of a class that the model does not have is zero, but an ignored class
        // may be one it has.
        let Some(ignored) = self.ignore_class else { return values.into() };
        let labels = y_true.cast(DType::I32).reshape(values.shape().clone());
        // Labels beyond i32 became its ends when they were read.
        let ignored = ignored.clamp(i32::MIN.into(), i32::MAX.into());
        let mask = labels.ne(&labels.constant_like(ignored as f64));
        let values = mask.select(&values, &values.constant_like(0.0));
        Losses { values, mask: Some(mask) }
    }
}

/// The loss of each sample; see [`SparseCategoricalCrossentropy`].
#[track_caller]
#[must_use]
pub fn sparse_categorical_crossentropy(
    y_true: &Var,
    y_pred: &Prediction,
    from_logits: bool,
) -> Var {
    let log_p = log_probabilities(y_pred, from_logits);
    let Some((&classes, shape)) = log_p.shape().split_last() else { return log_p };
    if y_true.shape().elements() != shape.iter().product::<usize>() {
        let message =
            format!("class numbers {} do not fit the prediction {}", y_true.ty(), log_p.ty());
        return y_true.tracer().fail(Mistake::new(message));
    }
    let labels = if y_true.dtype().is_int() { y_true.clone() } else { y_true.cast(DType::I32) };
    // A selection, not a product: the logarithm of any other class may be −∞.
    let hot = labels.reshape(shape).one_hot(classes, DType::Bool);
    let own = hot.select(&log_p, &log_p.constant_like(0.0));
    -sum_last(&own)
}
