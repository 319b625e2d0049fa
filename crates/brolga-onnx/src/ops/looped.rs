//! Loops of ONNX as loops of the IR.
//!
//! A step becomes a graph of its own, whatever the number of steps. What it reads of the graph
//! around it, constants aside, is given to it. Not every step can be such a graph: one may need the
//! value of a state where the model is imported, or change a state's shape. So the step is tried
//! first, in a graph that is thrown away, and a loop whose step fails is written out. While a step is
//! tried, the loops in it are only tried too.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use brolga_ir::{DType, Tensor, Tracer, Type, Var};

use super::control::{Scanned, Sequence};
use crate::call::{Call, Out, Sound, axis};
use crate::element::ElementType;
use crate::error::{Fault, OnnxError};
use crate::import::Scope;
use crate::proto::GraphProto;
use crate::value::{Operand, Value};

/// The step of a loop.
pub(super) struct Looped<'a> {
    call: &'a Call<'a>,
    body: &'a GraphProto,
    /// The values of the graph around it that the step reads.
    captured: Vec<(&'a str, Value)>,
    /// The tensors among them that are no constants.
    shared: Vec<Var>,
    /// The elements of the states.
    elements: Vec<ElementType>,
    states: Vec<Var>,
    /// The sequences, steps along the first axis.
    sequences: Vec<(ElementType, Var)>,
    /// Whether the step is given a condition after its number, which is true.
    is_counted: bool,
}

/// The results of a loop of the IR: the last states, and what is stacked along a first axis.
type Results = (Vec<Value>, Vec<(ElementType, Var)>);

impl<'a> Looped<'a> {
    /// A `Loop` whose condition is always true; `None` if it has to be written out.
    pub(super) fn counted(
        call: &'a Call<'a>,
        body: &'a GraphProto,
        states: &[Value],
        length: usize,
    ) -> Result<Option<Vec<Out>>, Fault> {
        if length < 2 {
            return Ok(None);
        }
        let numbers = call.tracer().iota(Type::new(DType::I64, [length]), 0).sound()?;
        let sequences = vec![(ElementType::I64, numbers)];
        let Some(looped) = Self::of(call, body, states, sequences, true)? else { return Ok(None) };
        let Some(stacked) = looped.tried() else { return Ok(None) };
        let (mut results, stacks) = looped.run(length, false, &stacked)?;
        results.extend(stacks.into_iter().map(|(element, y)| Value::traced(element, y)));
        Ok(Some(results.into_iter().map(Out::from).collect()))
    }

    /// A `Scan`; `None` if it has to be written out.
    pub(super) fn scanned(
        call: &'a Call<'a>,
        scanned: &Scanned<'a>,
        states: &[Value],
        sequences: &[Sequence],
    ) -> Result<Option<Vec<Out>>, Fault> {
        let Some((_, first, along, _)) = sequences.first() else { return Ok(None) };
        let length = first.shape()[*along];
        let reverse = sequences.iter().all(|(.., backwards)| *backwards);
        let to_front = |(element, x, along, backwards): &Sequence| {
            let others = (0..x.shape().rank()).filter(|other| other != along);
            let order: Vec<usize> = [*along].into_iter().chain(others).collect();
            let x = if *along == 0 { x.clone() } else { x.transpose(&order) };
            (*element, if *backwards && !reverse { x.reverse(&[0]) } else { x })
        };
        let front = sequences.iter().map(to_front).collect();
        let looped = Self::of(call, scanned.body, states, front, false)?;
        let Some(looped) = looped else { return Ok(None) };
        let Some(stacked) = looped.tried() else { return Ok(None) };
        let (mut results, stacks) = looped.run(length, reverse, &stacked)?;
        for ((element, y), &(at, backwards)) in stacks.into_iter().zip(&scanned.outputs) {
            // A stack of the IR has the order of its sequences.
            let y = if backwards == reverse { y } else { y.reverse(&[0]) };
            let rank = y.shape().rank();
            let mut order: Vec<usize> = (1..rank).collect();
            order.insert(axis(at, rank)?, 0);
            let y = if order.is_sorted() { y } else { y.transpose(&order) };
            results.push(Value::traced(element, y));
        }
        Ok(Some(results.into_iter().map(Out::from).collect()))
    }

    /// The loop of a step; `None` if a state is no tensor, or if all values are known, so that the
    /// loop is computed while the model is imported.
    fn of(
        call: &'a Call<'a>,
        body: &'a GraphProto,
        states: &[Value],
        sequences: Vec<(ElementType, Var)>,
        is_counted: bool,
    ) -> Result<Option<Self>, Fault> {
        let mut names = Vec::new();
        free_names(body, &mut HashMap::new(), &mut HashSet::new(), &mut names);
        let mut captured = Vec::new();
        let mut shared = Vec::new();
        for name in names {
            let Some(value) = call.scope.get(name) else { continue };
            for operand in value.tensors().iter().filter(|operand| !operand.is_constant()) {
                shared.push(operand.var(call.tracer(), call.import.declare).sound()?);
            }
            captured.push((name, value.clone()));
        }
        let mut elements = Vec::new();
        let mut vars = Vec::new();
        let mut known = shared.is_empty() && is_counted;
        for state in states {
            let Value::Tensor(operand) = state else { return Ok(None) };
            known &= operand.is_constant();
            elements.push(operand.element);
            vars.push(operand.var(call.tracer(), call.import.declare).sound()?);
        }
        let states = vars;
        let looped = Self { call, body, captured, shared, elements, states, sequences, is_counted };
        Ok((!known).then_some(looped))
    }

    /// What the step gives in the graph of a tracer, which may be thrown away.
    fn step(
        &self,
        tracer: &Tracer,
        is_tried: bool,
        [states, slices, shared]: [&[Var]; 3],
    ) -> Result<Vec<Value>, OnnxError> {
        let mut given = shared.iter();
        let mut moved = |operand: &Rc<Operand>| match operand.elsewhere() {
            Some(constant) => Some(constant),
            None => given.next().map(|var| Operand::traced(operand.element, var.clone())),
        };
        let mut scope = Scope::inside(self.call.scope);
        for (name, value) in &self.captured {
            if let Some(value) = value.try_map(&mut moved) {
                scope.bind(name, value);
            }
        }
        let traced = |(element, var): (&ElementType, &Var)| Value::traced(*element, var.clone());
        let states = self.elements.iter().zip(states).map(traced);
        let slices = self.sequences.iter().map(|(element, _)| element).zip(slices).map(traced);
        let truth = Value::known(ElementType::Bool, Tensor::scalar(DType::Bool, 1.0));
        let inputs = match self.is_counted {
            true => slices.chain([truth]).chain(states).collect(),
            false => states.chain(slices).collect(),
        };
        self.call.import.elsewhere(tracer, is_tried, self.body, inputs, &scope)
    }

    /// The types of what a step adds to the stacks, if the step can be a graph of its own.
    fn tried(&self) -> Option<Vec<(ElementType, Type)>> {
        let tracer = Tracer::new("step");
        let input = |(at, ty): (usize, Type)| tracer.input(&format!("x{at}"), ty);
        let slice = |x: &Var| Type::new(x.dtype(), x.shape().get(1..).unwrap_or_default());
        let types = (self.states.iter().map(|state| state.ty().clone()))
            .chain(self.sequences.iter().map(|(_, x)| slice(x)))
            .chain(self.shared.iter().map(|shared| shared.ty().clone()));
        let inputs: Vec<Var> = types.enumerate().map(input).collect();
        let (states, rest) = inputs.split_at(self.states.len());
        let (slices, shared) = rest.split_at(self.sequences.len());
        let results = self.step(&tracer, true, [states, slices, shared]).ok()?;
        let results = self.without_condition(results)?;
        let mut types = Vec::new();
        for (at, value) in results.iter().enumerate() {
            let Value::Tensor(operand) = value else { return None };
            let var = operand.var(&tracer, self.call.import.declare);
            if let Some(state) = states.get(at)
                && (var.ty() != state.ty() || operand.element != self.elements[at])
            {
                return None;
            }
            types.push((operand.element, var.ty().clone()));
        }
        let enough = results.len() >= states.len() && tracer.error().is_none();
        enough.then(|| types.split_off(states.len()))
    }

    /// The results of a step after the condition, if that is known to be true.
    fn without_condition(&self, mut results: Vec<Value>) -> Option<Vec<Value>> {
        if !self.is_counted {
            return Some(results);
        }
        let Some(Value::Tensor(condition)) = results.first() else { return None };
        if condition.tensor()?.data().to_f64() != [1.0] {
            return None;
        }
        Some(results.split_off(1))
    }

    /// The loop, whose step has been tried.
    fn run(
        &self,
        length: usize,
        reverse: bool,
        stacked: &[(ElementType, Type)],
    ) -> Result<Results, Fault> {
        let tracer = self.call.tracer().clone();
        if self.call.import.is_tried {
            return Ok(self.assumed(length, stacked));
        }
        let sequences: Vec<&Var> = self.sequences.iter().map(|(_, x)| x).collect();
        let mut failed = None;
        let count = self.states.len();
        let (last, stacks) = tracer
            .scan("step")
            .carries(&self.states.iter().collect::<Vec<_>>())
            .over(&sequences, 0)
            .shared(&self.shared.iter().collect::<Vec<_>>())
            .length(length)
            .reverse(reverse)
            .run(|given| {
                let inner = given.slices[0].tracer().clone();
                let results = self.step(&inner, false, [given.carries, given.slices, given.shared]);
                let results = results.map(|results| self.without_condition(results));
                let mut vars: Vec<Var> = match results {
                    Ok(results) => results
                        .iter()
                        .flatten()
                        .flat_map(Value::tensors)
                        .map(|operand| operand.var(&inner, self.call.import.declare))
                        .collect(),
                    Err(error) => {
                        failed = Some(error);
                        given.carries.to_vec()
                    }
                };
                let stacked = vars.split_off(count.min(vars.len()));
                (vars, stacked)
            });
        if let Some(error) = failed {
            return Err(Fault::Inside(Box::new(error)));
        }
        let states = self.elements.iter().zip(last);
        let states = states.map(|(element, var)| Value::traced(*element, var)).collect();
        let elements = stacked.iter().map(|(element, _)| *element);
        Ok((states, elements.zip(stacks).collect()))
    }

    /// Values of the types that the loop gives, in a graph that is thrown away.
    fn assumed(&self, length: usize, stacked: &[(ElementType, Type)]) -> Results {
        let value = |ty: &Type| self.call.tracer().full(ty, 0.0);
        let states = self.elements.iter().zip(&self.states);
        let states = states.map(|(element, state)| Value::traced(*element, value(state.ty())));
        let stack = |(element, ty): &(ElementType, Type)| {
            let shape: Vec<usize> = [length].into_iter().chain(ty.shape.iter().copied()).collect();
            (*element, value(&Type::new(ty.dtype, shape)))
        };
        (states.collect(), stacked.iter().map(stack).collect())
    }
}

/// The names that a graph takes from the graphs around it, each once, in their order. `bound` counts
/// how often a name is given in the graphs that are looked through.
fn free_names<'a>(
    graph: &'a GraphProto,
    bound: &mut HashMap<&'a str, usize>,
    seen: &mut HashSet<&'a str>,
    free: &mut Vec<&'a str>,
) {
    let mut own: Vec<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
    own.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    own.extend(graph.node.iter().flat_map(|node| &node.output).map(String::as_str));
    for &name in &own {
        *bound.entry(name).or_default() += 1;
    }
    let mut take = |name: &'a str, bound: &HashMap<&str, usize>, free: &mut Vec<&'a str>| {
        let is_bound = bound.get(name).is_some_and(|&count| count > 0);
        if !name.is_empty() && !is_bound && seen.insert(name) {
            free.push(name);
        }
    };
    for node in &graph.node {
        node.input.iter().for_each(|name| take(name, bound, free));
    }
    graph.output.iter().for_each(|output| take(&output.name, bound, free));
    for node in &graph.node {
        for inner in node.attribute.iter().filter_map(|attribute| attribute.g.as_deref()) {
            free_names(inner, bound, seen, free);
        }
    }
    for name in own {
        bound.entry(name).and_modify(|count| *count -= 1);
    }
}
