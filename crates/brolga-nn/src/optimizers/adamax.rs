//! Adamax.

use brolga_ir::{Type, Var};

use super::moments::{followed, moments_optimizer};
use super::{Common, LearningRate, Optimizer, Slot, Step, Update};

moments_optimizer! {
    /// `m ← m + (1 − β₁)·(g − m)`, `u ← max(β₂·u, |g|)`, `w ← w − α·m / (u + ε)` with
    /// `α = η / (1 − β₁ᵗ)` at step t.
    ///
    /// Kingma and Ba, "Adam: a method for stochastic optimization" (2015), section 7.1.
    ///
    /// Keras: `keras.optimizers.Adamax`.
    Adamax of "greatest magnitude of the gradient"
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
        let m = followed(&slots[0], gradient, self.beta_1);
        let u = (&slots[1] * self.beta_2).maximum(&gradient.abs());
        let weight = weight - &m * &scalars[0] / (&u + self.epsilon);
        Update { weight, slots: vec![m, u] }
    }
}
