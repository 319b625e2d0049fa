//! Lamb.

use brolga_ir::{Type, Var};

use super::moments::{followed, moments_optimizer};
use super::{Common, LearningRate, Optimizer, Slot, Step, Update, norm};

moments_optimizer! {
    /// `w ← w − η·q·u` with the update `u = m̂ / (√v̂ + ε)` of [`Adam`](super::Adam)'s means `m̂ =
    /// m / (1 − β₁ᵗ)` and `v̂ = v / (1 − β₂ᵗ)`, and `q = ‖w‖ / ‖u‖`, 1 where one of them is 0.
    ///
    /// You et al., "Large batch optimization for deep learning: training BERT in 76 minutes"
    /// (2020).
    ///
    /// Keras: `keras.optimizers.Lamb`.
    Lamb of "mean of the squared gradient"
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
        let m = followed(&slots[0], gradient, self.beta_1);
        let v = followed(&slots[1], &(gradient * gradient), self.beta_2);
        let change = &m / &scalars[1] / ((&v / &scalars[2]).sqrt() + self.epsilon);
        let norms = (norm(weight), norm(&change));
        let positive = |x: &Var| x.gt(&x.constant_like(0.0));
        let one = norms.0.constant_like(1.0);
        let both = positive(&norms.0).logical_and(&positive(&norms.1));
        let ratio = both.select(&(&norms.0 / both.select(&norms.1, &one)), &one);
        Update { weight: weight - change * (ratio * &scalars[0]), slots: vec![m, v] }
    }
}
