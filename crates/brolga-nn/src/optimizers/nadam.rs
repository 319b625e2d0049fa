//! Nadam.

use brolga_ir::{DType, Type, Var};

use super::moments::{followed, moments_optimizer};
use super::{Common, LearningRate, Optimizer, Slot, Step, Update};

moments_optimizer! {
    /// [`Adam`](super::Adam) with Nesterov's momentum: `w ← w − η·m̂ / (√v̂ + ε)` with
    /// `m̂ = µₜ₊₁·m / (1 − Πₜ₊₁) + (1 − µₜ)·g / (1 − Πₜ)` and `v̂ = v / (1 − β₂ᵗ)`, where
    /// `µₜ = β₁·(1 − 0.96ᵗ / 2)` at step t, and Πₜ is the product of all µ up to it.
    ///
    /// Dozat, "Incorporating Nesterov momentum into Adam" (2016).
    ///
    /// Keras: `keras.optimizers.Nadam`.
    Nadam of "mean of the squared gradient"
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
        let m = followed(&slots[0], gradient, self.beta_1);
        let v = followed(&slots[1], &(gradient * gradient), self.beta_2);
        let mean = &m * &scalars[1] + gradient * &scalars[2];
        let divisor = (&v / &scalars[4]).sqrt() + self.epsilon;
        Update { weight: weight - mean * &scalars[0] / divisor, slots: vec![m, v] }
    }
}
