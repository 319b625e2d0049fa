//! The verifier of the rules that passes and code generation rely on.
//!
//! A graph is valid if
//!
//! 1. every operand of a node is a result that exists;
//! 2. there are no cycles;
//! 3. the type rule of each node's op accepts the types of the operands and gives the types of the
//!    node;
//! 4. no type exceeds the limits of rank and size;
//! 5. the inputs are parameters, each is listed once, no two have the same name, and no parameter
//!    is unlisted;
//! 6. every output is a result that exists;
//! 7. an output that replaces an input replaces one of kind state and has its type, and no state is
//!    replaced twice;
//! 8. the body of an op is valid, takes data alone, replaces nothing and returns something.
//!    ([`Graph::add_node`] limits the depth of nested bodies to
//!    [`MAX_DEPTH`](crate::text::MAX_DEPTH).)
//! 9. a graph with bodies has at most 2²² nodes, those of a body counted for each node that has it.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::error::Mistake;
pub use crate::error::{VerifyError, VerifyErrors};
use crate::graph::{Graph, NodeId, Output};
use crate::op::Op;
use crate::ops::ParameterKind;
use crate::text::names::listing;
use crate::text::{Names, input_text, is_name, node_line, return_line, returned};
use crate::types::Type;

/// Verifies a graph and the bodies of its ops.
///
/// # Errors
/// All violations of the rules in the [module](self)'s page.
pub fn verify(graph: &Graph) -> Result<(), VerifyErrors> {
    let mut errors = Vec::new();
    let mut bodies = FxHashMap::default();
    let mut verifier = Verifier::new(graph, graph.name().to_owned(), &mut bodies, &mut errors);
    verifier.graph();
    if let Err(mistake) = graph.check_expanded() {
        verifier.report(format!("graph {}", graph.name()), None, mistake);
    }
    if errors.is_empty() { Ok(()) } else { Err(VerifyErrors { errors }) }
}

struct Verifier<'a> {
    graph: &'a Graph,
    /// The names of values, computed for the first error.
    names: OnceCell<Names<'a>>,
    path: String,
    /// The bodies verified so far, and whether they are valid: the errors of a shared body are
    /// reported once.
    bodies: &'a mut FxHashMap<*const Graph, bool>,
    errors: &'a mut Vec<VerifyError>,
}

impl<'a> Verifier<'a> {
    fn new(
        graph: &'a Graph,
        path: String,
        bodies: &'a mut FxHashMap<*const Graph, bool>,
        errors: &'a mut Vec<VerifyError>,
    ) -> Self {
        Self { graph, names: OnceCell::new(), path, bodies, errors }
    }

    fn names(&self) -> &Names<'a> {
        self.names.get_or_init(|| Names::new(self.graph))
    }

    /// Reports an error in a statement, or in a part of it.
    fn report(
        &mut self,
        statement: String,
        part: Option<(usize, usize)>,
        mistake: impl Into<Mistake>,
    ) {
        let (column, length) = part.unwrap_or((1, statement.chars().count()));
        let (graph, Mistake { message, help }) = (self.path.clone(), mistake.into());
        self.errors.push(VerifyError { graph, statement, column, length, message, help });
    }

    fn report_node(&mut self, id: NodeId, mistake: impl Into<Mistake>) {
        self.report(node_line(self.graph, self.names(), id), None, mistake);
    }

    fn graph(&mut self) {
        self.inputs();
        let order = self.graph.order();
        let cycle = cycle(self.graph, &order);
        for id in listing(self.graph, order) {
            if let Err(mistake) = self.node(id) {
                self.report_node(id, mistake);
            }
        }
        if let Some(cycle) = cycle {
            let path: Vec<String> = cycle.iter().map(|&id| self.names().of(id)).collect();
            let message = format!("the node depends on itself: {}", path.join(" → "));
            self.report_node(cycle[0], message);
        }
        self.outputs();
    }

    fn inputs(&mut self) {
        let mut names = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for &id in self.graph.inputs() {
            let mistake = match self.graph.parameter(id) {
                None => Some("an input is not a parameter of the graph".to_owned()),
                Some(p) if !is_name(&p.name) => Some(format!("`{}` is not a name", p.name)),
                Some(_) if !ids.insert(id) => Some("the input is listed twice".to_owned()),
                Some(p) if !names.insert(&p.name) => {
                    Some(format!("two inputs have the name `%{}`", p.name))
                }
                Some(_) => None,
            };
            if let Some(mistake) = mistake {
                self.report(input_text(self.graph, id), None, mistake);
            }
        }
    }

    fn node(&mut self, id: NodeId) -> Result<(), Mistake> {
        let node = self.graph.node(id);
        if matches!(node.op, Op::Parameter(_)) {
            return Err(Mistake::new("the parameter is not listed as an input"));
        }
        for ty in &node.types {
            ty.check()?;
        }
        let mut operands: SmallVec<[&Type; 4]> = SmallVec::new();
        for (index, value) in self.graph.slots(id).enumerate() {
            let Some(value) = value else {
                return Err(format!("operand {index} is missing").into());
            };
            let ty = self.graph.try_ty(value);
            let missing = || format!("operand {index} is a result that does not exist");
            operands.push(ty.ok_or_else(missing)?);
        }
        for body in node.op.bodies() {
            if !self.body(node.op.name(), body)? {
                return Ok(());
            }
        }
        let types = node.op.infer(&operands)?;
        if types != node.types {
            let list =
                |types: &[_]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let (given, inferred) = (list(&node.types), list(&types));
            return Err(format!("the node has type {given}, its op gives {inferred}").into());
        }
        Ok(())
    }

    /// Whether a graph is valid; the error is a mistake of the node of which it is the body.
    fn body(&mut self, op: &str, body: &Arc<Graph>) -> Result<bool, Mistake> {
        body.check_body(op)?;
        if let Some(&valid) = self.bodies.get(&Arc::as_ptr(body)) {
            return Ok(valid);
        }
        let errors = self.errors.len();
        let path = format!("{}/{}", self.path, body.name());
        Verifier::new(body, path, self.bodies, self.errors).graph();
        let valid = self.errors.len() == errors;
        self.bodies.insert(Arc::as_ptr(body), valid);
        Ok(valid)
    }

    fn outputs(&mut self) {
        let mut replaced = BTreeSet::new();
        for (index, output) in self.graph.outputs().iter().enumerate() {
            if let Err(mistake) = self.output(output, &mut replaced) {
                let texts = returned(self.graph, self.names());
                let before = return_line(&texts[..index]);
                let column = before.chars().count() + if index > 0 { 3 } else { 2 };
                let part = (column, texts[index].chars().count());
                self.report(return_line(&texts), Some(part), mistake);
            }
        }
    }

    fn output(&self, output: &Output, replaced: &mut BTreeSet<NodeId>) -> Result<(), Mistake> {
        let Some(ty) = self.graph.try_ty(output.value) else {
            return Err(Mistake::new("an output is a result that does not exist"));
        };
        let Some(state) = output.replaces else { return Ok(()) };
        let (name, next) = (|| self.names().of(state), || self.names().of(output.value));
        let parameter = self.graph.parameter(state).filter(|_| self.graph.is_input(state));
        match parameter {
            None => Err(format!("{} replaces a value that is not an input", next()).into()),
            Some(p) if p.kind != ParameterKind::State => {
                Err(format!("{} replaces {}, which is data and not state", next(), name()).into())
            }
            Some(p) if p.ty != *ty => {
                let (name, next) = (name(), next());
                Err(format!("{next} is {ty} and cannot replace {name}, which is {}", p.ty).into())
            }
            Some(_) if !replaced.insert(state) => {
                Err(format!("the state {} is replaced twice", name()).into())
            }
            Some(_) => Ok(()),
        }
    }
}

/// The nodes of a cycle, the first of them again at the end; `None` if there is none. `ordered` is
/// the graph's order.
fn cycle(graph: &Graph, ordered: &[NodeId]) -> Option<Vec<NodeId>> {
    if ordered.len() == graph.len() {
        return None;
    }
    let ordered: FxHashSet<NodeId> = ordered.iter().copied().collect();
    // A node without a position has an operand without one, so that this walk reaches a node twice.
    let mut path = vec![graph.ids().find(|id| !ordered.contains(id))?];
    let mut positions = FxHashMap::from_iter([(path[0], 0)]);
    loop {
        let operands = graph.operands(*path.last()?);
        let next = operands.iter().map(|v| v.node).find(|id| !ordered.contains(id))?;
        path.push(next);
        if let Some(start) = positions.insert(next, path.len() - 1) {
            let mut cycle = path.split_off(start);
            cycle.reverse();
            return Some(cycle);
        }
    }
}
