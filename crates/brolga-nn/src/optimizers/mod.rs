//! Optimizers, one file each, with Keras's formulas.
//!
//! A new optimizer is a new file and one line in the list below.

mod clip;

use std::sync::Arc;

use brolga_ir::{DType, Mistake, Origin, Tracer, Type, Var};
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
    /// How far a step goes at first: the model's state holds it from then on, where callbacks can
    /// change it.
    fn learning_rate(&self) -> f64;

    /// The arguments that all optimizers have.
    fn common(&self) -> &Common;

    /// The tensors that are kept between steps for a weight of this type.
    fn slots(&self, weight: &Type) -> Vec<Slot>;

    /// The tensors that are kept between steps once for all weights; none by default.
    fn states(&self) -> Vec<Slot> {
        vec![]
    }

    /// Values that are computed once a step and shared by all weights; the learning rate by
    /// default.
    fn scalars(&self, step: &Step) -> Vec<Var> {
        vec![step.learning_rate.clone()]
    }

    /// The next values of [`Optimizer::states`], which may be some of [`Optimizer::scalars`].
    fn next_states(&self, step: &Step, scalars: &[Var]) -> Vec<Var> {
        let _ = scalars;
        step.states.clone()
    }

    /// The next values of a weight and of its slots.
    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update;
}

/// A tensor that an optimizer keeps between steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// Its name, such as `momentum`.
    pub name: &'static str,
    /// Its type: `f32` or `i32`, of any shape.
    pub ty: Type,
    /// Its first value, the same everywhere.
    pub initial: f64,
}

impl Slot {
    /// A slot that starts with zeros.
    pub fn zeros(name: &'static str, ty: &Type) -> Self {
        Self { name, ty: ty.clone(), initial: 0.0 }
    }

    /// A slot that starts with this number everywhere.
    pub fn full(name: &'static str, ty: &Type, initial: f64) -> Self {
        Self { name, ty: ty.clone(), initial }
    }

    /// Fails if the model's state cannot keep it for its owner.
    pub(crate) fn check(&self, owner: &str) -> Result<(), Mistake> {
        match self.ty.dtype {
            DType::F32 | DType::I32 => Ok(()),
            _ => Err(Mistake::new(format!("{owner}: the slot `{}` is {}", self.name, self.ty))
                .help("slots are f32 or i32")),
        }
    }
}

/// Where the training stands.
#[derive(Debug, Clone)]
pub struct Step {
    /// The learning rate, a scalar.
    pub learning_rate: Var,
    /// The number of the step as `f32`, 1 for the first.
    pub number: Var,
    /// The optimizer's own states, in the order of [`Optimizer::states`].
    pub states: Vec<Var>,
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
    /// The numbers, and which they may be.
    pub fn arguments(&self) -> [Argument; 4] {
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

/// Implements for an optimizer struct with the field `common` what all of them have: weight decay,
/// bounds on gradients, [`Object`]. A table says which numbers its arguments may be.
///
/// ```
/// use brolga_ir::{Type, Var};
/// use brolga_nn::optimizers::{Common, Optimizer, Slot, Update};
/// use serde::{Deserialize, Serialize};
///
/// /// `w ← w − η·sign g`.
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Signs {
///     learning_rate: f64,
///     #[serde(flatten)]
///     common: Common,
/// }
///
/// brolga_nn::optimizer!(Signs { learning_rate: AtLeast(0.0) });
///
/// impl Optimizer for Signs {
///     fn learning_rate(&self) -> f64 {
///         self.learning_rate
///     }
///
///     fn common(&self) -> &Common {
///         &self.common
///     }
///
///     fn slots(&self, _: &Type) -> Vec<Slot> {
///         vec![]
///     }
///
///     fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, _: &[Var]) -> Update {
///         Update { weight: weight - gradient.sign() * &scalars[0], slots: vec![] }
///     }
/// }
/// ```
#[macro_export]
macro_rules! optimizer {
    ($type:ident $arguments:tt) => {
        $crate::object!($type $arguments and common);

        impl $type {
            /// Each step multiplies the weights by `1 − learning_rate·weight_decay` before their
            /// update.
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
pub use optimizer;

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
    /// The optimizer's slots for it, in the order of [`Optimizer::slots`].
    pub slots: Vec<Var>,
}

/// The next values of all weights, of their slots and of the optimizer's states.
#[derive(Debug, Clone)]
pub struct Updates {
    /// An update for each weight.
    pub weights: Vec<Update>,
    /// The states, in the order of [`Optimizer::states`].
    pub states: Vec<Var>,
}

/// The next values of everything that a step changes: clipping, weight decay, the optimizer's
/// update.
///
/// `iterations: i32[]` counts the steps done, `states` are those of [`Optimizer::states`]. Slots
/// and states of floats pass through [`Flush`](brolga_ir::ops::Flush): what decays must not become
/// subnormal. Values of another number or type than declared are mistakes.
pub fn apply(
    optimizer: &dyn Optimizer,
    learning_rate: &Var,
    iterations: &Var,
    states: &[Var],
    trained: &[Trained],
) -> Updates {
    let common = optimizer.common();
    let number = iterations.cast(DType::F32) + 1.0;
    let step = Step { learning_rate: learning_rate.clone(), number, states: states.to_vec() };
    let scalars = optimizer.scalars(&step);
    let states = kept(states, optimizer.next_states(&step, &scalars), learning_rate.tracer());
    let gradients: Vec<Var> = trained.iter().map(|t| t.gradient.clone()).collect();
    let gradients = clip::clip(common, &gradients);
    let decay = common.weight_decay.map(|decay| 1.0 - learning_rate * decay);
    let update = |(Trained { origin, weight, slots, .. }, gradient): (&Trained, &Var)| {
        let _scope = weight.tracer().origin_scope(origin.clone());
        let weight = decay.as_ref().map_or_else(|| weight.clone(), |decay| weight * decay);
        let next = optimizer.update(&scalars, &weight, gradient, slots);
        Update { slots: kept(slots, next.slots, weight.tracer()), ..next }
    };
    Updates { weights: trained.iter().zip(&gradients).map(update).collect(), states }
}

/// The next values of slots or states, without subnormal numbers.
fn kept(slots: &[Var], next: Vec<Var>, tracer: &Tracer) -> Vec<Var> {
    let types =
        |vars: &[Var]| vars.iter().map(|var| var.ty().to_string()).collect::<Vec<_>>().join(", ");
    if !slots.iter().map(Var::ty).eq(next.iter().map(Var::ty)) {
        let message = format!(
            "the optimizer keeps ({}), the next values are ({})",
            types(slots),
            types(&next)
        );
        tracer.fail(Mistake::new(message));
    }
    next.iter()
        .map(|next| if next.dtype().is_float() { next.flush() } else { next.clone() })
        .collect()
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
