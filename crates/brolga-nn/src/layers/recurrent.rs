//! Layers that run a cell over the steps of a sequence.

use std::sync::Arc;

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Layer, WeightSpec, shapes};
use crate::cells::{Beginning, Cell, CellStep, Named, zero_states};
use crate::error::NnError;
use crate::keywords::Keyword;
use crate::masks::truth;
use crate::registry::{Choice, snake_case};
use crate::trace::Call;

/// The arguments of a call of a recurrent layer.
pub(super) const KEYWORDS: [&str; 1] = ["initial_state"];

/// The arguments that all recurrent layers have.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Steps {
    pub(super) return_sequences: bool,
    pub(super) return_state: bool,
    pub(super) go_backwards: bool,
    pub(super) stateful: bool,
    pub(super) unroll: bool,
    pub(super) zero_output_for_mask: bool,
}

/// The methods of a recurrent layer, whose field `steps` is [`Steps`], that set its arguments.
macro_rules! steps_setters {
    () => {
        super::recurrent::steps_setters! {
            /// Whether the output is that of each step, `[batch, time, units]`, and not that of the
            /// last one alone; false by default.
            return_sequences,
            /// Whether the last states are outputs too; false by default.
            return_state,
            /// Whether the last step is the first, also in the output; false by default.
            go_backwards,
            /// Whether each sample goes on with the states of the sample at its place in the batch
            /// before, in training as in inference, until
            /// [`reset_states`](crate::model::Model::reset_states); false by default. The
            /// [input](crate::layers::Input::batch_size) has to declare the size of batches, and
            /// training must not shuffle.
            stateful,
            /// Whether the steps are written one after the other instead of in a loop; false by
            /// default. The results have the same bits.
            unroll,
            /// Whether the output of a masked step is 0, and not that of the step before; false by
            /// default.
            zero_output_for_mask,
        }
    };
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $name: bool) -> Self {
                self.steps.$name = $name;
                self
            }
        )*
    };
}
pub(super) use steps_setters;

/// What a recurrent layer runs.
#[derive(Debug, Clone)]
pub struct Recurrence<'a> {
    pub(super) class: &'static str,
    pub(super) cell: Arc<dyn Cell>,
    pub(super) steps: &'a Steps,
}

/// The results of a run: batch first, time after it.
pub(super) struct Run {
    /// The output of the last step.
    last: Option<Var>,
    /// The outputs of all steps, in the order of the input.
    all: Option<Var>,
    states: Vec<Var>,
}

impl Run {
    /// The output: that of all steps, or of the last one.
    pub(super) fn output(&mut self) -> Option<Var> {
        self.all.take().or_else(|| self.last.take())
    }

    /// The last states.
    pub(super) fn states(self) -> Vec<Var> {
        self.states
    }
}

impl<'a> Recurrence<'a> {
    /// The recurrence of a layer with this cell.
    ///
    /// # Errors
    /// If there is no cell of this name, or an argument is out of its range.
    pub(super) fn of(
        class: &'static str,
        cell: &Choice<dyn Cell>,
        steps: &'a Steps,
    ) -> Result<Self, NnError> {
        Ok(Self { class, cell: cell.resolve()?, steps })
    }

    /// The weights, whose names begin with that of the cell.
    pub(super) fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let Some(x) = inputs.first().filter(|x| x.shape.rank() >= 3) else {
            let (class, given) = (self.class, shapes(inputs));
            return Err(Mistake::new(format!(
                "{class} takes (None, steps, features), given {given}"
            ))
            .help("an axis of steps follows the batch"));
        };
        let (prefix, step) = (self.prefix(), step_type(x));
        let mut weights = Vec::new();
        if self.steps.stateful {
            let shapes = self.cell.state_shapes(&step)?.into_iter().enumerate();
            weights.extend(shapes.map(|(index, shape)| {
                WeightSpec::carried(&state_name(index), [&[x.shape[0]], &shape[..]].concat())
            }));
        }
        weights.extend(self.cell.build(&step)?.into_iter().map(|mut spec| {
            spec.name = format!("{prefix}/{}", spec.name);
            spec
        }));
        Ok(weights)
    }

    fn prefix(&self) -> String {
        snake_case(self.cell.class_name())
    }

    /// The cells that run one after the other.
    fn cells(&self) -> Vec<Named> {
        let mut cells = Vec::new();
        let mut stack: Vec<Named> = vec![(self.prefix(), Arc::clone(&self.cell))];
        while let Some((name, cell)) = stack.pop() {
            match cell.parts() {
                Some(parts) => {
                    let named = |(part, cell): Named| (format!("{name}/{part}"), cell);
                    stack.extend(parts.into_iter().rev().map(named));
                }
                None => cells.push((name, cell)),
            }
        }
        cells
    }

    /// The outputs of the layer.
    pub(super) fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let run = self.run(call, inputs);
        let backwards = |x: Var| if self.steps.go_backwards { x.reverse(&[1]) } else { x };
        let output = match run.all {
            Some(all) => backwards(all),
            None => run.last.unwrap_or_else(|| call.tracer().fail(no_step(self.class))),
        };
        let mask = inputs.first().and_then(|x| call.mask_if_any(x));
        call.set_mask(&output, mask.as_ref().filter(|_| self.steps.return_sequences));
        let states = run.states.into_iter().filter(|_| self.steps.return_state);
        let outputs: Vec<Var> = std::iter::once(output).chain(states).collect();
        outputs[1..].iter().for_each(|state| call.set_mask(state, None));
        outputs
    }

    /// The first states: those that the call is given, as inputs or by `initial_state`, or those of
    /// the batch before, or zeros.
    fn first_states(
        &self,
        call: &mut Call<'_>,
        inputs: &[Var],
        sizes: &[Vec<usize>],
    ) -> (Vec<Var>, bool) {
        let batch = inputs[0].shape()[0];
        let given: Vec<Var> = match call.keywords().get("initial_state") {
            Some(keyword) => keyword.tensors().cloned().collect(),
            None => inputs[1..].to_vec(),
        };
        if let Some(Keyword::Value(value)) = call.keywords().get("initial_state")
            && !value.is_null()
        {
            let message = format!("`initial_state` of {} is no tensor", self.class);
            call.tracer().fail(Mistake::new(message));
        }
        if self.steps.stateful {
            let kept: Vec<Var> =
                (0..sizes.len()).map(|index| call.weight(&state_name(index))).collect();
            if let Some(expected) = kept.first().map(|state| state.shape()[0])
                && expected != batch
            {
                call.tracer().fail(another_batch(self.class, expected, batch));
                return (zero_states(&inputs[0], batch, sizes), true);
            }
            if given.is_empty() {
                return (kept, false);
            }
        }
        if given.is_empty() {
            return (zero_states(&inputs[0], batch, sizes), true);
        }
        let ty = |shape: &Vec<usize>| Type::new(inputs[0].dtype(), [&[batch], &shape[..]].concat());
        let expected: Vec<Type> = sizes.iter().map(ty).collect();
        let types: Vec<Type> = given.iter().map(|state| state.ty().clone()).collect();
        if types == expected {
            return (given, false);
        }
        let message = format!(
            "{} has first states {}, given {}",
            self.class,
            shapes(&expected),
            shapes(&types)
        );
        call.tracer().fail(Mistake::new(message).help("one for each state of the cell"));
        (zero_states(&inputs[0], batch, sizes), true)
    }

    /// Runs all cells over the steps of the first input.
    pub(super) fn run(&self, call: &mut Call<'_>, inputs: &[Var]) -> Run {
        let x = &inputs[0];
        let mask = call.mask(x);
        let step = step_type(x.ty());
        let shapes = self.cell.state_shapes(&step).unwrap_or_else(|mistake| {
            call.tracer().fail(mistake);
            vec![]
        });
        let (mut states, are_zeros) = self.first_states(call, inputs, &shapes);
        let mut sequence = time_first(x);
        let mask = mask.map(|mask| {
            let mask = time_first(&truth(&mask));
            let ones = shapes.first().map_or(1, Vec::len);
            let shape = mask.shape().iter().copied().chain(std::iter::repeat_n(1, ones));
            mask.reshape(shape.collect::<Vec<usize>>())
        });
        let cells = self.cells();
        let (count, mut last, mut after) = (cells.len(), None, Vec::new());
        for (place, (name, cell)) in cells.into_iter().enumerate() {
            let rest = states.split_off(cell.state_sizes().len().min(states.len()));
            let first = std::mem::replace(&mut states, rest);
            let all = place + 1 < count || self.steps.return_sequences;
            let ran = call.part(&name, |call| {
                let cell = OneCell { steps: self.steps, cell: &*cell, all, are_zeros };
                cell.run(call, &sequence, first, mask.as_ref())
            });
            after.extend(ran.states);
            last = ran.last;
            match ran.all {
                Some(all) => sequence = all,
                None => break,
            }
        }
        if self.steps.stateful {
            for (index, state) in after.iter().enumerate() {
                call.keep(&state_name(index), state);
            }
        }
        let all = self.steps.return_sequences.then(|| time_first(&sequence));
        Run { last, all, states: after }
    }
}

/// The run of one cell.
struct OneCell<'a> {
    steps: &'a Steps,
    cell: &'a dyn Cell,
    /// Whether the outputs of all steps are wanted, or that of the last one.
    all: bool,
    /// Whether the first states are zeros.
    are_zeros: bool,
}

impl OneCell<'_> {
    /// Runs over a sequence `[time, batch, ..]`; the outputs of all steps have that order too.
    fn run(&self, call: &mut Call<'_>, x: &Var, first: Vec<Var>, mask: Option<&Var>) -> Run {
        let Beginning { sequences, shared } = self.cell.begin(call, x);
        let count = first.len();
        // Masked steps repeat the output before them, at first zeros. Where that is always the
        // first state, it is no carry of its own.
        let zero = self.steps.zero_output_for_mask;
        let is_state = self.cell.returns_first_state() && (self.are_zeros || mask.is_none());
        let carries_output = match mask {
            Some(_) => !(is_state || zero && self.all),
            None => !(is_state || self.all),
        };
        let batch = x.shape().get(1).copied().unwrap_or(1);
        let mut carries = first;
        if carries_output || zero && mask.is_some() && !self.all {
            let shape = match carries.first() {
                Some(state) if self.cell.returns_first_state() => state.shape()[1..].to_vec(),
                _ => vec![self.cell.output_size()],
            };
            carries.extend(zero_states(x, batch, &[shape]));
        }
        let has_output = carries.len() > count;
        let names: Vec<String> = shared.iter().map(|(name, _)| name.clone()).collect();
        let masks = mask.into_iter().cloned();
        let slices: Vec<Var> = sequences.into_iter().chain(masks).collect();
        let step = |carried: &[Var], slices: &[Var], shared: &[Var]| {
            let find = |name: &str| {
                let place = names.iter().position(|other| other == name)?;
                Some(shared[place].clone())
            };
            let inputs = &slices[..slices.len() - usize::from(mask.is_some())];
            let states = &carried[..count];
            let (mut output, mut next) =
                self.cell.step(&CellStep { inputs, states, shared: &find });
            if let Some(mask) = slices.last().filter(|_| mask.is_some()) {
                next = next.iter().zip(states).map(|(new, old)| mask.select(new, old)).collect();
                output = match carried.get(count) {
                    _ if zero => mask.select(&output, &output.constant_like(0.0)),
                    Some(before) => mask.select(&output, before),
                    None => next[0].clone(),
                };
            }
            if has_output {
                next.push(output.clone());
            }
            let stacked = if self.all { vec![output] } else { vec![] };
            (next, stacked)
        };
        let shared: Vec<Var> = shared.into_iter().map(|(_, value)| value).collect();
        let (mut last, stacks) = match self.steps.unroll {
            true => unrolled(&carries, &slices, &shared, self.steps.go_backwards, step),
            false => {
                let [carries, slices, shared] =
                    [&carries, &slices, &shared].map(|values| values.iter().collect::<Vec<_>>());
                let tracer = call.tracer().clone();
                let name = snake_case(self.cell.class_name());
                let scan = tracer.scan(&name).carries(&carries).over(&slices, 0).shared(&shared);
                let scan = scan.reverse(self.steps.go_backwards);
                scan.run(|given| step(given.carries, given.slices, given.shared))
            }
        };
        let output = if has_output { last.pop() } else { last.first().cloned() };
        let last_output = if self.all { None } else { output };
        Run { last: last_output, all: stacks.into_iter().next(), states: last }
    }
}

/// The steps written one after the other.
fn unrolled(
    carries: &[Var],
    sequences: &[Var],
    shared: &[Var],
    backwards: bool,
    step: impl Fn(&[Var], &[Var], &[Var]) -> (Vec<Var>, Vec<Var>),
) -> (Vec<Var>, Vec<Var>) {
    let length = sequences.first().and_then(|x| x.shape().first().copied()).unwrap_or(0);
    let mut carried = carries.to_vec();
    let mut stacks: Vec<Vec<Var>> = Vec::new();
    for place in 0..length {
        let index = if backwards { length - 1 - place } else { place };
        let slice = |x: &Var| {
            let (mut starts, mut limits) = (vec![0; x.shape().rank()], x.shape().to_vec());
            (starts[0], limits[0]) = (index, index + 1);
            let strides = vec![1; starts.len()];
            x.slice(&starts, &limits, &strides).reshape(&x.shape()[1..])
        };
        let slices: Vec<Var> = sequences.iter().map(slice).collect();
        let (next, outputs) = step(&carried, &slices, shared);
        carried = next;
        stacks.resize(outputs.len(), Vec::new());
        for (stack, output) in stacks.iter_mut().zip(outputs) {
            let shape: Vec<usize> = [1].into_iter().chain(output.shape().iter().copied()).collect();
            stack.push(output.reshape(shape));
        }
    }
    let joined = stacks.into_iter().filter_map(|mut stack| {
        if backwards {
            stack.reverse();
        }
        let (first, others) = stack.split_first()?;
        Some(first.concat(&others.iter().collect::<Vec<_>>(), 0))
    });
    (carried, joined.collect())
}

/// The type of a step of a sequence.
fn step_type(x: &Type) -> Type {
    let [batch, _, step @ ..] = &x.shape[..] else { return x.clone() };
    Type::new(x.dtype, [&[*batch], step].concat())
}

/// The first two axes exchanged: time and batch.
fn time_first(x: &Var) -> Var {
    if x.shape().rank() < 2 {
        return x.clone();
    }
    let permutation: Vec<usize> = [1, 0].into_iter().chain(2..x.shape().rank()).collect();
    x.transpose(&permutation)
}

/// The name of a state that is kept between batches.
fn state_name(index: usize) -> String {
    format!("rnn_state_{index}")
}

fn another_batch(class: &str, expected: usize, given: usize) -> Mistake {
    let message = format!("{class} is stateful for batches of {expected} samples, given {given}");
    Mistake::new(message).help(format!(
        "its states belong to the places of a batch: let `batch_size` be {expected}, and the number \
         of samples a multiple of it"
    ))
}

fn no_step(class: &str) -> Mistake {
    Mistake::new(format!("{class} has no output"))
}

/// The recurrence of a layer that has to be recurrent, for a wrapper of this class.
pub(super) fn expect_recurrent<'l>(
    class: &str,
    layer: &'l Arc<dyn Layer>,
) -> Result<Recurrence<'l>, Mistake> {
    layer.recurrent().ok_or_else(|| {
        let message = format!("{class} takes a recurrent layer, given {}", layer.class_name());
        Mistake::new(message).help("such as LSTM, GRU, SimpleRNN or RNN with a cell")
    })
}

/// A recurrent layer of a cell: its struct, without the methods of its own.
macro_rules! recurrent_layer {
    ($(#[$doc:meta])* $class:ident of $cell:ident { $($(#[$own_doc:meta])* $own:ident: $form:ident $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub struct $class {
            #[serde(flatten)]
            base: Base,
            #[serde(flatten)]
            steps: Steps,
            #[serde(flatten)]
            cell: $cell,
        }

        layer!($class and cell);

        impl $class {
            /// A layer whose states have so many features.
            pub fn new(units: usize) -> Self {
                Self { base: Base::default(), steps: Steps::default(), cell: $cell::new(units) }
            }

            crate::cells::forward_cell_setters! { $($(#[$own_doc])* $own: $form $ty,)* }
            crate::cells::forward_cell_setters!(all);
            steps_setters!();
        }

        impl Layer for $class {
            fn base(&self) -> &Base {
                &self.base
            }

            fn supports_masking(&self) -> bool {
                true
            }

            fn keywords(&self) -> &'static [&'static str] {
                &KEYWORDS
            }

            fn recurrent(&self) -> Option<Recurrence<'_>> {
                let cell = std::sync::Arc::new(self.cell.clone());
                Some(Recurrence { class: stringify!($class), cell, steps: &self.steps })
            }

            fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
                self.recurrent().map_or(Ok(vec![]), |recurrence| recurrence.build(inputs))
            }

            fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
                self.recurrent().map_or_else(Vec::new, |recurrence| recurrence.call(call, inputs))
            }
        }
    };
}
pub(super) use recurrent_layer;
