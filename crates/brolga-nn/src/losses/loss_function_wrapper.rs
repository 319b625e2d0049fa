//! A loss by a function.

use std::sync::Arc;

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Labels, Loss, Losses, Reduction, loss};
use crate::registry::{AsFunction, Choice, Closure, IntoArgument, OfTwo};
use crate::trace::Prediction;

/// A function of the user's own as a loss: of the labels and the prediction, it gives the loss of
/// each sample, or of each element. [`Compile::loss`](crate::Compile::loss) makes one of a function
/// too: `.loss(|y_true: &Var, y_pred: &Var| ..)`.
///
/// ```
/// use brolga_nn::losses::LossFunctionWrapper;
/// use brolga_nn::prelude::*;
///
/// let quartic = LossFunctionWrapper::new(|y_true, y_pred| {
///     let square = (y_true - y_pred) * (y_true - y_pred);
///     (&square * &square).reduce_mean(&[1], false)
/// });
/// let compile = Compile::new().loss(quartic);
/// ```
///
/// The labels have the type of the model's output, unless [`LossFunctionWrapper::labels`] says that
/// they are class numbers. Losses, sample weights and reductions are those of every loss; the
/// function is differentiated and fused like ours. No config can hold it.
///
/// Keras: `keras.losses.LossFunctionWrapper`, which is also what it makes of a function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LossFunctionWrapper {
    function: Closure<OfTwo>,
    reduction: Reduction,
    #[serde(skip)]
    labels: Option<Labels>,
}

loss!(LossFunctionWrapper);

impl LossFunctionWrapper {
    /// The loss that the function computes of `y_true` and `y_pred`, with the mean over the batch
    /// as its reduction.
    pub fn new(function: impl Fn(&Var, &Var) -> Var + Send + Sync + 'static) -> Self {
        let function = Closure::<OfTwo>::new(Arc::new(function));
        Self { function, reduction: Reduction::default(), labels: None }
    }

    /// The kind of the labels; values of the type of the output by default.
    #[must_use]
    pub fn labels(mut self, labels: Labels) -> Self {
        self.labels = Some(labels);
        self
    }
}

impl Loss for LossFunctionWrapper {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn labels(&self) -> Labels {
        self.labels.unwrap_or(Labels::Values)
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        (*self.function)(y_true, &y_pred.output).into()
    }
}

impl<F: Fn(&Var, &Var) -> Var + Send + Sync + 'static> IntoArgument<Choice<dyn Loss>, AsFunction>
    for F
{
    fn into_argument(self) -> Choice<dyn Loss> {
        LossFunctionWrapper::new(self).into()
    }
}
