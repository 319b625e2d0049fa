//! Adam with weight decay.

use brolga_ir::{Type, Var};
use serde::{Deserialize, Serialize};

use super::{Adam, Common, LearningRate, Optimizer, Slot, Step, Update};
use crate::arguments::Argument;
use crate::error::NnError;
use crate::registry::{Object, Value, to_value};

/// [`Adam`] with a weight decay of 0.004 that does not go through the moments.
///
/// Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).
///
/// Keras: `keras.optimizers.AdamW`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Adam", into = "Adam")]
pub struct AdamW(Adam);

impl Object for AdamW {
    fn class_name(&self) -> &'static str {
        "AdamW"
    }

    fn config(&self) -> Result<Value, NnError> {
        to_value("AdamW", self)
    }

    fn arguments(&self) -> Vec<Argument> {
        self.0.arguments()
    }
}

impl AdamW {
    /// With this learning rate (Keras's default is 1e-3), and the arguments of [`Adam`].
    pub fn new(learning_rate: impl Into<LearningRate>) -> Self {
        Adam::new(learning_rate).into()
    }
}

/// Methods that set arguments of [`Adam`].
macro_rules! setters_of_adam {
    ($($name:ident: $type:ty,)*) => {
        impl AdamW {
            $(
                #[doc = concat!("As [`Adam::", stringify!($name), "`].")]
                #[must_use]
                pub fn $name(self, $name: $type) -> Self {
                    Self(self.0.$name($name))
                }
            )*
        }
    };
}

setters_of_adam! {
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    amsgrad: bool,
    lazy: bool,
    weight_decay: f64,
    clipnorm: f64,
    global_clipnorm: f64,
    clipvalue: f64,
    use_ema: bool,
    ema_momentum: f64,
    ema_overwrite_frequency: usize,
    loss_scale_factor: f64,
    gradient_accumulation_steps: usize,
}

impl AdamW {
    /// As [`Adam::exclude_from_weight_decay`].
    #[must_use]
    pub fn exclude_from_weight_decay<N: Into<String>>(
        self,
        weights: impl IntoIterator<Item = N>,
    ) -> Self {
        Self(self.0.exclude_from_weight_decay(weights))
    }
}

impl From<Adam> for AdamW {
    fn from(mut adam: Adam) -> Self {
        adam.common_mut().weight_decay.get_or_insert(0.004);
        Self(adam)
    }
}

impl From<AdamW> for Adam {
    fn from(adam: AdamW) -> Self {
        adam.0
    }
}

impl Optimizer for AdamW {
    fn learning_rate(&self) -> &LearningRate {
        self.0.learning_rate()
    }

    fn common(&self) -> &Common {
        self.0.common()
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        self.0.slots(weight)
    }

    fn scalars(&self, step: &Step) -> Vec<Var> {
        self.0.scalars(step)
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        self.0.update(scalars, weight, gradient, slots)
    }
}
