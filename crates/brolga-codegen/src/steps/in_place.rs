//! Carries that a step changes in a few places: they stay where they are, and a step writes only
//! what it changes.
//!
//! Such a carry is the operand of a kernel whose op [updates](brolga_ir::op::Operation::updated) it,
//! whose result is updated by the next one, and so on; the last result is the next carry. Whoever
//! reads a table does so before it is changed, so that kernels of a step may change their places.

use brolga_ir::{Graph, NodeId, Op, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::general::updating;

/// The kernels of a body in the order in which they run, and those that change a carry in place.
#[derive(Debug, Default)]
pub(super) struct InPlace {
    pub(super) order: Vec<NodeId>,
    /// The kernels that change each carry, in order; none if it moves.
    pub(super) chains: Vec<Vec<NodeId>>,
}

impl InPlace {
    /// Whether this kernel changes a carry in place.
    pub(super) fn changes(&self, id: NodeId) -> bool {
        self.chains.iter().any(|chain| chain.contains(&id))
    }
}

/// Finds the carries that can stay where they are.
pub(super) fn in_place(body: &Graph, carries: usize) -> InPlace {
    let mut found = InPlace { order: body.order(), chains: vec![Vec::new(); carries] };
    let mut before: Vec<(NodeId, NodeId)> = Vec::new();
    for index in 0..carries {
        let Some(chain) = chain(body, index) else { continue };
        let mut edges = before.clone();
        edges.extend(chain.iter().flat_map(|&(target, kernel)| {
            let readers = readers(body, target).into_iter();
            readers.filter(move |&reader| reader != kernel).map(move |reader| (reader, kernel))
        }));
        if let Some(order) = ordered(body, &edges) {
            found.order = order;
            found.chains[index] = chain.into_iter().map(|(_, kernel)| kernel).collect();
            before = edges;
        }
    }
    found
}

/// The value whose memory a view is.
pub(super) fn root(body: &Graph, mut value: Value) -> Value {
    while let Op::Reshape(_) = body.node(value.node).op {
        value = body.operands(value.node)[0];
    }
    value
}

/// The kernels that make the next value of a carry of it, with the value that each changes, in
/// order. No other output is one of these values.
fn chain(body: &Graph, index: usize) -> Option<Vec<(Value, NodeId)>> {
    let carry = Value::from(body.inputs()[index]);
    let roots: Vec<Value> = body.outputs().iter().map(|output| root(body, output.value)).collect();
    let (mut chain, mut value) = (Vec::new(), roots[index]);
    while value != carry {
        if roots.iter().filter(|root| **root == value).count() > usize::from(chain.is_empty()) {
            return None;
        }
        let target = target(body, value)?;
        chain.push((target, value.node));
        value = target;
    }
    chain.reverse();
    (!chain.is_empty() && !roots.contains(&carry)).then_some(chain)
}

/// The value that the kernel of this one changes, and reads in no other way.
fn target(body: &Graph, value: Value) -> Option<Value> {
    let Op::Kernel(kernel) = &body.node(value.node).op else { return None };
    let inner = &kernel.body;
    let id = updating(inner)?;
    let slot = inner.node(id).op.definition().updated()?;
    let input = inner.operands(id)[slot].node;
    let place = inner.inputs().iter().position(|&other| other == input)?;
    let operands: Vec<Value> =
        body.operands(value.node).iter().map(|&operand| root(body, operand)).collect();
    let target = operands[place];
    let alone = operands.iter().filter(|operand| **operand == target).count() == 1;
    let once = inner.uses(input).len() == 1;
    (alone && once && body.ty(target) == body.ty(value)).then_some(target)
}

/// The kernels that read a value or a view of it.
fn readers(body: &Graph, value: Value) -> Vec<NodeId> {
    let (mut readers, mut views) = (Vec::new(), vec![value]);
    while let Some(value) = views.pop() {
        for user in body.users_of(value) {
            match body.node(user).op {
                Op::Reshape(_) => views.push(user.into()),
                _ => readers.push(user),
            }
        }
    }
    readers
}

/// An order of the nodes in which operands come before their users, and the first of each of these
/// pairs before the second; `None` if there is none. It is the graph's own where that is one.
fn ordered(body: &Graph, before: &[(NodeId, NodeId)]) -> Option<Vec<NodeId>> {
    let own = body.order();
    let mut firsts: FxHashMap<NodeId, Vec<NodeId>> = FxHashMap::default();
    for &(first, second) in before {
        firsts.entry(second).or_default().push(first);
    }
    let (mut done, mut open) = (FxHashSet::default(), FxHashSet::default());
    let mut order = Vec::with_capacity(own.len());
    for &id in &own {
        // What has to come before a node is written before it.
        let mut stack = vec![(id, false)];
        while let Some((id, is_ready)) = stack.pop() {
            if done.contains(&id) {
                continue;
            }
            if is_ready {
                open.remove(&id);
                done.insert(id);
                order.push(id);
                continue;
            }
            if !open.insert(id) {
                return None;
            }
            stack.push((id, true));
            let more = firsts.get(&id).into_iter().flatten().copied();
            let needed = body.producers(id).chain(more);
            for first in needed.filter(|first| !done.contains(first)) {
                if open.contains(&first) {
                    return None;
                }
                stack.push((first, false));
            }
        }
    }
    Some(order)
}
