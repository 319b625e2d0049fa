//! RMSprop.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{Common, LearningRate, Optimizer, Slot, Update, optimizer};
use crate::setters::setters;

/// `v ← ρ·v + (1 − ρ)·g²`, `w ← w − η·g / √(v + ε)`.
///
/// With `centered`, v is the variance of the gradient around its mean `a ← ρ·a + (1 − ρ)·g`: `v ←
/// ρ·(v + (1 − ρ)·(g − a)²)` with the mean before the step. This is Keras's `v − a²`, which in
/// floats cancels and can become negative; since it is another number than Keras's `velocity`, its
/// slot has the name `variance`.
///
/// With momentum µ, `m ← µ·m + η·g / √(v + ε)`, `w ← w − m`.
///
/// Hinton, "Neural networks for machine learning", lecture 6e (2012).
///
/// Keras: `keras.optimizers.RMSprop`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct RMSprop {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    rho: f64,
    momentum: f64,
    epsilon: f64,
    centered: bool,
}

optimizer!(RMSprop {
    learning_rate: AtLeast(0.0),
    rho: Share,
    momentum: Share,
    epsilon: AtLeast(0.0),
});

impl Default for RMSprop {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl RMSprop {
    /// With this learning rate (Keras's default is 1e-3), `ρ = 0.9`, `ε = 1e-7`, without momentum.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        let common = Common::default();
        Self {
            learning_rate: learning_rate.into(),
            common,
            rho: 0.9,
            momentum: 0.0,
            epsilon: 1e-7,
            centered: false,
        }
    }

    setters! {
        /// How slowly the mean of the squared gradient forgets; 0.9 by default.
        rho: f64,
        /// How much of the last step goes into the next; 0 by default.
        momentum: f64,
        /// The number that keeps the divisor away from 0; 1e-7 by default.
        epsilon: f64,
        /// Whether gradients are divided by their deviation instead of their size; false by
        /// default.
        centered: bool,
    }
}

impl Optimizer for RMSprop {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        let spread = if self.centered { "variance" } else { "velocity" };
        let average = self.centered.then_some("average_gradient");
        let momentum = (self.momentum > 0.0).then_some("momentum");
        let names = [spread].into_iter().chain(average).chain(momentum);
        names.map(|name| Slot::zeros(name, weight)).collect()
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let mean = |old: &Var, new: &Var| old * self.rho + new * (1.0 - self.rho);
        let (v, rest) = (&slots[0], &slots[1..]);
        let (v, average, momentum) = match rest {
            [average, momentum @ ..] if self.centered => {
                let change = gradient - average;
                let variance = (v + &change * &change * (1.0 - self.rho)) * self.rho;
                (variance, Some(mean(average, gradient)), momentum)
            }
            momentum => (mean(v, &(gradient * gradient)), None, momentum),
        };
        let mut step = gradient * &scalars[0] / (&v + self.epsilon).sqrt();
        if let [m] = momentum {
            step = m * self.momentum + step;
        }
        let momentum = (!momentum.is_empty()).then(|| step.clone());
        let slots = [v].into_iter().chain(average).chain(momentum).collect();
        Update { weight: weight - step, slots }
    }
}
