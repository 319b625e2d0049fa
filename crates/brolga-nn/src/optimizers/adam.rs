//! Adam.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{Common, LearningRate, Optimizer, Slot, Step, Update, optimizer};

/// `m ← m + (1 − β₁)·(g − m)`, `v ← v + (1 − β₂)·(g² − v)`, `w ← w − α·m / (√v + ε)` with
/// `α = η·√(1 − β₂ᵗ) / (1 − β₁ᵗ)` at step t.
///
/// With `amsgrad` the greatest `v` so far stands in the last formula.
///
/// Kingma and Ba, "Adam: a method for stochastic optimization" (2015), section 2, last paragraph;
/// Reddi et al., "On the convergence of Adam and beyond" (2018).
///
/// Keras: `keras.optimizers.Adam`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Adam {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    amsgrad: bool,
}

optimizer!(Adam {
    learning_rate: AtLeast(0.0),
    beta_1: BelowOne,
    beta_2: BelowOne,
    epsilon: AtLeast(0.0),
});

impl Default for Adam {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl Adam {
    /// With this learning rate (Keras's default is 1e-3), `β₁ = 0.9`, `β₂ = 0.999`, `ε = 1e-7`.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        let common = Common::default();
        Self {
            learning_rate: learning_rate.into(),
            common,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
            amsgrad: false,
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

    /// Whether the greatest second moment so far is used; false by default.
    #[must_use]
    pub fn amsgrad(mut self, amsgrad: bool) -> Self {
        self.amsgrad = amsgrad;
        self
    }

    pub(super) fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }
}

impl Optimizer for Adam {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        let names = ["momentum", "velocity", "velocity_hat"];
        let names = &names[..if self.amsgrad { 3 } else { 2 }];
        names.iter().map(|name| Slot::zeros(name, weight)).collect()
    }

    fn scalars(&self, step: &Step) -> Vec<Var> {
        let (power_1, power_2) = (step.power(self.beta_1), step.power(self.beta_2));
        vec![&step.learning_rate * (1.0 - power_2).sqrt() / (1.0 - power_1)]
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let (alpha, m, v) = (&scalars[0], &slots[0], &slots[1]);
        let m = m + (gradient - m) * (1.0 - self.beta_1);
        let v = v + (gradient * gradient - v) * (1.0 - self.beta_2);
        let greatest = slots.get(2).map(|greatest| greatest.maximum(&v));
        let divisor = greatest.as_ref().unwrap_or(&v).sqrt() + self.epsilon;
        let weight = weight - &m * alpha / divisor;
        Update { weight, slots: [m, v].into_iter().chain(greatest).collect() }
    }
}
