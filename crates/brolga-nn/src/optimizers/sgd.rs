//! Stochastic gradient descent.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{ByRows, Common, LearningRate, Optimizer, Slot, Update, optimizer};
use crate::setters::setters;

/// `w ← w − η·g`; with momentum µ: `m ← µ·m − η·g`, `w ← w + m`; with Nesterov's: `w ← w + µ·m −
/// η·g`.
///
/// Without momentum, rows of an embedding that do not occur in a batch are neither read nor written.
///
/// Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013).
///
/// Keras: `keras.optimizers.SGD`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct SGD {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    momentum: f64,
    nesterov: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lazy: bool,
}

optimizer!(SGD { learning_rate: AtLeast(0.0), momentum: Share });

impl Default for SGD {
    fn default() -> Self {
        Self::new(0.01)
    }
}

impl SGD {
    /// With this learning rate (Keras's default is 0.01), without momentum.
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        Self {
            learning_rate: learning_rate.into(),
            common: Common::default(),
            momentum: 0.0,
            nesterov: false,
            lazy: false,
        }
    }

    setters! {
        /// How much of the last step goes into the next; 0 by default.
        momentum: f64,
        /// Whether the momentum is Nesterov's; false by default.
        nesterov: bool,
        /// Whether rows of an embedding that do not occur in a batch are left as they are, although
        /// their momentum would move them; false by default. Without momentum they are anyway.
        lazy: bool,
    }
}

impl Optimizer for SGD {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn by_rows(&self) -> ByRows {
        match (self.momentum == 0.0, self.lazy) {
            (true, _) => ByRows::Exact,
            (false, true) => ByRows::Lazy,
            (false, false) => ByRows::Never("the momentum moves rows whose gradient is 0"),
        }
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        if self.momentum == 0.0 { vec![] } else { vec![Slot::zeros("momentum", weight)] }
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let descent = gradient * &scalars[0];
        let [m] = slots else {
            return Update { weight: weight - descent, slots: vec![] };
        };
        let m = m * self.momentum - &descent;
        let weight =
            if self.nesterov { weight + (&m * self.momentum - descent) } else { weight + &m };
        Update { weight, slots: vec![m] }
    }
}
