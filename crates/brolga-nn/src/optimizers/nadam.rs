//! Nadam.

use brolga_ir::{DType, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Common, LearningRate, Optimizer, Slot, Step, Update, optimizer};

/// [`Adam`](super::Adam) with Nesterov's momentum: `w ← w − η·m̂ / (√v̂ + ε)` with
/// `m̂ = µₜ₊₁·m / (1 − Πₜ₊₁) + (1 − µₜ)·g / (1 − Πₜ)` and `v̂ = v / (1 − β₂ᵗ)`, where
/// `µₜ = β₁·(1 − 0.96ᵗ / 2)` at step t, and Πₜ is the product of all µ up to it.
///
/// Dozat, "Incorporating Nesterov momentum into Adam" (2016).
///
/// Keras: `keras.optimizers.Nadam`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Nadam {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
}

optimizer!(Nadam {
    learning_rate: AtLeast(0.0),
    beta_1: BelowOne,
    beta_2: BelowOne,
    epsilon: AtLeast(0.0)
});

impl Default for Nadam {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl Nadam {
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

impl Optimizer for Nadam {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        ["momentum", "velocity"].map(|name| Slot::zeros(name, weight)).into()
    }

    fn states(&self) -> Vec<Slot> {
        vec![Slot::full("product", &Type::scalar(DType::F32), 1.0)]
    }

    fn next_states(&self, _: &Step, scalars: &[Var]) -> Vec<Var> {
        vec![scalars[3].clone()]
    }

    fn scalars(&self, step: &Step) -> Vec<Var> {
        let momentum = |decay: Var| (1.0 - decay * 0.5) * self.beta_1;
        let decay = step.power(0.96);
        let (now, next) = (momentum(decay.clone()), momentum(decay * 0.96));
        let product = &step.states[0] * &now;
        let of_mean = &next / (1.0 - &product * &next);
        let of_gradient = (1.0 - now) / (1.0 - &product);
        let rate = step.learning_rate.clone();
        vec![rate, of_mean, of_gradient, product, 1.0 - step.power(self.beta_2)]
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let m = &slots[0] + (gradient - &slots[0]) * (1.0 - self.beta_1);
        let v = &slots[1] + (gradient * gradient - &slots[1]) * (1.0 - self.beta_2);
        let mean = &m * &scalars[1] + gradient * &scalars[2];
        let divisor = (&v / &scalars[4]).sqrt() + self.epsilon;
        Update { weight: weight - mean * &scalars[0] / divisor, slots: vec![m, v] }
    }
}
