//! Follow the regularized leader.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{Common, LearningRate, Optimizer, Slot, Update, optimizer};
use crate::setters::setters;

/// With `G = g + 2·l2_shrinkage·w`, `a' = a + g²` and `p = −learning_rate_power`:
/// `z ← z + G − (a'^p − a^p) / η · w`,
/// `w ← (min(max(z, −l1), l1) − z) / (a'^p / η + 2·l2 + β / η)`, `a ← a'`.
///
/// McMahan et al., "Ad click prediction: a view from the trenches" (2013).
///
/// Keras: `keras.optimizers.Ftrl`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Ftrl {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    learning_rate_power: f64,
    initial_accumulator_value: f64,
    l1_regularization_strength: f64,
    l2_regularization_strength: f64,
    l2_shrinkage_regularization_strength: f64,
    beta: f64,
}

optimizer!(Ftrl {
    learning_rate: AtLeast(0.0),
    learning_rate_power: AtMost(0.0),
    initial_accumulator_value: AtLeast(0.0),
    l1_regularization_strength: AtLeast(0.0),
    l2_regularization_strength: AtLeast(0.0),
    l2_shrinkage_regularization_strength: AtLeast(0.0),
    beta: AtLeast(0.0)
});

impl Default for Ftrl {
    fn default() -> Self {
        Self::new(1e-3)
    }
}

impl Ftrl {
    /// With this learning rate (Keras's default is 1e-3), without penalties.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        Self {
            learning_rate: learning_rate.into(),
            common: Common::default(),
            learning_rate_power: -0.5,
            initial_accumulator_value: 0.1,
            l1_regularization_strength: 0.0,
            l2_regularization_strength: 0.0,
            l2_shrinkage_regularization_strength: 0.0,
            beta: 0.0,
        }
    }

    setters! {
        /// The power of sums of squares by which steps shrink, at most 0; −½ by default.
        learning_rate_power: f64,
        /// The first value of `a`; 0.1 by default.
        initial_accumulator_value: f64,
        /// The threshold `l1` below which weights are 0; 0 by default.
        l1_regularization_strength: f64,
        /// The penalty `l2` of squares; 0 by default.
        l2_regularization_strength: f64,
    }

    /// The penalty of squares that goes through the gradient; 0 by default.
    #[must_use]
    pub fn l2_shrinkage_regularization_strength(
        mut self,
        l2_shrinkage_regularization_strength: f64,
    ) -> Self {
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength;
        self
    }

    setters! {
        /// The number `β` of the paper; 0 by default.
        beta: f64,
    }
}

impl Optimizer for Ftrl {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        let sum = Slot::full("accumulator", weight, self.initial_accumulator_value);
        vec![sum, Slot::zeros("linear", weight)]
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let (rate, old, linear) = (&scalars[0], &slots[0], &slots[1]);
        let power = |x: &Var| match self.learning_rate_power {
            -0.5 => x.sqrt(),
            power => x.pow(&x.constant_like(-power)),
        };
        let sum = old + gradient * gradient;
        let shrinkage = 2.0 * self.l2_shrinkage_regularization_strength;
        let pull = if shrinkage == 0.0 { gradient.clone() } else { gradient + weight * shrinkage };
        let linear = linear + (pull - (power(&sum) - power(old)) / rate * weight);
        let bound = linear.constant_like(self.l1_regularization_strength);
        let within = linear.maximum(&-&bound).minimum(&bound);
        let quadratic = (power(&sum) + self.beta) / rate + 2.0 * self.l2_regularization_strength;
        Update { weight: (within - &linear) / quadratic, slots: vec![sum, linear] }
    }
}
