//! Where NaN and infinity come from: a step that went wrong is repeated and looked at node by node.

use std::collections::HashMap;
use std::fmt;

use brolga_ir::ops::ParameterKind;
use brolga_ir::{DType, Data, Graph, NodeId, Role, Tensor, Type, Value, interpret_with};
use brolga_runtime::State;

use super::batch::Samples;
use super::fit::Trainer;
use super::session::{Key, Kind, Session, trace};
use super::step::LEARNING_RATE;
use crate::error::NnError;

/// How many steps may have to be repeated to explain a loss that is not finite.
const SNAPSHOT_INTERVAL: usize = 128;

/// A number of a step that was not finite. The model's state is the one before the step.
#[derive(Debug, Clone, PartialEq)]
pub struct NonFinite {
    /// The epoch, from 1; `None` in an evaluation.
    pub epoch: Option<usize>,
    /// The step within the epoch or the evaluation, from 1.
    pub step: usize,
    /// What the step computed, such as `the loss is NaN`.
    pub what: String,
    /// What made it first.
    pub cause: Cause,
}

/// What made a number that is not finite.
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
        /// The layer's path.
        layer: Option<String>,
        /// The part of the step.
        role: Role,
        /// File and line.
        location: Option<String>,
        /// Type, least and greatest element of each operand.
        operands: Vec<(Type, f64, f64)>,
    },
    /// Repeating the steps gave finite numbers: a bug of Brolga.
    Unexplained,
}

impl fmt::Display for NonFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, step, what, cause } = self;
        match epoch {
            Some(epoch) => write!(f, "epoch {epoch}, step {step}: {what}")?,
            None => write!(f, "evaluation, step {step}: {what}")?,
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
            Cause::Node { op, ty, layer, role, location, operands } => {
                write!(f, "\n  first made by `{op}`: {ty}")?;
                if let Some(layer) = layer {
                    write!(f, " of layer `{layer}`")?;
                }
                write!(f, " ({})", role.name())?;
                if let Some(location) = location {
                    write!(f, ", at {location}")?;
                }
                for (ty, least, greatest) in operands {
                    write!(f, "\n    of {ty} from {least:.3e} to {greatest:.3e}")?;
                }
                let help = match epoch {
                    Some(_) => {
                        "lower the learning rate, or bound the gradients with clipnorm; \
                         the weights are those before this step"
                    }
                    None => {
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

/// What is kept to repeat the last steps of an epoch.
pub(super) struct Watch {
    epoch: usize,
    /// The state before step `first`.
    snapshot: State,
    first: usize,
    /// The learning rates of the steps since, which callbacks may have changed between them.
    rates: Vec<f32>,
}

impl Watch {
    /// How many copies of the state it keeps.
    pub(super) const COPIES: usize = 1;

    pub(super) fn new(epoch: usize, snapshot: State) -> Self {
        Self { epoch, snapshot, first: 0, rates: vec![] }
    }

    /// Notes that a step begins.
    pub(super) fn begins(&mut self, session: &Session) {
        self.rates.extend(session.learning_rate());
    }

    /// Whether it is time for a new copy of the state.
    pub(super) fn is_due(&self) -> bool {
        self.rates.len() >= SNAPSHOT_INTERVAL
    }

    /// Takes a new copy of the state, before step `first`.
    pub(super) fn renew(&mut self, first: usize, state: &State) -> Result<(), NnError> {
        self.snapshot.copy_from(state)?;
        self.first = first;
        self.rates.clear();
        Ok(())
    }

    /// Repeats the steps since the snapshot up to the first that gives a number that is not finite, and explains it.
    ///
    /// The model is left in the state before that step.
    pub(super) fn explain(
        self,
        trainer: &mut Trainer<'_>,
        order: &[usize],
        batch_size: usize,
        last: usize,
    ) -> NnError {
        match self.find(trainer, order, batch_size, last) {
            Ok(found) => NnError::NonFinite(Box::new(found)),
            Err(error) => error,
        }
    }

    fn find(
        self,
        trainer: &mut Trainer<'_>,
        order: &[usize],
        batch_size: usize,
        last: usize,
    ) -> Result<NonFinite, NnError> {
        let mut before = self.snapshot;
        let steps = order.chunks(batch_size).enumerate().take(last + 1).skip(self.first);
        for ((step, batch), rate) in steps.zip(self.rates) {
            before.slice_mut::<f32>(LEARNING_RATE)?.fill(rate);
            trainer.session.restore(before.try_clone()?)?;
            let loss = trainer.step(batch)?.output::<f32>(0)?[0];
            let broken = non_finite(trainer.session.state_mut()?);
            let broken = broken.map(|name| format!("the next value of `{name}` is not finite"));
            let what = if loss.is_finite() { broken } else { Some(format!("the loss is {loss}")) };
            if let Some(what) = what {
                let weighted = trainer.samples.weighted();
                let key = Key { kind: Kind::Train, batch: batch.len(), weighted };
                let graph = trace(&trainer.plan, key)?;
                let cause = cause(&graph, &before, &trainer.samples, batch)?;
                trainer.session.restore(before)?;
                return Ok(NonFinite { epoch: Some(self.epoch + 1), step: step + 1, what, cause });
            }
            before = trainer.session.snapshot()?;
        }
        let (epoch, step) = (Some(self.epoch + 1), last + 1);
        Ok(NonFinite {
            epoch,
            step,
            what: "the loss is not finite".to_owned(),
            cause: Cause::Unexplained,
        })
    }
}

/// Explains a loss of an evaluation that is not finite.
pub(super) fn of_evaluation(
    graph: &Graph,
    state: &State,
    samples: &Samples<'_>,
    batch: &[usize],
    (step, loss): (usize, f32),
) -> NnError {
    match cause(graph, state, samples, batch) {
        Ok(cause) => {
            let what = format!("the loss is {loss}");
            NnError::NonFinite(Box::new(NonFinite { epoch: None, step: step + 1, what, cause }))
        }
        Err(error) => error,
    }
}

/// Evaluates the step on the interpreter and goes back from what is not finite to what made it.
fn cause(
    graph: &Graph,
    state: &State,
    samples: &Samples<'_>,
    batch: &[usize],
) -> Result<Cause, NnError> {
    let inputs: Vec<Tensor> = graph
        .inputs()
        .iter()
        .filter_map(|&id| graph.parameter(id))
        .map(|parameter| match parameter.kind {
            ParameterKind::State => Ok(state.get(&parameter.name)?),
            ParameterKind::Data => samples.tensor(&parameter.name, &parameter.ty, batch),
        })
        .collect::<Result<_, NnError>>()?;
    let mut ranges: HashMap<Value, Range> = HashMap::new();
    for (&id, tensor) in graph.inputs().iter().zip(&inputs) {
        ranges.insert(id.into(), Range::of(tensor));
    }
    let mut observe = |_: &Graph, node: NodeId, results: &[Tensor]| {
        for (result, port) in results.iter().zip(0..) {
            ranges.insert(Value { node, port }, Range::of(result));
        }
    };
    interpret_with(graph, &inputs, &mut observe).map_err(brolga_runtime::RuntimeError::from)?;
    let infinite = |value: &Value| ranges.get(value).is_some_and(|range| !range.finite);
    let mut found = graph.outputs().iter().map(|output| output.value).find(infinite);
    while let Some(value) = found {
        let operands = graph.operands(value.node);
        match operands.iter().copied().find(infinite) {
            Some(operand) => found = Some(operand),
            None => return Ok(describe(graph, value, &ranges, samples, batch)),
        }
    }
    Ok(Cause::Unexplained)
}

fn describe(
    graph: &Graph,
    value: Value,
    ranges: &HashMap<Value, Range>,
    samples: &Samples<'_>,
    batch: &[usize],
) -> Cause {
    if let Some(parameter) = graph.parameter(value.node) {
        let name = parameter.name.clone();
        let in_data = samples.find_non_finite(&name, batch);
        return match (parameter.kind, in_data) {
            (ParameterKind::Data, Some((sample, element, value))) => {
                Cause::Data { input: name, sample, element, value }
            }
            _ => {
                let of_optimizer = graph.node(value.node).origin.role == Role::Update;
                Cause::State { name, of_optimizer }
            }
        };
    }
    let node = graph.node(value.node);
    let operands = graph.operands(value.node);
    let operand = |value: &Value| {
        let range = ranges.get(value)?;
        Some((graph.ty(*value).clone(), range.least, range.greatest))
    };
    Cause::Node {
        op: node.op.name(),
        ty: graph.ty(value).clone(),
        layer: node.origin.layer.as_deref().map(str::to_owned),
        role: node.origin.role,
        location: node.origin.location.as_ref().map(|at| format!("{}:{}", at.file, at.line)),
        operands: operands.iter().filter_map(operand).collect(),
    }
}

/// The range of a tensor's elements, and whether all are finite.
#[derive(Debug, Clone, Copy)]
struct Range {
    finite: bool,
    least: f64,
    greatest: f64,
}

impl Range {
    fn of(tensor: &Tensor) -> Self {
        let empty = Self { finite: true, least: f64::INFINITY, greatest: f64::NEG_INFINITY };
        let add = |range: Self, x: f64| Self {
            finite: range.finite && x.is_finite(),
            least: range.least.min(x),
            greatest: range.greatest.max(x),
        };
        match tensor.data() {
            Data::F32(values) => values.iter().map(|&x| f64::from(x)).fold(empty, add),
            Data::F64(values) => values.iter().copied().fold(empty, add),
            Data::Bool(values) => values.iter().map(|&x| f64::from(u8::from(x))).fold(empty, add),
            _ => tensor.to_i64().unwrap_or_default().iter().map(|&x| x as f64).fold(empty, add),
        }
    }
}

/// The first state with a number that is not finite.
pub(super) fn non_finite(state: &State) -> Option<&str> {
    let broken = |(name, ty): &(&str, &Type)| {
        ty.dtype == DType::F32
            && state.slice::<f32>(name).is_ok_and(|values| values.iter().any(|x| !x.is_finite()))
    };
    state.layout().iter().find(broken).map(|(name, _)| name)
}
