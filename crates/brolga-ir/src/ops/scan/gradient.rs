//! The gradient of a scan.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Scan;
use super::segments::segments;
use super::total::Total;
use crate::error::Mistake;
use crate::graph::{Graph, NodeId, Output, Value};
use crate::op::{Backward, Op, Operation, Vjp};
use crate::ops::{Call, ParameterKind, Update, UpdateRows};
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
    Backwards::new(scan, node, &backward, &given)?.run()
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
    /// A value of the body, which is computed from a larger carry.
    Computed(Value),
    /// The slice of a sequence.
    Slice(usize),
    /// A shared value, by its operand.
    Shared(usize),
    /// The cotangent of a carry after the step.
    CarryCotangent(usize),
    /// The cotangent of a stacked value.
    StackCotangent(usize),
}

/// The body of the backward scan, its operands, and the stacks of values of the function.
#[derive(Default)]
struct Parts {
    operands: Vec<Var>,
    /// The values of the function that are inputs of the body.
    values: FxHashMap<Value, Value>,
    /// The carries that add up what steps add to gradients of shared values, and what they add.
    sums: Vec<(Var, Value)>,
    /// The values of all steps that exist outside of the backward scan.
    stacks: FxHashMap<Value, Var>,
    /// The values that the backward scan stacks, each once.
    stacked: Vec<Value>,
}

impl<'a> Backwards<'a> {
    fn new(
        scan: &'a Scan,
        node: &'a Vjp<'a>,
        backward: &Backward,
        given: &[bool],
    ) -> Result<Self, Mistake> {
        let (carries, own) = (scan.carries, scan.own());
        let mut function = (*backward.function).clone();
        let mut inputs = inputs(scan, node.operands.len(), given);
        // A carry that has a cotangent has a gradient that is carried on, wanted or not.
        let is_needed = |index: usize| match index < carries {
            true => given[index],
            false => node.wants(index),
        };
        let mut gradients: Vec<Option<Value>> = (0..node.operands.len())
            .map(|index| backward.gradients[index].filter(|_| is_needed(index)))
            .map(|place| place.map(|place| function.outputs()[place].value))
            .collect();
        for gradient in gradients[..carries].iter_mut().flatten() {
            *gradient = added_to_rows(&mut function, *gradient)?;
        }
        return_alone(&mut function, gradients.iter().copied().flatten());
        for (row, input) in keep_rows(scan, &mut function, &mut inputs)? {
            let same = gradients.iter_mut().flatten().filter(|gradient| **gradient == row);
            same.for_each(|gradient| *gradient = input);
        }
        let of_carries: Vec<Option<Option<Value>>> =
            (0..carries).map(|index| given[index].then_some(gradients[index])).collect();
        let sequences = gradients[carries..own].to_vec();
        let is_shared = |value: Value| {
            let place = function.inputs().iter().position(|&id| Value::from(id) == value);
            place.is_some_and(|place| matches!(inputs[place], Input::Shared(_)))
        };
        let total = |gradient: &Option<Value>| Some(Total::of(&function, (*gradient)?, &is_shared));
        let shared: Vec<Option<Total>> = gradients[own..].iter().map(total).collect();
        let needed = (of_carries.iter().copied().flatten().flatten())
            .chain(sequences.iter().copied().flatten())
            .chain(shared.iter().flatten().flat_map(Total::values));
        return_alone(&mut function, needed);
        let tracer = node.results[0].tracer();
        Ok(Self { scan, node, tracer, function, carries: of_carries, sequences, shared, inputs })
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
        let is_sequence = |input| !matches!(input, Input::Shared(_) | Input::CarryCotangent(_));
        let sequences = self.used(is_sequence);
        let mut parts = Parts { stacks: self.given_stacks(&sequences)?, ..Parts::default() };
        let body = Tracer::new(self.function.name());
        let role = body.derived_scope(Origin { role: Role::Backward, ..Origin::default() });
        self.write_inputs(&body, &mut parts, &sequences);
        self.write_step(&body, &mut parts)?;
        let carries = self.carry_gradients().count() + parts.sums.len();
        // A graph is finished without variables of it.
        parts.sums.clear();
        drop(role);
        let backward = Scan {
            length: self.scan.length,
            carries,
            sequences: sequences.len(),
            reverse: !self.scan.reverse,
            checkpoint: self.scan.checkpoint,
            body: Arc::new(body.finish().map_err(|error| error.mistake)?),
        };
        let operands: Vec<&Var> = parts.operands.iter().collect();
        let results = self.tracer.apply_all(backward, &operands);
        if results.len() < carries + parts.stacked.len() {
            return Err(Mistake::new("the backward scan could not be made"));
        }
        let (carried, stacks) = results.split_at(carries);
        Ok(self.gradients(carried, stacks, parts))
    }

    /// The carries that have a cotangent, and the gradient of each in the function.
    fn carry_gradients(&self) -> impl Iterator<Item = (usize, Option<Value>)> + '_ {
        self.carries.iter().enumerate().filter_map(|(index, gradient)| Some((index, (*gradient)?)))
    }

    /// The values of all steps that the function reads.
    fn given_stacks(&self, sequences: &[(Value, Input)]) -> Result<FxHashMap<Value, Var>, Mistake> {
        let (scan, node) = (self.scan, self.node);
        let kept = self.kept_values()?;
        let outside = |input: Input| match input {
            Input::Carry(index) => kept.get(&Value::from(scan.body.inputs()[index])).cloned(),
            Input::Computed(value) => kept.get(&value).cloned(),
            Input::Slice(index) => Some(node.operands[scan.carries + index].clone()),
            Input::StackCotangent(index) => node.cotangents[scan.carries + index].clone(),
            Input::Shared(_) | Input::CarryCotangent(_) => None,
        };
        let given = sequences.iter();
        Ok(given.filter_map(|&(value, input)| Some((value, outside(input)?))).collect())
    }

    /// The inputs of the backward body, in the order of the operands of a scan: cotangents of
    /// carries and sums, sequences, shared values.
    fn write_inputs(&self, body: &Tracer, parts: &mut Parts, sequences: &[(Value, Input)]) {
        let node = self.node;
        let mut names = 0..;
        let Parts { operands, values, sums, stacks, .. } = parts;
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
        for value in self.shared.iter().flatten().flat_map(Total::added_in_steps) {
            let mut ty = self.function.ty(value).clone();
            ty.dtype = ty.dtype.accumulator();
            sums.push((input(&zeros(&ty), ty), value));
        }
        for &(value, _) in sequences {
            let ty = self.function.ty(value).clone();
            values.extend(input(&stacks[&value], ty).value().map(|v| (value, v)));
        }
        for (value, kind) in self.used(|input| matches!(input, Input::Shared(_))) {
            let Input::Shared(index) = kind else { continue };
            let (operand, ty) = (&node.operands[index], self.function.ty(value).clone());
            values.extend(input(operand, ty).value().map(|v| (value, v)));
        }
    }

    /// The function, and what a step returns: the next cotangents of the carries, the next sums,
    /// and what is stacked.
    fn write_step(&self, body: &Tracer, parts: &mut Parts) -> Result<(), Mistake> {
        let copies = body.paste(&self.function, std::mem::take(&mut parts.values))?;
        let copies = |value: Value| body.at(copies[&value]);
        for (index, gradient) in self.carry_gradients() {
            let next = match gradient {
                Some(value) => copies(value),
                None => body.full(self.node.operands[index].ty(), 0.0),
            };
            body.output(&next);
        }
        for (sum, value) in &parts.sums {
            let term = copies(*value);
            let dtype = sum.dtype();
            body.output(&(sum + if term.dtype() == dtype { term } else { term.cast(dtype) }));
        }
        let behind = self.shared.iter().flatten().flat_map(Total::stacked);
        let behind = behind.filter(|value| !parts.stacks.contains_key(value));
        for value in self.sequences.iter().copied().flatten().chain(behind) {
            if !parts.stacked.contains(&value) {
                parts.stacked.push(value);
                body.output(&copies(value));
            }
        }
        Ok(())
    }

    /// The gradients by the operands, of the results of the backward scan.
    fn gradients(&self, carried: &[Var], behind: &[Var], parts: Parts) -> Vec<Option<Var>> {
        let Parts { mut stacks, stacked, .. } = parts;
        for (&value, stack) in stacked.iter().zip(behind) {
            stacks.entry(value).or_insert_with(|| stack.clone());
        }
        let of_stack = |value: Value| {
            let place = stacked.iter().position(|&other| other == value)?;
            Some(behind[place].clone())
        };
        let (of_carries, totals) = carried.split_at(self.carry_gradients().count());
        let mut gradients = vec![None; self.scan.carries];
        for ((index, _), gradient) in self.carry_gradients().zip(of_carries) {
            gradients[index] = Some(gradient.clone());
        }
        gradients.extend(self.sequences.iter().map(|value| of_stack((*value)?)));
        let mut totals = totals.iter();
        gradients.extend(self.shared.iter().map(|total| {
            let total = total.as_ref()?;
            let mut sum_in_steps = |dtype: DType| {
                let sum = totals.next().expect("each addend in steps has its carry").clone();
                if sum.dtype() == dtype { sum } else { sum.cast(dtype) }
            };
            total.build(&self.function, &stacks, &mut sum_in_steps)
        }));
        gradients
    }

    /// The values of the body that the backward function reads, of all steps: the carries before
    /// each, and what is computed from carries. A scan that is otherwise the forward one stacks
    /// them, unless the forward one does already.
    fn kept_values(&self) -> Result<FxHashMap<Value, Var>, Mistake> {
        let (scan, node) = (self.scan, self.node);
        let (mut kept, mut missing) = (FxHashMap::default(), Vec::new());
        for (_, input) in self.used(|input| matches!(input, Input::Carry(_) | Input::Computed(_))) {
            let value = match input {
                Input::Carry(index) => Value::from(scan.body.inputs()[index]),
                Input::Computed(value) => value,
                _ => continue,
            };
            let stacks = &scan.body.outputs()[scan.carries..];
            match stacks.iter().position(|output| output.value == value) {
                Some(stack) => drop(kept.insert(value, node.results[scan.carries + stack].clone())),
                None => missing.push(value),
            }
        }
        if missing.is_empty() {
            return Ok(kept);
        }
        let mut body = (*scan.body).clone();
        let results = body.outputs().len();
        missing.iter().for_each(|&value| body.add_output(value));
        let forward = Scan { body: Arc::new(body), ..scan.clone() };
        let stacks = self.tracer.apply_all(forward, &node.operands.iter().collect::<Vec<_>>());
        kept.extend(missing.into_iter().zip(stacks.into_iter().skip(results)));
        Ok(kept)
    }
}

/// The gradient of a carry, where it adds tables that are zeros but for some rows, with these rows
/// added in place: `d + scatter_add(i, u)` becomes `add_rows(d, i, u)`. The backward step then
/// takes time for the rows that the forward step has read, not for the whole table.
fn added_to_rows(function: &mut Graph, value: Value) -> Result<Value, Mistake> {
    let mut tables: Vec<(Value, Value)> = Vec::new();
    let mut rest = value;
    while let Op::Add(_) = function.node(rest.node).op {
        let operands = function.operands(rest.node);
        if operands.iter().any(|&operand| function.ty(operand) != function.ty(rest)) {
            break;
        }
        let is_table =
            |&operand: &Value| matches!(function.node(operand.node).op, Op::ScatterAdd(_));
        let Some(place) = operands.iter().rposition(is_table) else { break };
        let table = function.operands(operands[place].node);
        tables.push((table[0], table[1]));
        rest = operands[1 - place];
    }
    let origin = function.node(value.node).origin.clone();
    for (indices, updates) in tables.into_iter().rev() {
        let op = UpdateRows { update: Update::Add };
        rest = function.add(op, &[rest, indices, updates], origin.clone())?;
    }
    Ok(rest)
}

/// Lets a function return these values and compute nothing else.
fn return_alone(function: &mut Graph, values: impl Iterator<Item = Value>) {
    function.set_outputs(values.map(|value| Output { value, replaces: None }).collect());
    function.remove_dead();
}

/// Gives the function the rows that its steps read of carries, where they are smaller than these, as
/// inputs of their own, so that no carry has to be kept of each step. Returns the values and the
/// inputs that have taken their place.
fn keep_rows(
    scan: &Scan,
    function: &mut Graph,
    inputs: &mut Vec<Input>,
) -> Result<Vec<(Value, Value)>, Mistake> {
    let carries = function.inputs().iter().copied().zip(inputs.iter());
    let carries = carries.filter(|(_, input)| matches!(input, Input::Carry(_)));
    let carries = carries.map(|(id, _)| id).filter(|&id| !function.is_output(id.into()));
    let carries: Vec<NodeId> = carries.collect();
    let mut kept = Vec::new();
    for id in carries {
        let uses = function.uses(id);
        let rows = uses.iter().map(|&(user, slot)| {
            let row = if slot == 0 { row_of(scan, function, user) } else { None };
            row.map(|row| (user, row))
        });
        let Some(rows) = rows.collect::<Option<Vec<(NodeId, Value)>>>() else { continue };
        let bytes = rows.iter().map(|(user, _)| function.ty((*user).into()).bytes());
        if bytes.fold(0, usize::saturating_add) >= function.ty(id.into()).bytes() {
            continue;
        }
        for (user, row) in rows {
            let (name, ty) = (fresh_name(function), function.ty(user.into()).clone());
            let origin = function.node(user).origin.clone();
            let input = function.add_input(&name, ParameterKind::Data, ty, origin)?;
            function.replace(user.into(), input);
            kept.push((Value::from(user), input));
            inputs.push(Input::Computed(row));
        }
    }
    function.remove_dead();
    Ok(kept)
}

/// The value of the body that a node of its backward function recomputes, if it reads rows of a
/// table.
fn row_of(scan: &Scan, function: &Graph, node: NodeId) -> Option<Value> {
    let Op::Gather(_) = function.node(node).op else { return None };
    let uid = function.uid(node);
    let same = scan.body.ids().find(|&id| scan.body.uid(id) == uid)?;
    matches!(scan.body.node(same).op, Op::Gather(_)).then(|| same.into())
}

/// A name that no input of the function has.
fn fresh_name(function: &Graph) -> String {
    let mut number = function.inputs().len();
    while function.input(&format!("v{number}")).is_some() {
        number += 1;
    }
    format!("v{number}")
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
