//! The reverse sweep.

use std::collections::HashMap;

use brolga_ir::op::Vjp;
use brolga_ir::trace::Scope;
use brolga_ir::{Graph, Mistake, NodeId, Origin, Role, Tracer, Value, Var};
use rustc_hash::FxHashSet;

use crate::bodies::Bodies;
use crate::error::GradError;
use crate::path::{Blocked, describe, no_path};

/// Adds the gradients of `loss`, one float, by each value of `wrt` to the graph and returns them in
/// that order, each with the type of its value.
///
/// The new nodes have the role `backward` and the layer and location of the node they are the
/// gradient of. Where a value is used more than once, its cotangents are added from the last use to
/// the first, in the order of [`Graph::order`].
///
/// # Errors
/// If the loss is not one float, a value of `wrt` is not of floats or has no differentiable path to
/// the loss, or an op on the path has no gradient rule. The graph is then as it was.
pub fn grad(graph: &mut Graph, loss: Value, wrt: &[Value]) -> Result<Vec<Value>, GradError> {
    // Work on a copy leaves the graph as it is if an error comes late.
    let tracer = Tracer::resume(graph.clone());
    let var = |value: Value, what: &dyn Fn() -> String| match graph.try_ty(value) {
        Some(_) => Ok(tracer.at(value)),
        None => Err(GradError::Foreign { what: what() }),
    };
    let loss = var(loss, &the_loss)?;
    let wrt = wrt.iter().enumerate().map(|(index, &value)| var(value, &|| nth_wrt(index)));
    let gradients = gradients(&tracer, &loss, &wrt.collect::<Result<Vec<_>, _>>()?)?;
    let values = gradients.iter().filter_map(Var::value).collect();
    *graph = tracer.finish().expect("the sweep has returned every mistake as an error");
    Ok(values)
}

/// As [`grad`], for a graph that is being traced. If a mistake was made in tracing before, the
/// result is void.
///
/// # Errors
/// As [`grad`].
pub fn gradients(tracer: &Tracer, loss: &Var, wrt: &[Var]) -> Result<Vec<Var>, GradError> {
    if tracer.error().is_some() {
        return Ok(wrt.to_vec());
    }
    let value = |var: &Var, what: &dyn Fn() -> String| match var.value() {
        Some(value) if tracer.owns(var) => Ok(value),
        _ => Err(GradError::Foreign { what: what() }),
    };
    let root = value(loss, &the_loss)?;
    let targets = wrt.iter().enumerate().map(|(index, var)| value(var, &|| nth_wrt(index)));
    let targets: Vec<Value> = targets.collect::<Result<_, _>>()?;
    tracer.with_graph(|graph| check_types(graph, root, &targets))?;

    let before: Vec<NodeId> = tracer.with_graph(|graph| graph.ids().collect());
    let gradients = sweep(tracer, root, &targets);
    // Cotangents that arrived at a node without gradient have come for nothing, and so have all if
    // there is an error.
    let found = gradients.iter().flatten().filter_map(Var::node);
    tracer.remove_unneeded(before.into_iter().chain(found));
    gradients
}

/// The gradients of one float.
fn sweep(tracer: &Tracer, loss: Value, targets: &[Value]) -> Result<Vec<Var>, GradError> {
    let bodies = Bodies::default();
    let mut sweep = Sweep::new(tracer, targets, &bodies);
    sweep.seed(loss, |loss| tracer.full(loss.ty(), 1.0));
    sweep.run()?;
    let gradient = |&target: &Value| {
        let none = || tracer.with_graph(|graph| no_path(graph, target, &sweep.blocked));
        sweep.gradient(target).ok_or_else(none)
    };
    targets.iter().map(gradient).collect()
}

fn the_loss() -> String {
    "the loss".to_owned()
}

fn nth_wrt(index: usize) -> String {
    format!("`wrt[{index}]`")
}

fn check_types(graph: &Graph, loss: Value, wrt: &[Value]) -> Result<(), GradError> {
    let named = |value: Value| (describe(graph, value), graph.ty(value).to_string());
    let ty = graph.ty(loss);
    if ty.shape.elements() != 1 || !ty.dtype.is_float() {
        let (name, given) = named(loss);
        let help = match ty.dtype.is_float() {
            true => "reduce it with `reduce_mean` or `reduce_sum`",
            false => "what it counts has no slope; use a differentiable measure of it",
        };
        return Err(GradError::NotAScalar { name, given, help });
    }
    match wrt.iter().find(|&&value| !graph.ty(value).dtype.is_float()) {
        None => Ok(()),
        Some(&value) => {
            let (name, given) = named(value);
            Err(GradError::NotAFloat { name, given })
        }
    }
}

/// The state of the walk backwards, from what has cotangents to what gradients are wanted by.
pub(crate) struct Sweep<'a> {
    tracer: &'a Tracer,
    bodies: &'a Bodies,
    /// The nodes that depend on what to differentiate by; no others need a cotangent.
    active: FxHashSet<NodeId>,
    /// The sum of the cotangents that have arrived at each value.
    cotangents: HashMap<Value, Var>,
    /// Where cotangents have arrived in vain.
    blocked: Blocked,
}

impl<'a> Sweep<'a> {
    pub(crate) fn new(tracer: &'a Tracer, targets: &[Value], bodies: &'a Bodies) -> Self {
        let active =
            tracer.with_graph(|graph| graph.dependents(targets.iter().map(|target| target.node)));
        Self { tracer, bodies, active, cotangents: HashMap::new(), blocked: Blocked::new() }
    }

    /// Lets a value have a cotangent of its own, if it depends on what to differentiate by.
    pub(crate) fn seed(&mut self, value: Value, cotangent: impl FnOnce(&Var) -> Var) {
        if self.active.contains(&value.node) {
            let _scope = self.backward(value.node);
            let cotangent = cotangent(&self.tracer.at(value));
            self.accumulate(value, cotangent);
        }
    }

    /// Visits all nodes, the last first.
    pub(crate) fn run(&mut self) -> Result<(), GradError> {
        let order = self.tracer.with_graph(Graph::order);
        order.into_iter().rev().try_for_each(|id| self.visit(id))
    }

    /// The sum of the cotangents that have arrived at a value.
    pub(crate) fn gradient(&self, value: Value) -> Option<Var> {
        self.cotangents.get(&value).cloned()
    }

    /// Lets new nodes belong to this one's layer and location.
    fn backward(&self, id: NodeId) -> Scope {
        let origin = self.tracer.with_graph(|graph| graph.node(id).origin.clone());
        self.tracer.derived_scope(Origin { role: Role::Backward, ..origin })
    }

    /// Passes the cotangents of a node's results on to its operands. All uses of the results were
    /// visited before.
    fn visit(&mut self, id: NodeId) -> Result<(), GradError> {
        if !self.active.contains(&id) {
            return Ok(());
        }
        let (op, ports, operands) = self.tracer.with_graph(|graph| {
            let node = graph.node(id);
            (node.op.clone(), node.types.len() as u32, graph.operands(id))
        });
        let results: Vec<Value> = (0..ports).map(|port| Value { node: id, port }).collect();
        let cotangents: Vec<Option<Var>> =
            results.iter().map(|result| self.cotangents.get(result).cloned()).collect();
        let wanted: Vec<bool> =
            operands.iter().map(|value| self.active.contains(&value.node)).collect();
        if cotangents.iter().all(Option::is_none) || !wanted.contains(&true) {
            return Ok(());
        }
        let _scope = self.backward(id);
        let vars = |values: &[Value]| {
            values.iter().map(|&value| self.tracer.at(value)).collect::<Vec<_>>()
        };
        let (operand_vars, result_vars) = (vars(&operands), vars(&results));
        let node = Vjp {
            operands: &operand_vars,
            results: &result_vars,
            cotangents: &cotangents,
            wanted: &wanted,
            bodies: self.bodies,
        };
        let products = op.definition().vjp(&node).map_err(|mistake| self.no_rule(id, mistake))?;
        if let Some(error) = self.tracer.error() {
            return Err(self.no_rule(id, error.mistake));
        }
        for (slot, product) in products.into_iter().enumerate().filter(|(slot, _)| wanted[*slot]) {
            match product {
                Some(product) => {
                    let product = product.unbroadcast(operand_vars[slot].shape());
                    self.accumulate(operands[slot], product);
                }
                None => self.blocked.entry(id).or_default().push(slot),
            }
        }
        Ok(())
    }

    fn accumulate(&mut self, value: Value, product: Var) {
        let sum = match self.cotangents.remove(&value) {
            Some(sum) => sum + product,
            None => product,
        };
        self.cotangents.insert(value, sum);
    }

    fn no_rule(&self, id: NodeId, mistake: Mistake) -> GradError {
        let node = self.tracer.with_graph(|graph| describe(graph, id.into()));
        GradError::NoRule { node, mistake }
    }
}
