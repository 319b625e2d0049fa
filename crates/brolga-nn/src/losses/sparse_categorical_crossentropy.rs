//! The cross entropy of class numbers.

use brolga_ir::{DType, Mistake, Var};
use serde::{Deserialize, Serialize};

use super::{Labels, Loss, Losses, Reduction, log_probabilities, loss, reduction};
use crate::config::Axis;
use crate::setters::setters;
use crate::trace::Prediction;

/// `−ln p[t]`, with distributions p along an axis and class numbers t.
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
    /// The axis of the classes; −1, the last one, by default.
    pub axis: Axis,
}

loss!(SparseCategoricalCrossentropy);

impl SparseCategoricalCrossentropy {
    /// Of probabilities, with the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Whether predictions are logits instead of probabilities; false by default.
        from_logits: bool,
        /// A class number that marks labels without a meaning; none by default.
        ignore_class: opt i64,
        /// The axis of the classes; −1, the last one, by default.
        axis: into Axis,
    }
}

impl Loss for SparseCategoricalCrossentropy {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn labels(&self) -> Labels {
        Labels::Classes { axis: self.axis, ignored: self.ignore_class }
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let values = sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.axis);
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
    axis: Axis,
) -> Var {
    let axis = match axis.of(y_pred.output.shape()) {
        Ok(axis) => axis,
        Err(mistake) => return y_true.tracer().fail(mistake),
    };
    let log_p = log_probabilities(y_pred, from_logits, axis);
    let mut shape = log_p.shape().to_vec();
    let classes = shape.remove(axis);
    if y_true.shape().elements() != shape.iter().product::<usize>() {
        let message =
            format!("class numbers {} do not fit the prediction {}", y_true.ty(), log_p.ty());
        return y_true.tracer().fail(Mistake::new(message));
    }
    let labels = if y_true.dtype().is_int() { y_true.clone() } else { y_true.cast(DType::I32) };
    // A selection, not a product: the logarithm of any other class may be −∞.
    let hot = labels.reshape(shape).one_hot(classes, DType::Bool);
    let own = last_to(&hot, axis).select(&log_p, &log_p.constant_like(0.0));
    -own.reduce_sum(&[axis], false)
}

/// The last axis moved to this place.
fn last_to(x: &Var, axis: usize) -> Var {
    let last = x.shape().rank().saturating_sub(1);
    if axis >= last {
        return x.clone();
    }
    let order: Vec<usize> = (0..axis).chain([last]).chain(axis..last).collect();
    x.transpose(&order)
}
