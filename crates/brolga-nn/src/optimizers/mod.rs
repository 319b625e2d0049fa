//! Optimizers, one file each, with Keras's formulas.
//!
//! A new optimizer is a new file and one line in the list below.

mod accumulation;
mod apply;
mod average;
mod clip;
mod learning_rate;
mod moments;
mod rows;
pub mod schedules;

use std::sync::Arc;

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use crate::arguments::{Argument, Range};
use crate::error::NnError;
use crate::registry::{Choice, Object, classes};

classes! {
    "optimizer" Optimizer(str::to_lowercase) of "keras.optimizers" {
        adadelta: Adadelta,
        adafactor: Adafactor,
        adagrad: Adagrad,
        adam: Adam,
        adamax: Adamax,
        adamw: AdamW,
        ftrl: Ftrl,
        lamb: Lamb,
        lion: Lion,
        muon: Muon,
        nadam: Nadam,
        rmsprop: RMSprop,
        sgd: SGD,
    }
}

pub use apply::{Trained, Updates, apply, slots};
pub use learning_rate::LearningRate;
pub use rows::{ByRows, by_rows};

pub(crate) use average::AVERAGE;

/// How weights follow their gradients.
///
/// Keras: `keras.optimizers.Optimizer`.
pub trait Optimizer: Object {
    /// How far a step goes. The model's state holds it, where callbacks can change it unless it
    /// follows a schedule.
    fn learning_rate(&self) -> &LearningRate;

    /// The arguments that all optimizers have.
    fn common(&self) -> &Common;

    /// The tensors that are kept between steps for a weight of this type.
    fn slots(&self, weight: &Type) -> Vec<Slot>;

    /// As [`Optimizer::slots`], for a weight of this path, such as `dense/kernel`.
    fn slots_at(&self, path: &str, weight: &Type) -> Vec<Slot> {
        let _ = path;
        self.slots(weight)
    }

    /// The weight decay of a weight with these slots, unless it is excluded; the one of
    /// [`Optimizer::common`] by default.
    fn weight_decay(&self, slots: &[Var]) -> Option<f64> {
        let _ = slots;
        self.common().weight_decay
    }

    /// What becomes of rows of a table whose gradient is 0; by default they change, so that tables
    /// are updated as a whole.
    fn by_rows(&self) -> ByRows {
        ByRows::Never("the optimizer changes rows whose gradient is 0")
    }

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

impl Step {
    /// A number to the power of the number of the step.
    pub fn power(&self, base: f64) -> Var {
        self.number.constant_like(base).pow(&self.number)
    }
}

/// The arguments that all optimizers have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Common {
    /// Each step multiplies the weights by `1 − learning_rate·weight_decay` before their update.
    pub weight_decay: Option<f64>,
    /// Which weights do not decay: names such as `bias`, and paths such as `dense/kernel`. As in
    /// Keras it is not part of configs.
    #[serde(skip)]
    pub exclude_from_weight_decay: Vec<String>,
    /// The largest norm of the gradient of one weight; longer ones are scaled down.
    pub clipnorm: Option<f64>,
    /// The largest norm of all gradients together; longer ones are scaled down.
    pub global_clipnorm: Option<f64>,
    /// The largest magnitude of an element of a gradient.
    pub clipvalue: Option<f64>,
    /// Whether moving averages of the weights are kept, which the weights become after a training.
    pub use_ema: bool,
    /// The share of the old average in the next one; 0.99 by default.
    pub ema_momentum: f64,
    /// After so many updates each time the weights become their averages; `None`: after a training
    /// alone.
    pub ema_overwrite_frequency: Option<usize>,
    /// The factor of the loss before its gradients are computed, which are divided by it then.
    pub loss_scale_factor: Option<f64>,
    /// The number of steps of whose mean gradient an update is made; `None`: one.
    pub gradient_accumulation_steps: Option<usize>,
}

/// No weight decay, no bounds, no averages, one update a step.
impl Default for Common {
    fn default() -> Self {
        Self {
            weight_decay: None,
            exclude_from_weight_decay: vec![],
            clipnorm: None,
            global_clipnorm: None,
            clipvalue: None,
            use_ema: false,
            ema_momentum: 0.99,
            ema_overwrite_frequency: None,
            loss_scale_factor: None,
            gradient_accumulation_steps: None,
        }
    }
}

impl Common {
    /// Whether the weight of this path, such as `dense/kernel`, does not decay.
    pub(crate) fn excludes(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let excluded = |e: &String| if e.contains('/') { e == path } else { name.contains(&**e) };
        self.exclude_from_weight_decay.iter().any(excluded)
    }

    /// The numbers, and which they may be.
    pub fn arguments(&self) -> Vec<Argument> {
        let steps = &self.gradient_accumulation_steps;
        vec![
            Argument::new("weight_decay", &self.weight_decay, Range::AtLeast(0.0)),
            Argument::new("clipnorm", &self.clipnorm, Range::Positive),
            Argument::new("global_clipnorm", &self.global_clipnorm, Range::Positive),
            Argument::new("clipvalue", &self.clipvalue, Range::Positive),
            Argument::new("ema_momentum", &self.ema_momentum, Range::Share),
            Argument::new("ema_overwrite_frequency", &self.ema_overwrite_frequency, Range::Count),
            Argument::new("loss_scale_factor", &self.loss_scale_factor, Range::Positive),
            Argument::new("gradient_accumulation_steps", steps, Range::AtLeast(2.0)),
        ]
    }
}

/// Fails if an argument of an optimizer's schedule is wrong, or its bounds on gradients contradict
/// each other.
pub(crate) fn check(optimizer: &dyn Optimizer) -> Result<(), NnError> {
    optimizer.learning_rate().first()?;
    Ok(check_bounds(optimizer)?)
}

/// Fails if an optimizer's bounds on gradients contradict each other.
fn check_bounds(optimizer: &dyn Optimizer) -> Result<(), Mistake> {
    let Common { clipnorm, global_clipnorm, clipvalue, .. } = optimizer.common();
    let bounds =
        [("clipnorm", clipnorm), ("global_clipnorm", global_clipnorm), ("clipvalue", clipvalue)];
    let mut set = bounds.iter().filter(|(_, bound)| bound.is_some()).map(|(name, _)| name);
    let (Some(first), Some(second)) = (set.next(), set.next()) else { return Ok(()) };
    let class = optimizer.class_name();
    Err(Mistake::new(format!("{class}: `{first}` and `{second}` are both set"))
        .help("gradients are bounded in one way"))
}

/// Implements for an optimizer struct with the field `common` what all of them have: the methods of
/// [`Common`], [`Object`]. A table says which numbers its arguments may be.
///
/// ```
/// use brolga_ir::{Type, Var};
/// use brolga_nn::optimizers::{Common, LearningRate, Optimizer, Slot, Update};
/// use serde::{Deserialize, Serialize};
///
/// /// `w ← w − η·sign g`.
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Signs {
///     learning_rate: LearningRate,
///     #[serde(flatten)]
///     common: Common,
/// }
///
/// brolga_nn::optimizer!(Signs { learning_rate: AtLeast(0.0) });
///
/// impl Optimizer for Signs {
///     fn learning_rate(&self) -> &LearningRate {
///         &self.learning_rate
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

            /// Which weights do not decay: those whose name contains one of these words, such as
            /// `bias`, or whose path is one of them, such as `dense/kernel`.
            #[must_use]
            pub fn exclude_from_weight_decay<N: Into<String>>(
                mut self,
                weights: impl IntoIterator<Item = N>,
            ) -> Self {
                self.common.exclude_from_weight_decay =
                    weights.into_iter().map(Into::into).collect();
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

            /// Whether moving averages of the weights are kept, which the weights become after a
            /// training; false by default.
            #[must_use]
            pub fn use_ema(mut self, use_ema: bool) -> Self {
                self.common.use_ema = use_ema;
                self
            }

            /// The share of the old average in the next one; 0.99 by default.
            #[must_use]
            pub fn ema_momentum(mut self, momentum: f64) -> Self {
                self.common.ema_momentum = momentum;
                self
            }

            /// After so many updates each time the weights become their averages.
            #[must_use]
            pub fn ema_overwrite_frequency(mut self, updates: usize) -> Self {
                self.common.ema_overwrite_frequency = Some(updates);
                self
            }

            /// The factor of the loss before its gradients are computed, which are divided by it
            /// then.
            #[must_use]
            pub fn loss_scale_factor(mut self, factor: f64) -> Self {
                self.common.loss_scale_factor = Some(factor);
                self
            }

            /// The number of steps of whose mean gradient an update is made.
            #[must_use]
            pub fn gradient_accumulation_steps(mut self, steps: usize) -> Self {
                self.common.gradient_accumulation_steps = Some(steps);
                self
            }
        }
    };
}
pub use optimizer;

/// The norm of all elements.
pub(crate) fn norm(x: &Var) -> Var {
    (x * x).reduce_sum(&(0..x.shape().rank()).collect::<Vec<_>>(), false).sqrt()
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
