//! Questions about values that many passes ask.

use brolga_ir::ops::Constant;
use brolga_ir::{Data, Graph, Mistake, NodeId, Op, Origin, Shape, Type, Value};

/// The constant that a value is.
pub(crate) fn constant(graph: &Graph, value: Value) -> Option<&Constant> {
    match &graph.node(value.node).op {
        Op::Constant(constant) => Some(constant),
        _ => None,
    }
}

/// The constant that a value is, if all its elements are the same.
pub(crate) fn splat(graph: &Graph, value: Value) -> Option<&Constant> {
    constant(graph, value).filter(|constant| constant.value().len() == 1)
}

/// Whether all elements of a value are this number, bit for bit: +0 is not −0.
pub(crate) fn is_splat_of(graph: &Graph, value: Value, number: f64) -> bool {
    splat(graph, value).is_some_and(|c| *c.value() == Data::from_f64(c.ty().dtype, &[number]))
}

/// Adds a constant whose elements are all the one of `scalar`.
pub(crate) fn add_splat(
    graph: &mut Graph,
    scalar: &Data,
    shape: Shape,
    origin: Origin,
) -> Result<Value, Mistake> {
    let value = if shape.elements() == 0 { Data::zeros(scalar.dtype(), 0) } else { scalar.clone() };
    let constant = Constant::of(Type { dtype: scalar.dtype(), shape }, value)?;
    graph.add(constant, &[], origin)
}

/// The number of elements of a value.
pub(crate) fn elements(graph: &Graph, value: Value) -> usize {
    graph.ty(value).shape.elements()
}

/// Whether nodes of this op may stand in a body as elementwise ops.
pub(crate) fn is_elementwise(graph: &Graph, node: NodeId) -> bool {
    graph.node(node).op.is_elementwise()
}

/// The results of a node.
pub(crate) fn results(graph: &Graph, node: NodeId) -> impl Iterator<Item = Value> + use<> {
    (0..graph.node(node).types.len() as u32).map(move |port| Value { node, port })
}

/// Whether any result of a node is returned.
pub(crate) fn is_returned(graph: &Graph, node: NodeId) -> bool {
    results(graph, node).any(|value| graph.is_output(value))
}

/// Whether an operand can be read while a value of this shape is produced: it has the same shape,
/// or is one row along the last axis, or one element.
pub(crate) fn streams(graph: &Graph, operand: Value, shape: &Shape) -> bool {
    let own = &graph.ty(operand).shape;
    let one_row = || {
        let (Some((last, leading)), Some(extent)) = (own.split_last(), shape.last()) else {
            return false;
        };
        last == extent && leading.iter().all(|&extent| extent == 1) && own.rank() <= shape.rank()
    };
    own == shape || elements(graph, operand) == 1 || one_row()
}

/// Whether an operand broadcasts to this shape.
pub(crate) fn broadcasts(graph: &Graph, operand: Value, shape: &Shape) -> bool {
    graph.ty(operand).shape.broadcasts_to(shape)
}

/// Whether an operand has the shape or is one element.
pub(crate) fn same_or_one(graph: &Graph, operand: Value, shape: &Shape) -> bool {
    graph.ty(operand).shape == *shape || elements(graph, operand) == 1
}

/// Whether an operand broadcasts to this shape and has all of the axes from `split` on or none: one
/// element for each column, or one for all columns.
pub(crate) fn repeats_columns(graph: &Graph, operand: Value, shape: &Shape, split: usize) -> bool {
    let own = &graph.ty(operand).shape;
    if !own.broadcasts_to(shape) {
        return false;
    }
    let missing = shape.rank() - own.rank();
    let repeated = |axis: usize| axis < missing || own[axis - missing] != shape[axis];
    let mut columns = (split..shape.rank()).filter(|&axis| shape[axis] != 1).map(repeated);
    columns.next().is_none_or(|first| columns.all(|other| other == first))
}
