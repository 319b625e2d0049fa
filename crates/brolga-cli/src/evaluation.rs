//! Every value of a graph as the interpreter computes it, those inside of kernels and functions
//! included.

use std::collections::HashMap;
use std::rc::Rc;

use brolga_ir::{Graph, NodeId, Op, Tensor, Type, Uid};

/// A result of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The calls that it is computed in, from the outermost: functions have nodes of their own.
    pub(crate) calls: Vec<Uid>,
    /// The identity of the node.
    pub(crate) node: Uid,
    /// The index of the result.
    pub(crate) port: u32,
}

/// `n12`, `n12.1` for a later result, `n3/n12` inside of a call.
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.calls.iter().try_for_each(|call| write!(f, "{call}/"))?;
        write!(f, "{}", self.node)?;
        if self.port > 0 { write!(f, ".{}", self.port) } else { Ok(()) }
    }
}

/// A node that has been computed.
pub(crate) struct Computed<'a> {
    /// The graph or the body that the node is in.
    pub(crate) graph: &'a Graph,
    pub(crate) id: NodeId,
    /// Whether the node is inside of a body.
    pub(crate) inside: bool,
    /// The calls around it.
    pub(crate) calls: &'a [Uid],
    pub(crate) operands: &'a [&'a Tensor],
    pub(crate) results: &'a [&'a Tensor],
}

impl Computed<'_> {
    pub(crate) fn key(&self, port: usize) -> Key {
        Key { calls: self.calls.to_vec(), node: self.graph.uid(self.id), port: port as u32 }
    }
}

/// Evaluates a valid graph on inputs of its types; `visit` sees every node, inputs included, in the
/// order of evaluation. The nodes of a kernel or a function come before the node that holds them;
/// those of loops, which are computed many times, are not seen. Returns the outputs.
pub(crate) fn evaluate(
    graph: &Graph,
    inputs: &[Tensor],
    visit: &mut dyn FnMut(&Computed<'_>),
) -> Vec<Tensor> {
    let inputs = inputs.iter().cloned().map(Rc::new).collect();
    let outputs = walk(graph, inputs, &mut Vec::new(), false, visit);
    outputs.into_iter().map(Rc::unwrap_or_clone).collect()
}

fn walk(
    graph: &Graph,
    inputs: Vec<Rc<Tensor>>,
    calls: &mut Vec<Uid>,
    inside: bool,
    visit: &mut dyn FnMut(&Computed<'_>),
) -> Vec<Rc<Tensor>> {
    let order = graph.order();
    let mut uses: HashMap<NodeId, usize> = HashMap::new();
    for &id in &order {
        graph.producers(id).for_each(|producer| *uses.entry(producer).or_default() += 1);
    }
    graph.outputs().iter().for_each(|output| *uses.entry(output.value.node).or_default() += 1);
    let mut values: HashMap<NodeId, Vec<Rc<Tensor>>> = HashMap::new();
    for (&id, tensor) in graph.inputs().iter().zip(inputs) {
        if !inside {
            visit(&Computed { graph, id, inside, calls, operands: &[], results: &[&tensor] });
        }
        values.insert(id, vec![tensor]);
    }
    for id in order {
        let node = graph.node(id);
        if matches!(node.op, Op::Parameter(_)) {
            continue;
        }
        let operands: Vec<Rc<Tensor>> = (graph.operands(id).iter())
            .map(|value| Rc::clone(&values[&value.node][value.port as usize]))
            .collect();
        let tensors: Vec<&Tensor> = operands.iter().map(Rc::as_ref).collect();
        let results: Vec<Rc<Tensor>> = match &node.op {
            Op::Kernel(kernel) => walk(&kernel.body, operands.clone(), calls, true, visit),
            Op::Call(call) => {
                calls.push(node.uid);
                let results = walk(&call.function, operands.clone(), calls, true, visit);
                calls.pop();
                results
            }
            op => {
                let types: &[Type] = &node.types;
                op.definition().evaluate(&tensors, types).into_iter().map(Rc::new).collect()
            }
        };
        let seen: Vec<&Tensor> = results.iter().map(Rc::as_ref).collect();
        visit(&Computed { graph, id, inside, calls, operands: &tensors, results: &seen });
        for producer in graph.producers(id) {
            if let Some(count) = uses.get_mut(&producer) {
                *count -= 1;
                if *count == 0 {
                    values.remove(&producer);
                }
            }
        }
        if uses.contains_key(&id) {
            values.insert(id, results);
        }
    }
    let output = |output: &brolga_ir::Output| {
        Rc::clone(&values[&output.value.node][output.value.port as usize])
    };
    graph.outputs().iter().map(output).collect()
}
