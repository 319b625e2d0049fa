//! The circle loss.

use brolga_ir::{DType, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Labels, Loss, Losses, Reduction, loss, reduction};
use crate::activations::softplus;
use crate::setters::setters;
use crate::trace::Prediction;

/// `softplus(ln Σ exp(gamma·aₚ·(dₚ − margin)) + ln Σ exp(gamma·aₙ·(1 − margin − dₙ)))` of each
/// sample's vector, whose cosine distances to the batch's vectors of the same label are dₚ and to
/// those of other labels dₙ, with `aₚ = margin + dₚ` and `aₙ = max(1 + margin − dₙ, 0)`.
///
/// Predictions are vectors of length 1, `[batch, elements]`, such as those of
/// [`UnitNormalization`](crate::layers::UnitNormalization); labels are integers, `[batch]`. Samples
/// whose loss is 0, such as those without a second sample of their label, do not count in the mean.
///
/// Sun et al., "Circle loss: a unified perspective of pair similarity optimization" (2020).
///
/// Keras: `keras.losses.Circle`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Circle {
    /// The factor of all exponents; 80 by default.
    pub gamma: f64,
    /// How far from 0 distances within a label may be, and from 1 those to others; 0.4 by default.
    pub margin: f64,
    /// Whether a sample is left out of the samples of its own label; true by default.
    pub remove_diagonal: bool,
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
}

loss!(Circle { gamma: Positive, margin: Finite });

impl Default for Circle {
    fn default() -> Self {
        let reduction = Reduction::default();
        Self { gamma: 80.0, margin: 0.4, remove_diagonal: true, reduction }
    }
}

impl Circle {
    /// With Keras's factor and margin, and the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The factor of all exponents; 80 by default.
        gamma: f64,
        /// How far from 0 distances within a label may be, and from 1 those to others; 0.4 by
        /// default.
        margin: f64,
        /// Whether a sample is left out of the samples of its own label; true by default.
        remove_diagonal: bool,
    }
}

impl Loss for Circle {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn labels(&self) -> Labels {
        Labels::Identities
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let p = &y_pred.output;
        let batch = p.shape().first().copied().unwrap_or(1);
        let labels = y_true.cast(DType::I32);
        let same = labels.reshape([batch, 1]).eq(&labels.reshape([1, batch]));
        let others = same.logical_not();
        let index = |axis| p.tracer().iota(Type::new(DType::I32, [batch, batch]), axis);
        let same = match self.remove_diagonal {
            true => same.logical_and(&index(0).ne(&index(1))),
            false => same,
        };
        let distances = (1.0 - p.matmul_with(p, false, true)).relu();
        let (gamma, margin) = (self.gamma, self.margin);
        let near = (&distances + margin).relu() * (&distances - margin) * gamma;
        let far = (1.0 + margin - &distances).relu() * (1.0 - margin - &distances) * gamma;
        let (near, has_same) = log_sum_exp(&near, &same);
        let (far, has_others) = log_sum_exp(&far, &others);
        let values = softplus(&(near + far));
        let zero = values.constant_like(0.0);
        let values = has_same.logical_and(&has_others).select(&values, &zero);
        Losses { mask: Some(values.gt(&zero)), values }
    }
}

/// `ln Σ exp x` over the elements of each row that are chosen, and whether there are any; of none
/// it is 0.
fn log_sum_exp(x: &Var, chosen: &Var) -> (Var, Var) {
    let (zero, lowest) = (x.constant_like(0.0), x.constant_like(f64::from(f32::MIN)));
    let any = chosen.cast(x.dtype()).reduce_sum(&[1], true).gt(&zero);
    let greatest = any.select(&chosen.select(x, &lowest).reduce_max(&[1], true), &zero);
    let greatest = greatest.stop_gradient();
    let terms = chosen.select(&(x - &greatest), &zero).exp();
    let sum = chosen.select(&terms, &zero).reduce_sum(&[1], true);
    let log = any.select(&sum, &x.constant_like(1.0)).log() + greatest;
    let rows = [x.shape().first().copied().unwrap_or(1)];
    (log.reshape(rows), any.reshape(rows))
}
