//! Losses, one file each, with Keras's formulas, reductions and weights.
//!
//! A new loss is a new file and one line in the list below.

use std::sync::Arc;

use brolga_ir::{DType, Mistake, Shape, Type, Var};
use serde::{Deserialize, Serialize};

use crate::activations::{ActivationFunction, LogSoftmax};
use crate::config::{Axes, Axis};
use crate::error::with_batch;
use crate::masks;
use crate::registry::{Choice, Object, classes, snake_case};
use crate::trace::{Logits, Prediction};

classes! {
    "loss" Loss(snake_case) of "keras.losses" {
        binary_crossentropy: BinaryCrossentropy ["bce"],
        binary_focal_crossentropy: BinaryFocalCrossentropy,
        categorical_crossentropy: CategoricalCrossentropy,
        categorical_focal_crossentropy: CategoricalFocalCrossentropy,
        categorical_generalized_cross_entropy: CategoricalGeneralizedCrossEntropy,
        categorical_hinge: CategoricalHinge,
        circle: Circle,
        cosine_similarity: CosineSimilarity,
        ctc: CTC,
        dice: Dice,
        hinge: Hinge,
        huber: Huber,
        kl_divergence: KLDivergence ["kld"],
        log_cosh: LogCosh,
        mean_absolute_error: MeanAbsoluteError ["mae"],
        mean_absolute_percentage_error: MeanAbsolutePercentageError ["mape"],
        mean_squared_error: MeanSquaredError ["mse"],
        mean_squared_logarithmic_error: MeanSquaredLogarithmicError ["msle"],
        poisson: Poisson,
        sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
        squared_hinge: SquaredHinge,
        tversky: Tversky,
    }
}

mod loss_function_wrapper;

pub use binary_crossentropy::binary_crossentropy;
pub use categorical_crossentropy::categorical_crossentropy;
pub use categorical_hinge::categorical_hinge;
pub use cosine_similarity::cosine_similarity;
pub use ctc::ctc;
pub use hinge::hinge;
pub use huber::huber;
pub use kl_divergence::kl_divergence;
pub use log_cosh::log_cosh;
pub use loss_function_wrapper::LossFunctionWrapper;
pub use mean_absolute_error::mean_absolute_error;
pub use mean_absolute_percentage_error::mean_absolute_percentage_error;
pub use mean_squared_error::mean_squared_error;
pub use mean_squared_logarithmic_error::mean_squared_logarithmic_error;
pub use poisson::poisson;
pub use sparse_categorical_crossentropy::sparse_categorical_crossentropy;
pub use squared_hinge::squared_hinge;

use binary_crossentropy::binary_terms;

/// Probabilities are kept this far from 0 and 1 before their logarithm is taken, as in Keras.
pub const EPSILON: f64 = 1e-7;

/// A loss: how far a prediction is from the truth.
///
/// Keras: `keras.losses.Loss`.
pub trait Loss: Object {
    /// How the losses of the samples become one number.
    fn reduction(&self) -> Reduction;

    /// The kind of the labels.
    fn labels(&self) -> Labels {
        Labels::Values
    }

    /// The loss of each sample (of each element, where samples have more axes than one).
    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses;
}

/// The kind of a loss's labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labels {
    /// As many numbers as the model's output has.
    Values,
    /// One vector over the classes, such as a one-hot vector, where the model's output has one.
    Distributions {
        /// The axis of these vectors.
        axis: Axis,
    },
    /// A class number where the model's output has a vector.
    Classes {
        /// The axis of these vectors.
        axis: Axis,
        /// A class number that marks labels without a meaning.
        ignored: Option<i64>,
    },
    /// An integer where the model's output has a vector along the last axis: equal ones are of
    /// samples that belong together.
    Identities,
    /// Class numbers from 1 on where the model's output has a sequence of vectors along the last
    /// axis; those of 0 at the end are none.
    Sequences {
        /// How many there are; as many as vectors if not given.
        length: Option<usize>,
    },
}

impl Labels {
    /// The place of the classes among the axes of an output's sample; `None` if labels are not of
    /// classes.
    ///
    /// # Errors
    /// If the output has no such axis, or it is the batch's.
    pub fn class_axis(self, sample: &Type) -> Result<Option<usize>, Mistake> {
        let (Self::Distributions { axis } | Self::Classes { axis, .. }) = self else {
            return Ok(None);
        };
        let batch = Shape::from([1].iter().chain(&*sample.shape).copied().collect::<Vec<_>>());
        let wrong = |what: &str, help: &str| {
            let (axis, output) = (axis.0, with_batch(&sample.shape));
            let message = format!("the classes are on axis {axis} of {output}, {what}");
            Mistake::new(message).help(help)
        };
        match axis.of(&batch).map(|axis| axis.checked_sub(1)) {
            Ok(Some(place)) => Ok(Some(place)),
            Ok(None) => Err(wrong("the batch", "each sample needs a number for each class")),
            Err(_) => Err(wrong("which does not exist", "the last axis is -1")),
        }
    }

    /// The type of the labels of a sample, for an output whose samples have this type.
    ///
    /// # Errors
    /// As [`Labels::class_axis`].
    pub fn ty(self, sample: &Type) -> Result<Type, Mistake> {
        let mut shape = sample.shape.to_vec();
        match (self, self.class_axis(sample)?) {
            (Self::Classes { .. }, Some(place)) => drop(shape.remove(place)),
            (Self::Identities, _) => drop(shape.pop()),
            (Self::Sequences { length }, _) => {
                shape.pop();
                if let (Some(own), Some(length)) = (shape.first_mut(), length) {
                    *own = length;
                }
            }
            _ => return Ok(sample.clone()),
        }
        Ok(Type::new(DType::I32, shape))
    }
}

/// The losses of the samples, and which of them count.
#[derive(Debug, Clone)]
pub struct Losses {
    /// The losses.
    pub values: Var,
    /// Which of them count, as truth values of the same shape; `None`: all.
    pub mask: Option<Var>,
}

impl From<Var> for Losses {
    fn from(values: Var) -> Self {
        Self { values, mask: None }
    }
}

/// How the losses of the samples become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Their sum, divided by how many there are.
    #[default]
    #[serde(alias = "mean")]
    SumOverBatchSize,
    /// Their sum.
    Sum,
    /// Their sum, divided by the sum of the weights.
    MeanWithSampleWeight,
    /// They stay as they are.
    None,
}

/// Implements for a loss struct with the field `reduction` what all of them have: `reduction`,
/// [`Object`]. A table says which numbers its arguments may be.
///
/// ```
/// use brolga_ir::Var;
/// use brolga_nn::losses::{Loss, Losses, Reduction};
/// use brolga_nn::trace::Prediction;
/// use serde::{Deserialize, Serialize};
///
/// /// `(t − y)⁴`.
/// #[derive(Debug, Default, Serialize, Deserialize)]
/// #[serde(default)]
/// struct Quartic {
///     reduction: Reduction,
/// }
///
/// brolga_nn::loss!(Quartic);
///
/// impl Loss for Quartic {
///     fn reduction(&self) -> Reduction {
///         self.reduction
///     }
///
///     fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
///         let square = (y_true - &y_pred.output) * (y_true - &y_pred.output);
///         (&square * &square).reduce_mean(&[1], false).into()
///     }
/// }
/// ```
#[macro_export]
macro_rules! loss {
    ($type:ident $($arguments:tt)?) => {
        $crate::object!($type $($arguments)?);

        impl $type {
            /// How the losses of the samples become one number; their mean by default.
            #[must_use]
            pub fn reduction(mut self, reduction: $crate::losses::Reduction) -> Self {
                self.reduction = reduction;
                self
            }
        }
    };
}
pub use loss;

/// Declares the struct of a loss whose only argument is `reduction`, with the function that
/// computes it of labels and predictions, and what its labels are where they are not values.
macro_rules! plain_loss {
    ($(#[$doc:meta])* $name:ident = $function:ident $(, labels: $labels:expr)?) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize,
        )]
        #[serde(default)]
        pub struct $name {
            /// How the losses of the samples become one number.
            #[serde(deserialize_with = "crate::losses::reduction")]
            pub reduction: crate::losses::Reduction,
        }

        crate::losses::loss!($name);

        impl $name {
            /// With the default reduction, the mean over the batch.
            pub fn new() -> Self {
                Self::default()
            }
        }

        impl crate::losses::Loss for $name {
            fn reduction(&self) -> crate::losses::Reduction {
                self.reduction
            }

            $(fn labels(&self) -> crate::losses::Labels {
                $labels
            })?

            fn values(
                &self,
                y_true: &brolga_ir::Var,
                y_pred: &crate::trace::Prediction,
            ) -> crate::losses::Losses {
                $function(y_true, &y_pred.output).into()
            }
        }
    };
}
pub(crate) use plain_loss;

/// Keras writes no reduction as `null` or `"none"`.
pub(crate) fn reduction<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Reduction, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or(Reduction::None))
}

/// The loss of a batch: the samples' losses times their weights, reduced. Losses of steps that the
/// mask of the prediction leaves out do not count.
///
/// A mistake if that mask, or the weight, does not fit the losses.
#[track_caller]
pub fn compute(
    loss: &dyn Loss,
    y_true: &Var,
    y_pred: &Prediction,
    sample_weight: Option<&Var>,
) -> Var {
    let Losses { values, mask } = loss.values(y_true, y_pred);
    let of_output = y_pred.mask.as_ref().map(|of_output| fitted(of_output, &values));
    let mask = masks::all_of([of_output, mask]);
    let reduction = loss.reduction();
    let weight = match (mask.map(|mask| mask_weight(&mask, reduction)), sample_weight) {
        (Some(mask), Some(weight)) => Some(align(weight, &mask) * mask),
        (Some(mask), None) => Some(mask),
        (None, Some(weight)) => Some(align(weight, &values)),
        (None, None) => None,
    };
    let weighted = match &weight {
        Some(weight) => self::weighted(&values, weight),
        None => values.clone(),
    };
    let axes: Vec<usize> = (0..weighted.shape().rank()).collect();
    let sum = || weighted.reduce_sum(&axes, false);
    match (reduction, weight) {
        (Reduction::None, _) => weighted,
        (Reduction::Sum, _) => sum(),
        (Reduction::MeanWithSampleWeight, Some(weight)) => {
            let axes: Vec<usize> = (0..weight.shape().rank()).collect();
            divide_no_nan(&sum(), &weight.reduce_sum(&axes, false))
        }
        _ => weighted.reduce_mean(&axes, false),
    }
}

/// The weight of each masked loss: 0 where it does not count, elsewhere such that the mean is over
/// those that count.
fn mask_weight(mask: &Var, reduction: Reduction) -> Var {
    let mask = mask.cast(DType::F32);
    if reduction != Reduction::SumOverBatchSize {
        return mask;
    }
    let axes: Vec<usize> = (0..mask.shape().rank()).collect();
    let total = mask.constant_like(mask.shape().elements() as f64);
    &mask * divide_no_nan(&total, &mask.reduce_sum(&axes, false))
}

/// The mask of an output, so that it broadcasts to the losses of its elements.
#[track_caller]
fn fitted(mask: &Var, values: &Var) -> Var {
    let aligned = align(mask, values);
    let (of, shape) = (aligned.shape(), values.shape());
    if of.rank() == shape.rank() && of.iter().zip(&**shape).all(|(m, n)| m == n || *m == 1) {
        return aligned;
    }
    let message =
        format!("the mask of the output is {}, the losses are {}", mask.ty(), values.ty());
    let help = "let a layer before the output drop the mask, if its steps are none of the losses: \
                .supports_masking(false)";
    values.tracer().fail(Mistake::new(message).help(help))
}

/// The weight with axes of extent 1 appended, so that it broadcasts along the axes of a sample that
/// it does not have.
pub(crate) fn align(weight: &Var, values: &Var) -> Var {
    let rank = values.shape().rank();
    let mut shape = weight.shape().to_vec();
    while shape.len() > rank && shape.last() == Some(&1) {
        shape.pop();
    }
    shape.resize(rank.max(shape.len()), 1);
    weight.reshape(shape)
}

/// `values · weight`, and 0 where the weight is 0, also if the value is infinite there.
pub(crate) fn weighted(values: &Var, weight: &Var) -> Var {
    let counts = weight.ne(&weight.constant_like(0.0));
    let product = values * weight;
    counts.select(&product, &product.constant_like(0.0))
}

fn divide_no_nan(a: &Var, b: &Var) -> Var {
    let zero = b.constant_like(0.0);
    let empty = b.eq(&zero);
    let safe = empty.select(&b.constant_like(1.0), b);
    empty.select(&zero, &(a / safe))
}

/// Predictions and labels of one shape: a last axis of extent 1 that one of them has goes away, or
/// comes to the other.
pub(crate) fn same_rank(y_true: &Var, y_pred: &Var) -> (Var, Var) {
    let (t, p) = (y_true.shape().rank(), y_pred.shape().rank());
    let one = |y: &Var| y.shape().last() == Some(&1);
    let squeeze = |y: &Var| y.reshape(&y.shape()[..y.shape().rank() - 1]);
    let expand = |y: &Var| y.reshape(y.shape().iter().copied().chain([1]).collect::<Vec<_>>());
    match (t, p) {
        (1, 2) if one(y_pred) => (expand(y_true), y_pred.clone()),
        (2, 1) if one(y_true) => (y_true.clone(), expand(y_pred)),
        _ if p == t + 1 && one(y_pred) => (y_true.clone(), squeeze(y_pred)),
        _ if t == p + 1 && one(y_true) => (squeeze(y_true), y_pred.clone()),
        _ => (y_true.clone(), y_pred.clone()),
    }
}

/// As [`same_rank`], with the labels as numbers of the prediction's type; a mistake if the shapes
/// differ after all.
#[track_caller]
pub(crate) fn pair(y_true: &Var, y_pred: &Var) -> (Var, Var) {
    let y_true =
        if y_true.dtype() == y_pred.dtype() { y_true.clone() } else { y_true.cast(y_pred.dtype()) };
    let (y_true, y_pred) = same_rank(&y_true, y_pred);
    if y_true.shape() == y_pred.shape() {
        return (y_true, y_pred);
    }
    let message = format!("labels {} and prediction {} differ in shape", y_true.ty(), y_pred.ty());
    let void = y_pred.tracer().fail(Mistake::new(message));
    (void.clone(), void)
}

/// The mean along the last axis.
#[track_caller]
pub(crate) fn mean_last(x: &Var) -> Var {
    match x.shape().rank().checked_sub(1) {
        Some(axis) => x.reduce_mean(&[axis], false),
        None => x.clone(),
    }
}

/// The mean along an axis.
#[track_caller]
pub(crate) fn mean_along(x: &Var, axis: Axis) -> Var {
    match axis.of(x.shape()) {
        Ok(axis) => x.reduce_mean(&[axis], false),
        Err(mistake) => x.tracer().fail(mistake),
    }
}

/// The sum along the last axis.
#[track_caller]
pub(crate) fn sum_last(x: &Var) -> Var {
    match x.shape().rank().checked_sub(1) {
        Some(axis) => x.reduce_sum(&[axis], false),
        None => x.clone(),
    }
}

/// The sum over some axes, or over all.
#[track_caller]
fn sum_over(x: &Var, axes: Option<&Axes>) -> Var {
    match axes.map_or_else(|| Ok((0..x.shape().rank()).collect()), |axes| axes.of(x.shape())) {
        Ok(axes) => x.reduce_sum(&axes, false),
        Err(mistake) => x.tracer().fail(mistake),
    }
}

/// Distributions moved towards the uniform one by this share.
fn smoothed(t: Var, share: f64) -> Var {
    match t.shape().last() {
        Some(&classes) if share != 0.0 => t * (1.0 - share) + share / classes as f64,
        _ => t,
    }
}

/// `x^exponent` of numbers from 0 on.
fn power(x: &Var, exponent: f64) -> Var {
    match exponent {
        0.0 => x.constant_like(1.0).broadcast(x.shape().clone()),
        1.0 => x.clone(),
        2.0 => x * x,
        _ => x.pow(&x.constant_like(exponent)),
    }
}

/// The logarithms of the probabilities of the classes on an axis: of the logits where they are
/// known or given, else of the probabilities, made to sum up to 1 and kept [`EPSILON`] away from 0
/// and 1.
#[track_caller]
pub(crate) fn log_probabilities(y_pred: &Prediction, from_logits: bool, axis: usize) -> Var {
    let output = &y_pred.output;
    let of_logits = |z: &Var| LogSoftmax { axis: axis as i64 }.apply(z);
    match &y_pred.logits {
        _ if from_logits => of_logits(output),
        // A softmax is along the last axis.
        Some(Logits::Softmax(logits)) if axis + 1 == output.shape().rank() => of_logits(logits),
        _ => clip(&(output / output.reduce_sum(&[axis], true))).log(),
    }
}

/// Probabilities kept [`EPSILON`] away from 0 and 1.
pub(crate) fn clip(x: &Var) -> Var {
    x.maximum(&x.constant_like(EPSILON)).minimum(&x.constant_like(1.0 - EPSILON))
}

impl<T: Loss + 'static> From<T> for Choice<dyn Loss> {
    fn from(loss: T) -> Self {
        Self::Object(Arc::new(loss))
    }
}
