//! Lion.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{Common, LearningRate, Optimizer, Slot, Update, optimizer};
use crate::setters::setters;

/// `w ← w − η·sign(β₁·m + (1 − β₁)·g)`, `m ← β₂·m + (1 − β₂)·g`.
///
/// Chen et al., "Symbolic discovery of optimization algorithms" (2023).
///
/// Keras: `keras.optimizers.Lion`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Lion {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    beta_1: f64,
    beta_2: f64,
}

optimizer!(Lion { learning_rate: AtLeast(0.0), beta_1: Share, beta_2: Share });

impl Default for Lion {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl Lion {
    /// With this learning rate (Keras's default is 1e-3), `β₁ = 0.9`, `β₂ = 0.99`.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        Self {
            learning_rate: learning_rate.into(),
            common: Common::default(),
            beta_1: 0.9,
            beta_2: 0.99,
        }
    }

    setters! {
        /// The share of the mean in the direction of a step; 0.9 by default.
        beta_1: f64,
        /// How slowly the mean of the gradient forgets; 0.99 by default.
        beta_2: f64,
    }
}

impl Optimizer for Lion {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        vec![Slot::zeros("momentum", weight)]
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let mean = |share: f64| &slots[0] * share + gradient * (1.0 - share);
        let weight = weight - mean(self.beta_1).sign() * &scalars[0];
        Update { weight, slots: vec![mean(self.beta_2)] }
    }
}
