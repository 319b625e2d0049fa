//! Adamax.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{Common, LearningRate, Optimizer, Slot, Step, Update, optimizer};

/// `m ← m + (1 − β₁)·(g − m)`, `u ← max(β₂·u, |g|)`, `w ← w − α·m / (u + ε)` with
/// `α = η / (1 − β₁ᵗ)` at step t.
///
/// Kingma and Ba, "Adam: a method for stochastic optimization" (2015), section 7.1.
///
/// Keras: `keras.optimizers.Adamax`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Adamax {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
}

optimizer!(Adamax {
    learning_rate: AtLeast(0.0),
    beta_1: BelowOne,
    beta_2: BelowOne,
    epsilon: AtLeast(0.0)
});

impl Default for Adamax {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl Adamax {
    /// With this learning rate (Keras's default is 1e-3), `β₁ = 0.9`, `β₂ = 0.999`, `ε = 1e-7`.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        Self {
            learning_rate: learning_rate.into(),
            common: Common::default(),
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
        }
    }

    /// How slowly the mean of the gradient forgets; 0.9 by default.
    #[must_use]
    pub fn beta_1(mut self, beta_1: f64) -> Self {
        self.beta_1 = beta_1;
        self
    }

    /// How slowly the greatest magnitude of the gradient forgets; 0.999 by default.
    #[must_use]
    pub fn beta_2(mut self, beta_2: f64) -> Self {
        self.beta_2 = beta_2;
        self
    }

    /// The number that keeps the divisor away from 0; 1e-7 by default.
    #[must_use]
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }
}

impl Optimizer for Adamax {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        ["momentum", "norm"].map(|name| Slot::zeros(name, weight)).into()
    }

    fn scalars(&self, step: &Step) -> Vec<Var> {
        vec![&step.learning_rate / (1.0 - step.power(self.beta_1))]
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let m = &slots[0] + (gradient - &slots[0]) * (1.0 - self.beta_1);
        let u = (&slots[1] * self.beta_2).maximum(&gradient.abs());
        let weight = weight - &m * &scalars[0] / (&u + self.epsilon);
        Update { weight, slots: vec![m, u] }
    }
}
