//! A cross entropy of class numbers that bears wrong labels.

use brolga_ir::{DType, Mistake, Var};
use serde::{Deserialize, Serialize};

use super::{Labels, Loss, Losses, Reduction, loss, reduction, sum_last};
use crate::config::Axis;
use crate::trace::Prediction;

/// `(1 − p[t]^q) / q`, with distributions p along the last axis and class numbers t.
///
/// It lies between the cross entropy, for `q` near 0, and the mean absolute error, for 1.
///
/// Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy
/// labels" (2018).
///
/// Keras: `keras.losses.CategoricalGeneralizedCrossEntropy`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CategoricalGeneralizedCrossEntropy {
    /// The exponent, above 0 and at most 1; ½ by default.
    pub q: f64,
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
}

loss!(CategoricalGeneralizedCrossEntropy { q: Positive });

impl Default for CategoricalGeneralizedCrossEntropy {
    fn default() -> Self {
        Self::new(0.5)
    }
}

impl CategoricalGeneralizedCrossEntropy {
    /// With this exponent, and the default reduction.
    pub fn new(q: f64) -> Self {
        Self { q, reduction: Reduction::default() }
    }
}

impl Loss for CategoricalGeneralizedCrossEntropy {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn labels(&self) -> Labels {
        Labels::Classes { axis: Axis::default(), ignored: None }
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let p = &y_pred.output;
        let Some((&classes, shape)) = p.shape().split_last() else { return p.clone().into() };
        if y_true.shape().elements() != shape.iter().product::<usize>() {
            let message =
                format!("class numbers {} do not fit the prediction {}", y_true.ty(), p.ty());
            return y_true.tracer().fail(Mistake::new(message)).into();
        }
        let hot = y_true.cast(DType::I32).reshape(shape).one_hot(classes, DType::Bool);
        let own = sum_last(&hot.select(p, &p.constant_like(0.0)));
        ((1.0 - own.pow(&own.constant_like(self.q))) / self.q).into()
    }
}
