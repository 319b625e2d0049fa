//! Numbers of a training that are NaN or infinite, and their causes.

use std::fmt;

use brolga_ir::{Location, Origin, Type};

use crate::states::LEARNING_RATE;

/// A number of a step that was not finite. The model's state is the one before the step.
#[derive(Debug, Clone, PartialEq)]
pub struct NonFinite {
    /// In what the step was one.
    pub during: During,
    /// The step within it, from 1.
    pub step: usize,
    /// The number, such as `the loss is NaN`.
    pub what: String,
    /// Its first cause.
    pub cause: Cause,
}

/// What a step is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum During {
    /// An epoch of a training, from 1.
    Epoch(usize),
    /// A step of training by itself.
    Batch,
    /// An evaluation.
    Evaluation,
}

/// The cause of a number that is not finite.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// It was in the data.
    Data {
        /// The program's input: `x`, `y` or `sample_weight`.
        input: String,
        /// The sample in the user's array.
        sample: usize,
        /// The element within the sample.
        element: usize,
        /// The number.
        value: f64,
    },
    /// It was in a weight or another state before the step.
    State {
        /// The state.
        name: String,
        /// Whether the optimizer keeps it, and not a layer.
        of_optimizer: bool,
    },
    /// A node made it of finite operands.
    Node {
        /// The op.
        op: &'static str,
        /// The type of its result.
        ty: Type,
        /// Its layer, the part of the step, file and line.
        origin: Origin,
        /// The steps of the loops that it is in, the outermost first: the first ones that gave
        /// such a number.
        steps: Vec<LoopStep>,
        /// Type, least and greatest element of each operand.
        operands: Vec<(Type, f64, f64)>,
    },
    /// Repeating the steps gave finite numbers: a bug of Brolga.
    Unexplained,
}

/// A step of a loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopStep {
    /// The name of the loop's body, such as `lstm_cell`.
    pub body: String,
    /// The index of the step: that of its slices in sequences, whichever step is the first.
    pub index: usize,
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { during, step, what, cause } = self;
        match during {
            During::Epoch(epoch) => write!(f, "epoch {epoch}, step {step}: {what}")?,
            During::Batch => write!(f, "train_on_batch: {what}")?,
            During::Evaluation => write!(f, "evaluation, step {step}: {what}")?,
        }
        match cause {
            Cause::Data { input, sample, element, value } => write!(
                f,
                "\n  `{input}` has {value} in sample {sample}, at element {element} of the sample\n  \
                 help: every number of the data must be finite"
            ),
            Cause::State { name, of_optimizer } => {
                let help = match of_optimizer {
                    _ if name == LEARNING_RATE => {
                        "the learning rate must be a number that f32 can hold; look at the optimizer's, \
                         and at callbacks that set it"
                    }
                    true => "compile the model again: the optimizer starts anew, the weights stay",
                    false => "set or load other weights",
                };
                let before = "was not finite before the step";
                write!(f, "\n  the state `{name}` {before}\n  help: {help}")
            }
            Cause::Node { op, ty, origin, steps, operands } => {
                let (layer, role) = (origin.of_layer(), origin.role.name());
                write!(f, "\n  first made by `{op}`: {ty}{layer} ({role})")?;
                if let Some(Location { file, line }) = &origin.location {
                    write!(f, ", at {file}:{line}")?;
                }
                for LoopStep { body, index } in steps {
                    write!(f, "\n    in step {index} of `{body}`, counted from 0")?;
                }
                for (ty, least, greatest) in operands {
                    write!(f, "\n    of {ty} from {least:.3e} to {greatest:.3e}")?;
                }
                let help = match during {
                    During::Epoch(_) | During::Batch => {
                        "lower the learning rate, or bound the gradients with clipnorm; \
                         the weights are those before this step"
                    }
                    During::Evaluation => {
                        "weights or data are too large: train with a lower learning rate, or bound the \
                         gradients with clipnorm"
                    }
                };
                write!(f, "\n  help: {help}")
            }
            Cause::Unexplained => {
                write!(
                    f,
                    "\n  but it is when the step is repeated: please report this bug of Brolga"
                )
            }
        }
    }
}

impl std::error::Error for NonFinite {}
