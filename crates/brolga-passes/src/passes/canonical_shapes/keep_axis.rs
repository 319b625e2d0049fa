//! Rule 4: reductions of rows keep their axis.

use brolga_ir::op::Family;
use brolga_ir::ops::Reshape;
use brolga_ir::{Graph, Mistake, Op, Shape, Value};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::region::rows::{reduced_domain, row_reduction};
use crate::values::elements;

/// The longest chain of ops between a reduction and a reshape that is followed.
const MAX_CHAIN: usize = 16;

pub(super) fn adds_last_axis(from: &Shape, to: &Shape) -> bool {
    to.split_last().is_some_and(|(&last, rest)| last == 1 && rest == &from[..])
}

/// Whether the value is a reduction along the last axis that drops it, or is computed elementwise
/// of such reductions. Chains of more than [`MAX_CHAIN`] ops are not followed.
pub(super) fn is_of_rows(graph: &Graph, value: Value) -> bool {
    let (mut values, mut seen) = (vec![value], FxHashSet::from_iter([value]));
    for _ in 0..=MAX_CHAIN {
        if values.iter().any(|&value| is_row_reduction(graph, value)) {
            return true;
        }
        let chained = values.iter().filter(|value| graph.node(value.node).op.is_elementwise());
        let same = |v: &Value| graph.ty(*v).shape == graph.ty(value).shape;
        let operands = chained.flat_map(|value| graph.operands(value.node)).filter(same);
        values = operands.filter(|&operand| seen.insert(operand)).collect();
    }
    false
}

/// Whether the value is a reduction along the last axis that drops it.
fn is_row_reduction(graph: &Graph, value: Value) -> bool {
    row_reduction(&graph.node(value.node).op).is_some_and(|(axes, keepdims)| {
        !keepdims && axes.len() == 1 && reduced_domain(graph, value.node).is_some()
    })
}

/// A node that is being recomputed with its last axis kept.
struct Keeping {
    value: Value,
    op: Op,
    operands: SmallVec<[Value; 4]>,
    /// How many operands have been recomputed.
    done: usize,
}

impl Keeping {
    fn new(graph: &Graph, value: Value) -> Self {
        let (op, operands) = (&graph.node(value.node).op, graph.operands(value.node));
        match keeping_axes(op) {
            Some(op) => Self { value, op, done: operands.len(), operands },
            None => Self { value, op: op.clone(), operands, done: 0 },
        }
    }
}

/// Recomputes such a value, and those of its operands that are such values, as `[r.., 1]`; the
/// other uses read views.
pub(super) fn keep_last_axis(graph: &mut Graph, value: Value) -> Result<Value, Mistake> {
    let mut kept: FxHashMap<Value, Value> = FxHashMap::default();
    let mut stack = vec![Keeping::new(graph, value)];
    while let Some(Keeping { value, op, operands, done }) = stack.last_mut() {
        let origin = graph.node(value.node).origin.clone();
        let Some(operand) = operands.get_mut(*done) else {
            let shape = graph.ty(*value).shape.clone();
            let new = graph.add(op.clone(), operands, origin.clone())?;
            let view = graph.add(Reshape { shape }, &[new], origin)?;
            graph.replace(*value, view);
            kept.insert(*value, new);
            stack.pop();
            continue;
        };
        if let Some(&new) = kept.get(operand) {
            *operand = new;
        } else if is_of_rows(graph, *operand) {
            let operand = *operand;
            stack.push(Keeping::new(graph, operand));
            continue;
        } else if elements(graph, *operand) != 1 {
            let shape = graph.ty(*operand).shape.iter().copied().chain([1]).collect();
            *operand = graph.add(Reshape { shape }, &[*operand], origin)?;
        }
        *done += 1;
    }
    Ok(kept[&value])
}

/// The same reduction with `keepdims`.
fn keeping_axes(op: &Op) -> Option<Op> {
    match op.family() {
        Family::Reduction { axes, .. } => op.over(axes, true),
        _ => None,
    }
}
