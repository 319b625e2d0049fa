//! Adagrad.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{ByRows, Common, LearningRate, Optimizer, Slot, Update, optimizer};
use crate::setters::setters;

/// `a ← a + g²`, `w ← w − η·g / √(a + ε)`.
///
/// Rows of an embedding that do not occur in a batch are neither read nor written.
///
/// Duchi et al., "Adaptive subgradient methods for online learning and stochastic optimization"
/// (2011).
///
/// Keras: `keras.optimizers.Adagrad`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Adagrad {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    initial_accumulator_value: f64,
    epsilon: f64,
}

optimizer!(Adagrad {
    learning_rate: AtLeast(0.0),
    initial_accumulator_value: AtLeast(0.0),
    epsilon: AtLeast(0.0)
});

impl Default for Adagrad {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl Adagrad {
    /// With this learning rate (Keras's default is 1e-3), `ε = 1e-7`, and 0.1 as the first `a`.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        Self {
            learning_rate: learning_rate.into(),
            common: Common::default(),
            initial_accumulator_value: 0.1,
            epsilon: 1e-7,
        }
    }

    setters! {
        /// The first value of `a`; 0.1 by default.
        initial_accumulator_value: f64,
        /// The number that keeps the divisor away from 0; 1e-7 by default.
        epsilon: f64,
    }
}

impl Optimizer for Adagrad {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn by_rows(&self) -> ByRows {
        match self.initial_accumulator_value > 0.0 || self.epsilon > 0.0 {
            true => ByRows::Exact,
            false => {
                ByRows::Never("without an accumulator and an epsilon rows of gradient 0 become NaN")
            }
        }
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        vec![Slot::full("accumulator", weight, self.initial_accumulator_value)]
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let sum = &slots[0] + gradient * gradient;
        let weight = weight - gradient * &scalars[0] / (&sum + self.epsilon).sqrt();
        Update { weight, slots: vec![sum] }
    }
}
