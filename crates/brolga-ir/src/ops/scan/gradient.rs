//! The gradient of a scan.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Scan;
use super::segments::segments;
use super::total::Total;
use crate::error::Mistake;
use crate::graph::{Graph, Output, Value};
use crate::op::{Backward, Operation, Vjp};
use crate::ops::Call;
use crate::origin::{Origin, Role};
use crate::trace::{Tracer, Var};
use crate::types::{DType, Type};

/// The gradient rule of a scan.
pub(super) fn vjp(scan: &Scan, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
    if let Some(every) = scan.checkpoint.filter(|&every| 1 < every && every < scan.length) {
        let function = Arc::new(segments(scan, every, node.operands)?);
        return Call { function }.vjp(node);
    }
    let (backward, given) = differentiated(scan, node)?;
    if backward.gradients.iter().all(Option::is_none) {
        return Ok(vec![None; node.operands.len()]);
    }
    Backwards::new(scan, node, &backward, &given).run()
}

/// The backward function of the body, and which results of the body have a cotangent: those of the
/// node, and the carries through which gradients reach an earlier step.
fn differentiated(scan: &Scan, node: &Vjp<'_>) -> Result<(Backward, Vec<bool>), Mistake> {
    let wanted = reached(scan, node.wanted);
    let results = node.results.iter().zip(node.cotangents);
    let mut given: Vec<bool> =
        results.map(|(y, cotangent)| y.dtype().is_float() && cotangent.is_some()).collect();
    loop {
        let backward = node.bodies.backward(&scan.body, &given, &wanted)?;
        let mut more = false;
        for (given, gradient) in given.iter_mut().zip(&backward.gradients[..scan.carries]) {
            more |= gradient.is_some() && !*given;
            *given |= gradient.is_some();
        }
        if !more {
            return Ok((backward, given));
        }
    }
}

/// The inputs of the body that depend on a wanted operand: the wanted ones, and the carries that do
/// in a later step.
fn reached(scan: &Scan, wanted: &[bool]) -> Vec<bool> {
    let body = &scan.body;
    let mut reached = wanted.to_vec();
    loop {
        let from = body.inputs().iter().zip(&reached).filter(|(_, reached)| **reached);
        let dependent = body.dependents(from.map(|(&input, _)| input));
        let mut more = false;
        for (reached, next) in reached.iter_mut().zip(&body.outputs()[..scan.carries]) {
            let is = dependent.contains(&next.value.node);
            more |= is && !*reached;
            *reached |= is;
        }
        if !more {
            return reached;
        }
    }
}

/// The backward scan under construction.
struct Backwards<'a> {
    scan: &'a Scan,
    node: &'a Vjp<'a>,
    tracer: &'a Tracer,
    /// The backward function of the body, without what is not asked for.
    function: Graph,
    /// For each carry its gradient in the function, if it has a cotangent.
    carries: Vec<Option<Option<Value>>>,
    /// For each sequence the gradient that is stacked.
    sequences: Vec<Option<Value>>,
    /// For each shared value the sum of what all steps add.
    shared: Vec<Option<Total>>,
    /// What each input of the function is.
    inputs: Vec<Input>,
}

/// An input of the backward function of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// The carry before the step.
    Carry(usize),
    /// The slice of a sequence.
    Slice(usize),
    /// A shared value, by its operand.
    Shared(usize),
    /// The cotangent of a carry after the step.
    CarryCotangent(usize),
    /// The cotangent of a stacked value.
    StackCotangent(usize),
}

impl<'a> Backwards<'a> {
    fn new(scan: &'a Scan, node: &'a Vjp<'a>, backward: &Backward, given: &[bool]) -> Self {
        let (carries, own) = (scan.carries, scan.own());
        let mut function = (*backward.function).clone();
        let gradient = |index: usize| -> Option<Value> {
            Some(function.outputs()[backward.gradients[index]?].value)
        };
        let wanted = |index: usize| if node.wants(index) { gradient(index) } else { None };
        let of_carries = (0..carries).map(|index| given[index].then(|| gradient(index))).collect();
        let sequences: Vec<Option<Value>> = (carries..own).map(wanted).collect();
        let inputs = inputs(scan, node.operands.len(), given);
        let is_shared = |value: Value| {
            let place = function.inputs().iter().position(|&id| Value::from(id) == value);
            place.is_some_and(|place| matches!(inputs[place], Input::Shared(_)))
        };
        let total = |index: usize| Some(Total::of(&function, wanted(index)?, &is_shared));
        let shared: Vec<Option<Total>> = (own..node.operands.len()).map(total).collect();
        let of_carries: Vec<Option<Option<Value>>> = of_carries;
        let needed = (of_carries.iter().copied().flatten().flatten())
            .chain(sequences.iter().copied().flatten())
            .chain(shared.iter().flatten().flat_map(Total::values));
        let outputs: Vec<Output> = needed.map(|value| Output { value, replaces: None }).collect();
        function.set_outputs(outputs);
        function.remove_dead();
        let tracer = node.results[0].tracer();
        Self { scan, node, tracer, function, carries: of_carries, sequences, shared, inputs }
    }

    /// The inputs of the function that it reads or returns.
    fn used(&self, wanted: impl Fn(Input) -> bool) -> Vec<(Value, Input)> {
        let inputs = self.function.inputs().iter().zip(&self.inputs);
        let used = |value: Value| {
            self.function.users(value.node).next().is_some() || self.function.is_output(value)
        };
        (inputs.map(|(&id, &input)| (Value::from(id), input)))
            .filter(|&(value, input)| used(value) && wanted(input))
            .collect()
    }

    fn run(self) -> Result<Vec<Option<Var>>, Mistake> {
        let (scan, node) = (self.scan, self.node);
        let kept = self.kept_carries()?;
        let is_sequence = |input| !matches!(input, Input::Shared(_) | Input::CarryCotangent(_));
        let sequences = self.used(is_sequence);
        let shared = self.used(|input| matches!(input, Input::Shared(_)));
        // The values of all steps that exist outside of the backward scan.
        let mut stacks: FxHashMap<Value, Var> = FxHashMap::default();
        for &(value, input) in &sequences {
            let outside = match input {
                Input::Carry(index) => Some(kept[&index].clone()),
                Input::Slice(index) => Some(node.operands[scan.carries + index].clone()),
                Input::StackCotangent(index) => node.cotangents[scan.carries + index].clone(),
                Input::Shared(_) | Input::CarryCotangent(_) => None,
            };
            stacks.extend(outside.map(|outside| (value, outside)));
        }

        let body = Tracer::new(self.function.name());
        let role = body.derived_scope(Origin { role: Role::Backward, ..Origin::default() });
        let mut values: FxHashMap<Value, Value> = FxHashMap::default();
        let mut operands: Vec<Var> = Vec::new();
        let mut names = 0..;
        let mut input = |operand: &Var, ty: Type| {
            operands.push(operand.clone());
            body.input(&format!("v{}", names.next().unwrap_or_default()), ty)
        };
        let zeros = |ty: &Type| self.tracer.full(ty, 0.0);
        for (&id, kind) in self.function.inputs().iter().zip(&self.inputs) {
            if let Input::CarryCotangent(index) = *kind {
                let ty = node.operands[index].ty().clone();
                let first = node.cotangents[index].clone().unwrap_or_else(|| zeros(&ty));
                values.extend(input(&first, ty).value().map(|v| (Value::from(id), v)));
            }
        }
        let added: Vec<Value> =
            self.shared.iter().flatten().flat_map(Total::added_in_steps).collect();
        let mut sums = Vec::new();
        for &value in &added {
            let mut ty = self.function.ty(value).clone();
            ty.dtype = ty.dtype.accumulator();
            sums.push(input(&zeros(&ty), ty));
        }
        for &(value, _) in &sequences {
            let ty = self.function.ty(value).clone();
            values.extend(input(&stacks[&value], ty).value().map(|v| (value, v)));
        }
        for &(value, kind) in &shared {
            let Input::Shared(index) = kind else { continue };
            let (operand, ty) = (&node.operands[index], self.function.ty(value).clone());
            values.extend(input(operand, ty).value().map(|v| (value, v)));
        }
        let copies = body.paste(&self.function, values)?;
        let copies = |value: Value| body.at(copies[&value]);

        // The next carries.
        let given = self.carries.iter().enumerate().filter_map(|(index, g)| Some((index, (*g)?)));
        let given: Vec<(usize, Option<Value>)> = given.collect();
        for &(index, gradient) in &given {
            let next = match gradient {
                Some(value) => copies(value),
                None => body.full(node.operands[index].ty(), 0.0),
            };
            body.output(&next);
        }
        for (sum, &value) in sums.iter().zip(&added) {
            let term = copies(value);
            let dtype = sum.dtype();
            body.output(&(sum + if term.dtype() == dtype { term } else { term.cast(dtype) }));
        }
        // What is stacked, each value once.
        let mut stacked: Vec<Value> = Vec::new();
        let gradients = self.sequences.iter().copied().flatten();
        let operands_behind = self.shared.iter().flatten().flat_map(Total::stacked);
        for value in gradients.clone().chain(operands_behind.filter(|v| !stacks.contains_key(v))) {
            if !stacked.contains(&value) {
                stacked.push(value);
                body.output(&copies(value));
            }
        }
        drop((copies, sums, role));
        let body = body.finish().map_err(|error| error.mistake)?;
        let (carries, count) = (given.len() + added.len(), sequences.len());
        let backward = Scan {
            length: scan.length,
            carries,
            sequences: count,
            reverse: !scan.reverse,
            checkpoint: scan.checkpoint,
            body: Arc::new(body),
        };
        let operands: Vec<&Var> = operands.iter().collect();
        let results = self.tracer.apply_all(backward, &operands);
        if results.len() < carries + stacked.len() {
            return Err(Mistake::new("the backward scan could not be made"));
        }
        let (carried, stacks_behind) = results.split_at(carries);
        for (&value, stack) in stacked.iter().zip(stacks_behind) {
            stacks.entry(value).or_insert_with(|| stack.clone());
        }
        let of_stack = |value: Value| {
            let place = stacked.iter().position(|&other| other == value)?;
            Some(stacks_behind[place].clone())
        };
        let mut totals = carried[given.len()..].iter();
        let mut gradients = vec![None; scan.carries];
        for (&(index, _), gradient) in given.iter().zip(carried) {
            gradients[index] = Some(gradient.clone());
        }
        gradients.extend(self.sequences.iter().map(|value| of_stack((*value)?)));
        gradients.extend(self.shared.iter().map(|total| {
            let total = total.as_ref()?;
            let mut sum_in_steps = |dtype: DType| {
                let sum = totals.next().expect("each addend in steps has its carry").clone();
                if sum.dtype() == dtype { sum } else { sum.cast(dtype) }
            };
            total.build(&self.function, &stacks, &mut sum_in_steps)
        }));
        Ok(gradients)
    }

    /// The carries before each step that the backward function reads, stacked by a scan that is
    /// otherwise the forward one, unless the forward one stacks them already.
    fn kept_carries(&self) -> Result<FxHashMap<usize, Var>, Mistake> {
        let (scan, node) = (self.scan, self.node);
        let (mut kept, mut missing) = (FxHashMap::default(), Vec::new());
        for (_, input) in self.used(|input| matches!(input, Input::Carry(_))) {
            let Input::Carry(index) = input else { continue };
            let carry = Value::from(scan.body.inputs()[index]);
            let stacks = &scan.body.outputs()[scan.carries..];
            match stacks.iter().position(|output| output.value == carry) {
                Some(stack) => drop(kept.insert(index, node.results[scan.carries + stack].clone())),
                None => missing.push(index),
            }
        }
        if missing.is_empty() {
            return Ok(kept);
        }
        let mut body = (*scan.body).clone();
        let results = body.outputs().len();
        for &index in &missing {
            body.add_output(body.inputs()[index].into());
        }
        let forward = Scan { body: Arc::new(body), ..scan.clone() };
        let stacks = self.tracer.apply_all(forward, &node.operands.iter().collect::<Vec<_>>());
        kept.extend(missing.into_iter().zip(stacks.into_iter().skip(results)));
        Ok(kept)
    }
}

/// The inputs of the backward function of a body, in order.
fn inputs(scan: &Scan, operands: usize, given: &[bool]) -> Vec<Input> {
    let (carries, own) = (scan.carries, scan.own());
    let of_operand = |index: usize| match index {
        _ if index < carries => Input::Carry(index),
        _ if index < own => Input::Slice(index - carries),
        _ => Input::Shared(index),
    };
    let of_result = |index: usize| match index.checked_sub(carries) {
        None => Input::CarryCotangent(index),
        Some(stack) => Input::StackCotangent(stack),
    };
    let cotangents = (0..given.len()).filter(|&index| given[index]).map(of_result);
    (0..operands).map(of_operand).chain(cotangents).collect()
}
