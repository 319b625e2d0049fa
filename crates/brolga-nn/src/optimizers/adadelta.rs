//! Adadelta.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{Common, LearningRate, Optimizer, Slot, Update, optimizer};
use crate::setters::setters;

/// `a ← ρ·a + (1 − ρ)·g²`, `δ = g·√(d + ε) / √(a + ε)`, `d ← ρ·d + (1 − ρ)·δ²`, `w ← w − η·δ`.
///
/// Zeiler, "ADADELTA: an adaptive learning rate method" (2012), which has a learning rate of 1.
///
/// Keras: `keras.optimizers.Adadelta`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Adadelta {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    rho: f64,
    epsilon: f64,
}

optimizer!(Adadelta { learning_rate: AtLeast(0.0), rho: Share, epsilon: AtLeast(0.0) });

impl Default for Adadelta {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl Adadelta {
    /// With this learning rate (Keras's default is 1e-3), `ρ = 0.95`, `ε = 1e-7`.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        Self {
            learning_rate: learning_rate.into(),
            common: Common::default(),
            rho: 0.95,
            epsilon: 1e-7,
        }
    }

    setters! {
        /// How slowly the means of squares forget; 0.95 by default.
        rho: f64,
        /// The number that keeps the divisor away from 0; 1e-7 by default.
        epsilon: f64,
    }
}

impl Optimizer for Adadelta {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        ["accumulated_grad", "accumulated_delta_var"].map(|name| Slot::zeros(name, weight)).into()
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let mean = |old: &Var, new: &Var| old * self.rho + new * new * (1.0 - self.rho);
        let root = |x: &Var| (x + self.epsilon).sqrt();
        let gradients = mean(&slots[0], gradient);
        let change = gradient * root(&slots[1]) / root(&gradients);
        let changes = mean(&slots[1], &change);
        Update { weight: weight - change * &scalars[0], slots: vec![gradients, changes] }
    }
}
