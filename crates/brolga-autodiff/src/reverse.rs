//! The reverse sweep.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use brolga_ir::op::Vjp;
use brolga_ir::{Graph, NodeId, Origin, Role, Tracer, Value, Var};

use crate::error::GradError;

/// Adds the gradients of `loss`, one float, by each value of `wrt` to the graph and returns them in that order.
///
/// # Errors
/// If the loss is not one float, a value of `wrt` is not a float or has no differentiable way to the loss, or an op on the way has no gradient rule.
/// The graph is then as it was.
pub fn grad(graph: &mut Graph, loss: Value, wrt: &[Value]) -> Result<Vec<Value>, GradError> {
    for (value, what) in std::iter::once((loss, "the loss"))
        .chain(wrt.iter().map(|&v| (v, "a value to differentiate by")))
    {
        if graph.try_ty(value).is_none() {
            return Err(GradError::Foreign { what: what.to_owned() });
        }
    }
    let tracer = Tracer::resume(graph.clone());
    let wrt: Vec<Var> = wrt.iter().map(|&value| tracer.at(value)).collect();
    let gradients = gradients(&tracer, &tracer.at(loss), &wrt)?;
    let values = gradients.iter().filter_map(Var::value).collect();
    *graph = tracer.finish().map_err(|error| GradError::NoRule {
        node: "a gradient".to_owned(),
        mistake: error.mistake,
    })?;
    Ok(values)
}

/// As [`grad`], for a graph that is being traced. If a mistake was made in tracing before, the result is void.
///
/// # Errors
/// As [`grad`].
pub fn gradients(tracer: &Tracer, loss: &Var, wrt: &[Var]) -> Result<Vec<Var>, GradError> {
    let (Some(root), None) = (loss.value(), tracer.error()) else {
        return Ok(wrt.to_vec());
    };
    if loss.shape().elements() != 1 || !loss.dtype().is_float() {
        return Err(GradError::NotAScalar { given: loss.ty().to_string() });
    }
    let targets: Vec<Value> = wrt.iter().filter_map(Var::value).collect();
    if targets.len() != wrt.len() {
        return Err(GradError::Foreign { what: "a value to differentiate by".to_owned() });
    }
    for (var, &target) in wrt.iter().zip(&targets) {
        if !var.dtype().is_float() {
            let name = tracer.with_graph(|g| describe(g, target));
            return Err(GradError::NotAFloat { name, given: var.ty().to_string() });
        }
    }
    let (order, active) = tracer.with_graph(|graph| (graph.order(), dependents(graph, &targets)));

    let mut cotangents: HashMap<Value, Var> = HashMap::new();
    let mut blocked: BTreeMap<NodeId, BTreeSet<usize>> = BTreeMap::new();
    {
        let origin = tracer.with_graph(|g| g.node(root.node).origin.clone());
        let _scope = tracer.origin_scope(Origin { role: Role::Backward, ..origin });
        cotangents.insert(root, tracer.full(loss.ty(), 1.0));
    }
    for &id in order.iter().rev() {
        if !active.contains(&id) {
            continue;
        }
        let (op, ports, operands, origin) = tracer.with_graph(|graph| {
            let node = graph.node(id);
            (node.op.clone(), node.types.len(), graph.operands(id), node.origin.clone())
        });
        let results: Vec<Value> =
            (0..ports).map(|port| Value { node: id, port: port as u32 }).collect();
        let seeds: Vec<Option<Var>> = results.iter().map(|v| cotangents.get(v).cloned()).collect();
        if operands.is_empty() || seeds.iter().all(Option::is_none) {
            continue;
        }
        let _scope = tracer.origin_scope(Origin { role: Role::Backward, ..origin });
        let operand_vars: Vec<Var> = operands.iter().map(|&v| tracer.at(v)).collect();
        let result_vars: Vec<Var> = results.iter().map(|&v| tracer.at(v)).collect();
        let node = Vjp { operands: &operand_vars, results: &result_vars, cotangents: &seeds };
        let products = op.definition().vjp(&node).map_err(|mistake| GradError::NoRule {
            node: tracer.with_graph(|g| describe(g, id.into())),
            mistake,
        })?;
        for (slot, (product, (&operand, var))) in
            products.into_iter().zip(operands.iter().zip(&operand_vars)).enumerate()
        {
            if !active.contains(&operand.node) {
                continue;
            }
            let Some(product) = product else {
                blocked.entry(id).or_default().insert(slot);
                continue;
            };
            let product = product.unbroadcast(var.shape());
            let sum = match cotangents.remove(&operand) {
                Some(sum) => sum + product,
                None => product,
            };
            cotangents.insert(operand, sum);
        }
    }
    targets
        .iter()
        .map(|target| {
            cotangents
                .get(target)
                .cloned()
                .ok_or_else(|| tracer.with_graph(|graph| no_path(graph, *target, &blocked)))
        })
        .collect()
}

/// The nodes that depend on one of the values, those values' nodes included.
fn dependents(graph: &Graph, targets: &[Value]) -> BTreeSet<NodeId> {
    let mut found: BTreeSet<NodeId> = BTreeSet::new();
    let mut stack: Vec<NodeId> = targets.iter().map(|value| value.node).collect();
    while let Some(id) = stack.pop() {
        if found.insert(id) {
            stack.extend(graph.uses(id).into_iter().map(|(user, _)| user));
        }
    }
    found
}

/// Says where the way from a value towards the loss ends.
fn no_path(graph: &Graph, target: Value, blocked: &BTreeMap<NodeId, BTreeSet<usize>>) -> GradError {
    let name = describe(graph, target);
    let reached = dependents(graph, &[target]);
    let barrier = blocked.iter().find(|(id, slots)| {
        let operands = graph.operands(**id);
        slots.iter().any(|&slot| reached.contains(&operands[slot].node))
    });
    if let Some((&id, _)) = barrier {
        return GradError::NoPath {
            name,
            end: format!("the way ends at {}, which has no gradient", describe(graph, id.into())),
            help: "use a differentiable op there, or do not train this parameter".to_owned(),
        };
    }
    // Nothing was refused on the way: it leads away from the loss.
    let last = graph.order().into_iter().rfind(|id| reached.contains(id) && *id != target.node);
    let end = match last {
        Some(last) => {
            format!("the way ends at {}, which the loss does not use", describe(graph, last.into()))
        }
        None => "nothing uses it".to_owned(),
    };
    GradError::NoPath { name, end, help: "use it in the model, or do not train it".to_owned() }
}

/// A parameter by its name, another node by its op and layer.
fn describe(graph: &Graph, value: Value) -> String {
    if let Some(parameter) = graph.parameter(value.node) {
        return format!("%{}", parameter.name);
    }
    let node = graph.node(value.node);
    let place = match &node.origin.location {
        Some(location) => format!(" at {}:{}", location.file, location.line),
        None => String::new(),
    };
    match &node.origin.layer {
        Some(layer) => format!("`{}` of layer `{layer}`{place}", node.op.name()),
        None => format!("`{}`{place}", node.op.name()),
    }
}
