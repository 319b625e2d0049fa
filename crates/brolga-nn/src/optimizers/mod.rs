//! Optimizers, one file each, with Keras's formulas.
//!
//! A new optimizer is a new file and one line in the list below.

mod clip;

use std::sync::Arc;

use brolga_ir::{DType, Mistake, Origin, Var};
use serde::{Deserialize, Serialize};

use crate::arguments::{Argument, Range};
use crate::registry::{Choice, Object, classes};

classes! {
    "optimizer" Optimizer(str::to_lowercase) {
        adam: Adam,
        adamw: AdamW,
        rmsprop: RMSprop,
        sgd: SGD,
    }
}

/// How weights follow their gradients.
pub trait Optimizer: Object {
    /// How far a step goes at first: the model's state holds it from then on, where callbacks can change it.
    fn learning_rate(&self) -> f64;

    /// The arguments that all optimizers have.
    fn common(&self) -> &Common;

    /// The tensors that are kept for each weight between steps, of its shape.
    fn slots(&self) -> Vec<Slot>;

    /// Scalars that are computed once a step and shared by all weights.
    fn scalars(&self, step: &Step) -> Vec<Var> {
        vec![step.learning_rate.clone()]
    }

    /// The next values of a weight and of its slots.
    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update;
}

/// A tensor that an optimizer keeps for each weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// Its name, such as `momentum`.
    pub name: &'static str,
    /// Its first value, the same everywhere.
    pub initial: f64,
}

impl Slot {
    /// A slot that starts with zeros.
    pub fn zeros(name: &'static str) -> Self {
        Self { name, initial: 0.0 }
    }
}

/// Where the training stands.
#[derive(Debug, Clone)]
pub struct Step {
    /// The learning rate, a scalar.
    pub learning_rate: Var,
    /// The number of the step as `f32`, 1 for the first.
    pub number: Var,
}

/// The next values of a weight and of its slots.
#[derive(Debug, Clone)]
pub struct Update {
    /// The weight.
    pub weight: Var,
    /// The slots, in the order of [`Optimizer::slots`].
    pub slots: Vec<Var>,
}

/// The arguments that all optimizers have: weight decay and bounds on gradients; none by default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Common {
    /// Each step multiplies the weights by `1 − learning_rate·weight_decay` before their update.
    #[serde(default)]
    pub weight_decay: Option<f64>,
    /// The largest norm of the gradient of one weight; longer ones are scaled down.
    #[serde(default)]
    pub clipnorm: Option<f64>,
    /// The largest norm of all gradients together; longer ones are scaled down.
    #[serde(default)]
    pub global_clipnorm: Option<f64>,
    /// The largest magnitude of an element of a gradient.
    #[serde(default)]
    pub clipvalue: Option<f64>,
}

impl Common {
    fn arguments(&self) -> [Argument; 4] {
        [
            Argument::new("weight_decay", &self.weight_decay, Range::AtLeast(0.0)),
            Argument::new("clipnorm", &self.clipnorm, Range::Positive),
            Argument::new("global_clipnorm", &self.global_clipnorm, Range::Positive),
            Argument::new("clipvalue", &self.clipvalue, Range::Positive),
        ]
    }
}

/// Fails if an optimizer's bounds on gradients contradict each other.
pub(crate) fn check(optimizer: &dyn Optimizer) -> Result<(), Mistake> {
    let Common { clipnorm, global_clipnorm, clipvalue, .. } = optimizer.common();
    let bounds =
        [("clipnorm", clipnorm), ("global_clipnorm", global_clipnorm), ("clipvalue", clipvalue)];
    let mut set = bounds.iter().filter(|(_, bound)| bound.is_some()).map(|(name, _)| name);
    let (Some(first), Some(second)) = (set.next(), set.next()) else { return Ok(()) };
    let class = optimizer.class_name();
    Err(Mistake::new(format!("{class}: `{first}` and `{second}` are both set"))
        .help("gradients are bounded in one way"))
}

/// Implements for an optimizer struct with the field `common` what all of them have.
macro_rules! optimizer {
    ($type:ident $arguments:tt) => {
        crate::registry::object!($type $arguments and common);

        impl $type {
            /// Each step multiplies the weights by `1 − learning_rate·weight_decay` before their update.
            #[must_use]
            pub fn weight_decay(mut self, weight_decay: f64) -> Self {
                self.common.weight_decay = Some(weight_decay);
                self
            }

            /// The largest norm of the gradient of one weight; longer ones are scaled down.
            #[must_use]
            pub fn clipnorm(mut self, clipnorm: f64) -> Self {
                self.common.clipnorm = Some(clipnorm);
                self
            }

            /// The largest norm of all gradients together; longer ones are scaled down.
            #[must_use]
            pub fn global_clipnorm(mut self, global_clipnorm: f64) -> Self {
                self.common.global_clipnorm = Some(global_clipnorm);
                self
            }

            /// The largest magnitude of an element of a gradient.
            #[must_use]
            pub fn clipvalue(mut self, clipvalue: f64) -> Self {
                self.common.clipvalue = Some(clipvalue);
                self
            }
        }
    };
}
pub(crate) use optimizer;

/// Reads a learning rate: a number. Keras also writes schedules here.
pub(crate) fn rate<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    value.as_f64().ok_or_else(|| {
        let class = value.get("class_name").and_then(|class| class.as_str());
        let given =
            class.map_or_else(|| value.to_string(), |class| format!("the schedule `{class}`"));
        serde::de::Error::custom(format!("expected a number, {given} is not supported"))
    })
}

/// A weight in training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Where the nodes of its update come from.
    pub origin: Origin,
    /// Its value.
    pub weight: Var,
    /// The gradient of the loss by it.
    pub gradient: Var,
    /// What the optimizer keeps for it, in the order of [`Optimizer::slots`].
    pub slots: Vec<Var>,
}

/// The next values of all weights and slots: clipping, weight decay, the optimizer's update.
///
/// `iterations: i32[]` counts the steps done. The slots pass through [`Flush`](brolga_ir::ops::Flush): what decays must not become
/// subnormal.
pub fn apply(
    optimizer: &dyn Optimizer,
    learning_rate: &Var,
    iterations: &Var,
    trained: &[Trained],
) -> Vec<Update> {
    let common = optimizer.common();
    let number = iterations.cast(DType::F32) + 1.0;
    let step = Step { learning_rate: learning_rate.clone(), number };
    let scalars = optimizer.scalars(&step);
    let gradients: Vec<Var> = trained.iter().map(|t| t.gradient.clone()).collect();
    let gradients = clip::clip(common, &gradients);
    let decay = common.weight_decay.map(|decay| 1.0 - learning_rate * decay);
    let update = |(Trained { origin, weight, slots, .. }, gradient): (&Trained, &Var)| {
        let _scope = weight.tracer().origin_scope(origin.clone());
        let weight = decay.as_ref().map_or_else(|| weight.clone(), |decay| weight * decay);
        let Update { weight, slots } = optimizer.update(&scalars, &weight, gradient, slots);
        Update { weight, slots: slots.iter().map(Var::flush).collect() }
    };
    trained.iter().zip(&gradients).map(update).collect()
}

/// The name under which an optimizer's slots are kept, such as `adam`.
pub fn state_prefix(optimizer: &dyn Optimizer) -> String {
    optimizer.class_name().to_lowercase()
}

impl<T: Optimizer + 'static> From<T> for Choice<dyn Optimizer> {
    fn from(optimizer: T) -> Self {
        Self::Object(Arc::new(optimizer))
    }
}
