//! Adam.

use brolga_ir::{Type, Var};

use super::moments::{followed, moments_optimizer};
use super::{ByRows, Common, LearningRate, Optimizer, Slot, Step, Update};

moments_optimizer! {
    /// `m ← m + (1 − β₁)·(g − m)`, `v ← v + (1 − β₂)·(g² − v)`, `w ← w − α·m / (√v + ε)` with
    /// `α = η·√(1 − β₂ᵗ) / (1 − β₁ᵗ)` at step t.
    ///
    /// With `amsgrad` the greatest `v` so far stands in the last formula.
    ///
    /// Kingma and Ba, "Adam: a method for stochastic optimization" (2015), section 2, last
    /// paragraph; Reddi et al., "On the convergence of Adam and beyond" (2018).
    ///
    /// Keras: `keras.optimizers.Adam`.
    Adam of "mean of the squared gradient",
    /// Whether the greatest second moment so far is used; false by default.
    amsgrad;
    /// Whether rows of an embedding that do not occur in a batch are left as they are, and their
    /// moments too, as in TensorFlow's `LazyAdam` and PyTorch's `SparseAdam`; false by default.
    lazy
}

impl Adam {
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

    fn by_rows(&self) -> ByRows {
        match self.lazy {
            true => ByRows::Lazy,
            false => ByRows::Never("the optimizer changes rows whose gradient is 0"),
        }
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
        let m = followed(&slots[0], gradient, self.beta_1);
        let v = followed(&slots[1], &(gradient * gradient), self.beta_2);
        let greatest = slots.get(2).map(|greatest| greatest.maximum(&v));
        let divisor = greatest.as_ref().unwrap_or(&v).sqrt() + self.epsilon;
        let weight = weight - &m * &scalars[0] / divisor;
        Update { weight, slots: [m, v].into_iter().chain(greatest).collect() }
    }
}
