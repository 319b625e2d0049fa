//! Smaller graphs that fail in the same way.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use brolga_ir::ops::{Constant, Parameter, ParameterKind};
use brolga_ir::{Graph, Node, NodeId, Op, Origin, Output, Tensor, Type, Value, verify};
use serde_json::Value as Json;

use crate::manager::PassManager;
use crate::passes::InlineCalls;

/// A small graph for which `fails` still holds, beginning with one for which it does: outputs go,
/// nodes become inputs or their own operands, numbers in types and attributes become small. No
/// further candidate is tried after this time.
pub fn shrink(graph: &Graph, patience: Duration, mut fails: impl FnMut(&Graph) -> bool) -> Graph {
    let start = Instant::now();
    let mut best = graph.clone();
    loop {
        let found = candidates(&best).into_iter().find(|candidate| {
            start.elapsed() < patience && verify(candidate).is_ok() && fails(candidate)
        });
        match found {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

/// Smaller graphs, those with the largest change first.
fn candidates(graph: &Graph) -> Vec<Graph> {
    let all = fewer_outputs(graph).chain(inlined(graph)).chain(cuts(graph)).chain(bypasses(graph));
    let all = all.chain(plain(graph)).chain(smaller_numbers(graph));
    // A candidate of the same size would be tried for ever.
    all.filter(|candidate| size(candidate) < size(graph)).collect()
}

/// The size of a graph: nodes, also those of bodies, outputs and states, numbers in types and
/// attributes, origins.
fn size(graph: &Graph) -> (usize, usize, usize, u128) {
    let states = graph.inputs().iter().filter_map(|&id| graph.parameter(id));
    let states = states.filter(|p| p.kind == ParameterKind::State).count();
    let numbers = |json: &Json| {
        let mut sum = 0;
        each_number(json, &mut |number| sum += u128::from(number));
        sum
    };
    let mut sum = 0;
    for id in graph.ids() {
        let node = graph.node(id);
        sum += u128::from(node.origin != Origin::default());
        sum +=
            node.types.iter().flat_map(|ty| ty.shape.iter()).map(|&e| e as u128 * 4).sum::<u128>();
        sum += serde_json::to_value(&node.op).map_or(0, |json| numbers(&json));
        if let Op::Constant(constant) = &node.op {
            sum += constant.value().len() as u128;
            sum += u128::from(constant.splat() != Some(0.0));
        }
    }
    (nodes(graph), graph.outputs().len(), states, sum)
}

/// The number of nodes, also those of bodies.
fn nodes(graph: &Graph) -> usize {
    let inner = graph.ids().flat_map(|id| graph.node(id).op.bodies());
    graph.len() + inner.map(|body| nodes(body)).sum::<usize>()
}

/// The graph without calls.
fn inlined(graph: &Graph) -> Option<Graph> {
    let mut inlined = graph.clone();
    PassManager::new(vec![Box::new(InlineCalls)]).run(&mut inlined).ok()?;
    Some(inlined)
}

fn fewer_outputs(graph: &Graph) -> impl Iterator<Item = Graph> + '_ {
    let count = graph.outputs().len();
    let only = (0..count).map(|index| vec![graph.outputs()[index]]);
    let without = (0..count).map(|index| {
        let mut outputs = graph.outputs().to_vec();
        outputs.remove(index);
        outputs
    });
    let returned = (0..count).filter(|&index| graph.outputs()[index].replaces.is_some());
    let returned = returned.map(|index| {
        let mut outputs = graph.outputs().to_vec();
        outputs[index].replaces = None;
        outputs
    });
    only.chain(without).chain(returned).filter(|outputs| !outputs.is_empty()).map(|outputs| {
        let mut smaller = graph.clone();
        smaller.set_outputs(outputs);
        cleaned(smaller)
    })
}

/// The graph cut at each node, which becomes an input or an output.
fn cuts(graph: &Graph) -> impl Iterator<Item = Graph> + '_ {
    inner(graph).flat_map(|id| {
        let cut = |as_output: bool| {
            let mut smaller = graph.clone();
            let ports = graph.node(id).types.len() as u32;
            for port in 0..ports {
                let value = Value { node: id, port };
                let name = unused(&smaller);
                let ty = graph.ty(value).clone();
                let input =
                    smaller.add_input(&name, ParameterKind::Data, ty, Origin::default()).ok()?;
                smaller.replace(value, input);
            }
            // The part before the cut.
            if as_output {
                smaller.set_outputs(vec![Output { value: id.into(), replaces: None }]);
            }
            Some(cleaned(smaller))
        };
        [cut(true), cut(false)].into_iter().flatten()
    })
}

/// The graph with each node replaced by an operand of its type.
fn bypasses(graph: &Graph) -> impl Iterator<Item = Graph> + '_ {
    inner(graph).flat_map(move |id| {
        let same = move |value: &Value| graph.ty(*value) == graph.ty(id.into());
        let operands: Vec<Value> = graph.operands(id).into_iter().filter(same).collect();
        operands.into_iter().map(move |operand| {
            let mut smaller = graph.clone();
            smaller.replace(id.into(), operand);
            cleaned(smaller)
        })
    })
}

fn inner(graph: &Graph) -> impl Iterator<Item = NodeId> + '_ {
    let order = graph.order().into_iter().rev();
    order.filter(|&id| !matches!(graph.node(id).op, Op::Parameter(_)))
}

/// The graph with states as inputs, and without origins.
fn plain(graph: &Graph) -> impl Iterator<Item = Graph> + '_ {
    let unnamed = rebuilt(graph, |node| Some((node.op.clone(), Origin::default())));
    let inputs = rebuilt(graph, |node| {
        let mut op = node.op.clone();
        if let Op::Parameter(parameter) = &mut op {
            parameter.kind = ParameterKind::Data;
        }
        Some((op, node.origin.clone()))
    });
    unnamed.into_iter().chain(inputs)
}

/// The graph with smaller numbers in types and attributes: one value wherever it occurs, or in one
/// node.
fn smaller_numbers(graph: &Graph) -> impl Iterator<Item = Graph> + '_ {
    let mut numbers = BTreeSet::new();
    for id in graph.ids() {
        let node = graph.node(id);
        if let Ok(json) = serde_json::to_value(&node.op) {
            each_number(&json, &mut |number| {
                numbers.insert(number);
            });
        }
    }
    let everywhere = numbers.into_iter().rev().flat_map(move |from| {
        smaller(from).filter_map(move |to| {
            rebuilt(graph, |node| {
                let op =
                    renumbered(&node.op, &mut |number| if number == from { to } else { number });
                Some((op?, node.origin.clone()))
            })
        })
    });
    everywhere.chain(graph.order().into_iter().flat_map(move |id| in_one_node(graph, id)))
}

fn in_one_node(graph: &Graph, id: NodeId) -> Vec<Graph> {
    let with = |new: Option<Op>| {
        let new = new?;
        rebuilt(graph, |node| {
            let changed = std::ptr::eq(node, graph.node(id));
            let op = if changed { new.clone() } else { node.op.clone() };
            Some((op, node.origin.clone()))
        })
    };
    let op = &graph.node(id).op;
    if matches!(op, Op::Constant(_)) {
        return constants(graph.ty(id.into())).map(Some).filter_map(with).collect();
    }
    let mut all = vec![];
    if let Ok(json) = serde_json::to_value(op) {
        each_number(&json, &mut |number| all.push(number));
    }
    let numbers = all.into_iter().enumerate();
    let changes = numbers.flat_map(|(position, from)| smaller(from).map(move |to| (position, to)));
    let changed = changes.map(|(changed, to)| {
        let mut position = 0;
        renumbered(op, &mut |number| {
            position += 1;
            if position - 1 == changed { to } else { number }
        })
    });
    changed.filter_map(with).collect()
}

/// Simple constants.
fn constants(ty: &Type) -> impl Iterator<Item = Op> + '_ {
    [0.0, 1.0].into_iter().map(|number| Constant::new(Tensor::full(ty, number)).into())
}

fn smaller(from: u64) -> impl Iterator<Item = u64> {
    let mut smaller = vec![0, 1, 2, from / 2, from.saturating_sub(1)];
    smaller.retain(|&to| to < from);
    smaller.dedup();
    smaller.into_iter()
}

/// The graph with other ops, and types inferred anew; `None` if an op rejects its operands.
fn rebuilt(graph: &Graph, change: impl Fn(&Node) -> Option<(Op, Origin)>) -> Option<Graph> {
    let mut new = Graph::new(graph.name());
    let mut ids = HashMap::new();
    let inner = graph.order().into_iter().filter(|id| !graph.inputs().contains(id));
    for id in graph.inputs().iter().copied().chain(inner) {
        let (op, origin) = change(graph.node(id))?;
        let operands: Vec<Value> = (graph.operands(id).iter())
            .map(|value| Value { node: ids[&value.node], port: value.port })
            .collect();
        let node = match op {
            Op::Parameter(Parameter { name, kind, ty }) => {
                ty.check().ok()?;
                new.add_input(&name, kind, ty, origin).ok()?.node
            }
            op => new.add_node(op, &operands, origin).ok()?,
        };
        ids.insert(id, node);
    }
    for output in graph.outputs() {
        let value = Value { node: ids[&output.value.node], port: output.value.port };
        match output.replaces.map(|state| ids[&state]) {
            Some(state) if new.parameter(state).is_some_and(|p| p.kind == ParameterKind::State) => {
                new.add_update(state, value);
            }
            _ => new.add_output(value),
        }
    }
    Some(new)
}

fn each_number(json: &Json, found: &mut impl FnMut(u64)) {
    match json {
        Json::Number(number) => number.as_u64().into_iter().for_each(found),
        Json::Bool(truth) => found(u64::from(*truth)),
        Json::Array(items) => items.iter().for_each(|item| each_number(item, found)),
        Json::Object(entries) => entries.values().for_each(|value| each_number(value, found)),
        Json::String(text) => {
            if let Ok(ty) = text.parse::<Type>() {
                ty.shape.iter().for_each(|&extent| found(extent as u64));
            }
        }
        Json::Null => {}
    }
}

/// The op with its numbers changed; truth values are 0 and 1.
fn renumbered(op: &Op, change: &mut impl FnMut(u64) -> u64) -> Option<Op> {
    fn walk(json: &mut Json, change: &mut impl FnMut(u64) -> u64) {
        match json {
            Json::Number(number) => {
                if let Some(old) = number.as_u64() {
                    *number = change(old).into();
                }
            }
            Json::Bool(truth) => *truth = change(u64::from(*truth)) != 0,
            Json::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
            Json::Object(entries) => entries.values_mut().for_each(|value| walk(value, change)),
            Json::String(text) => {
                if let Ok(mut ty) = text.parse::<Type>() {
                    for extent in ty.shape.dims_mut() {
                        *extent = change(*extent as u64) as usize;
                    }
                    *text = ty.to_string();
                }
            }
            Json::Null => {}
        }
    }
    let mut json = serde_json::to_value(op).ok()?;
    walk(&mut json, change);
    let mut new: Op = serde_json::from_value(json).ok()?;
    new.bodies_mut().clone_from_slice(op.bodies());
    Some(new)
}

fn cleaned(mut graph: Graph) -> Graph {
    graph.remove_dead();
    for id in graph.inputs().to_vec() {
        graph.remove_input(id);
    }
    graph
}

fn unused(graph: &Graph) -> String {
    (0..).map(|n| format!("v{n}")).find(|name| graph.input(name).is_none()).unwrap_or_default()
}
