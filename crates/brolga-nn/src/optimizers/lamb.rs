//! Lamb.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{Common, LearningRate, Optimizer, Slot, Step, Update, norm, optimizer};

/// `w ← w − η·q·u` with the update `u = m̂ / (√v̂ + ε)` of [`Adam`](super::Adam)'s means
/// `m̂ = m / (1 − β₁ᵗ)` and `v̂ = v / (1 − β₂ᵗ)`, and `q = ‖w‖ / ‖u‖`, 1 where one of them is 0.
///
/// You et al., "Large batch optimization for deep learning: training BERT in 76 minutes" (2020).
///
/// Keras: `keras.optimizers.Lamb`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Lamb {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
}

optimizer!(Lamb {
    learning_rate: AtLeast(0.0),
    beta_1: BelowOne,
    beta_2: BelowOne,
    epsilon: AtLeast(0.0)
});

impl Default for Lamb {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl Lamb {
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

    /// How slowly the mean of the squared gradient forgets; 0.999 by default.
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

impl Optimizer for Lamb {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        ["momentum", "velocity"].map(|name| Slot::zeros(name, weight)).into()
    }

    fn scalars(&self, step: &Step) -> Vec<Var> {
        let rest = |beta: f64| 1.0 - step.power(beta);
        vec![step.learning_rate.clone(), rest(self.beta_1), rest(self.beta_2)]
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let m = &slots[0] + (gradient - &slots[0]) * (1.0 - self.beta_1);
        let v = &slots[1] + (gradient * gradient - &slots[1]) * (1.0 - self.beta_2);
        let change = &m / &scalars[1] / ((&v / &scalars[2]).sqrt() + self.epsilon);
        let norms = (norm(weight), norm(&change));
        let positive = |x: &Var| x.gt(&x.constant_like(0.0));
        let one = norms.0.constant_like(1.0);
        let both = positive(&norms.0).logical_and(&positive(&norms.1));
        let ratio = both.select(&(&norms.0 / both.select(&norms.1, &one)), &one);
        Update { weight: weight - change * (ratio * &scalars[0]), slots: vec![m, v] }
    }
}
