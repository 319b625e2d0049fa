//! The Dice loss.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{EPSILON, Loss, Losses, Reduction, loss, pair, reduction, sum_over};
use crate::config::Axes;
use crate::setters::setters;
use crate::trace::Prediction;

/// `1 − 2 · Σ t·p / (Σ t + Σ p + 10⁻⁷)`, with labels t and predictions p from 0 to 1.
///
/// The sums go over `axis`, or over the whole batch where it is `None`.
///
/// Keras: `keras.losses.Dice`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dice {
    /// The axes of the sums; all of them, the batch included, by default.
    pub axis: Option<Axes>,
    /// How the losses become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
}

loss!(Dice);

impl Dice {
    /// Over the whole batch, with the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axes of the sums; all of them, the batch included, by default.
        axis: some Axes,
    }
}

impl Loss for Dice {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let (t, p) = pair(y_true, &y_pred.output);
        let sum = |x: &Var| sum_over(x, self.axis.as_ref());
        let common = sum(&(&t * &p)) * 2.0;
        (1.0 - common / (sum(&t) + sum(&p) + EPSILON)).into()
    }
}
