//! The Tversky loss.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{EPSILON, Loss, Losses, Reduction, loss, pair, reduction, sum_over};
use crate::config::Axes;
use crate::setters::setters;
use crate::trace::Prediction;

/// `1 − Σ t·p / (Σ t·p + alpha · Σ t·(1 − p) + beta · Σ (1 − t)·p + 10⁻⁷)`, with labels t and
/// predictions p from 0 to 1.
///
/// The sums go over `axis`, or over the whole batch where it is `None`. With both factors ½ it is
/// [`Dice`](super::Dice).
///
/// Salehi et al., "Tversky loss function for image segmentation" (2017).
///
/// Keras: `keras.losses.Tversky`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tversky {
    /// The factor of labels that were not predicted; ½ by default.
    pub alpha: f64,
    /// The factor of predictions without a label; ½ by default.
    pub beta: f64,
    /// The axes of the sums; all of them, the batch included, by default.
    pub axis: Option<Axes>,
    /// How the losses become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
}

loss!(Tversky { alpha: AtLeast(0.0), beta: AtLeast(0.0) });

impl Default for Tversky {
    fn default() -> Self {
        Self::new(0.5, 0.5)
    }
}

impl Tversky {
    /// With these factors, over the whole batch, with the default reduction.
    pub fn new(alpha: f64, beta: f64) -> Self {
        Self { alpha, beta, axis: None, reduction: Reduction::default() }
    }

    setters! {
        /// The axes of the sums; all of them, the batch included, by default.
        axis: some Axes,
    }
}

impl Loss for Tversky {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let (t, p) = pair(y_true, &y_pred.output);
        let sum = |x: &Var| sum_over(x, self.axis.as_ref());
        let common = sum(&(&t * &p));
        let missed = sum(&(&t * (1.0 - &p))) * self.alpha;
        let wrong = sum(&((1.0 - t) * p)) * self.beta;
        (1.0 - &common / (&common + missed + wrong + EPSILON)).into()
    }
}
