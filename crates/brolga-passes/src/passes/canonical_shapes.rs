//! Brings `transpose`, `reshape` and `broadcast` into the one form that fusion looks for.
//!
//! ```text
//! %1: f32[4,8] = broadcast %b {shape=[4,8]}
//! %2: f32[4,8] = add %0, %1                        →   %1: f32[4,8] = add %0, %b
//!
//! %1: f32[6] = reshape %0 {shape=[6]}
//! %2: f32[3,2] = reshape %1 {shape=[3,2]}          →   %1: f32[3,2] = reshape %0 {shape=[3,2]}
//!
//! %1: f32[4] = reduce_max %0 {axes=[1], keepdims=false}
//! %2: f32[4,1] = reshape %1 {shape=[4,1]}          →   %1: f32[4,1] = reduce_max %0
//!                                                        {axes=[1], keepdims=true}
//!
//! %1: f32[4,8] = transpose %w {permutation=[1,0]}
//! %2: f32[2,8] = matmul %x, %1                     →   %1: f32[2,8] = matmul %x, %w
//!                                                        {transpose_b=true}
//! ```
//!
//! 1. Successive changes of one kind compose; one that changes nothing is removed; one that moves
//!    no element becomes a `reshape`, which is free.
//! 2. An elementwise op reads the operand of a `broadcast`, or of a `reshape` that adds leading
//!    axes of extent 1, and the scalar of a splat constant: elementwise ops broadcast their
//!    operands. Refused where the op's result would lose its shape.
//! 3. A `reshape` moves after the elementwise op that uses it, if all operands come from the same
//!    shape or are one element. So the op can be fused with the producer of its operand, and the
//!    `reshape` becomes a view of the result. Refused between roles, which are not fused anyway.
//! 4. A reduction of rows, with the ops on its result, whose value is reshaped to `[r.., 1]` is
//!    computed in that shape (`keepdims=true`), because only so can the same kernel repeat it along
//!    the row. Rule 3 leaves these reshapes alone, so that it does not undo this one.
//!
//! These ops compute nothing, so no bit can change.

mod keep_axis;

use brolga_ir::ops::{self, Broadcast, Matmul, Reshape, Transpose};
use brolga_ir::{Graph, Mistake, NodeId, Op, Shape, Value};

use self::keep_axis::{adds_last_axis, is_of_rows, keep_last_axis};
use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};
use crate::values::{add_splat, elements, splat};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct CanonicalShapes;

impl Pass for CanonicalShapes {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        super::sweep(graph, rewrites, |graph, id, rewrites| match &graph.node(id).op {
            Op::Reshape(_) => reshape(graph, id, rewrites),
            Op::Transpose(_) => transpose(graph, id, rewrites),
            Op::Broadcast(_) => broadcast(graph, id, rewrites),
            Op::Matmul(_) => matmul(graph, id, rewrites),
            op if op.is_elementwise() => {
                repeat_by_itself(graph, id, rewrites)?;
                sink(graph, id, rewrites)
            }
            _ => Ok(None),
        })
    }
}

const NOTHING: Rule = Rule { name: "remove what changes nothing", reason: "shapes are the same" };
const COMPOSE: Rule = Rule { name: "compose", reason: "two changes of shape are one" };
const RESHAPE_ONE: Rule =
    Rule { name: "reshape the element that is repeated", reason: "a reshape of copies is copies" };
const MOVES_NOTHING: Rule = Rule { name: "to a reshape", reason: "elements stay in their order" };
const KEEP_AXIS: Rule =
    Rule { name: "keep the reduced axis", reason: "the reshape after it only adds it again" };
const INTO_MATMUL: Rule =
    Rule { name: "transpose inside of matmul", reason: "the product reads either order" };
const REPEAT: Rule =
    Rule { name: "broadcast by the op", reason: "elementwise ops broadcast their operands" };
const SINK: Rule =
    Rule { name: "reshape later", reason: "an elementwise op is the same in any shape" };

/// The operand of a node that has one.
fn operand(graph: &Graph, id: NodeId) -> Value {
    graph.operands(id)[0]
}

fn reshape(
    graph: &mut Graph,
    id: NodeId,
    rewrites: &mut Rewrites,
) -> Result<Option<Value>, Mistake> {
    let x = operand(graph, id);
    let (shape, origin) = (graph.ty(id.into()).shape.clone(), graph.node(id).origin.clone());
    if graph.ty(x).shape == shape {
        return Ok(rewrites.allow(&NOTHING, graph, id).then_some(x));
    }
    match &graph.node(x.node).op {
        Op::Reshape(_) if rewrites.allow(&COMPOSE, graph, id) => {
            graph.add(Reshape { shape }, &[operand(graph, x.node)], origin).map(Some)
        }
        Op::Broadcast(_) if elements(graph, operand(graph, x.node)) == 1 => {
            if !rewrites.allow(&RESHAPE_ONE, graph, id) {
                return Ok(None);
            }
            let one = Reshape { shape: Shape::scalar() };
            let one = graph.add(one, &[operand(graph, x.node)], origin.clone())?;
            graph.add(Broadcast { shape }, &[one], origin).map(Some)
        }
        _ if adds_last_axis(&graph.ty(x).shape, &shape) && is_of_rows(graph, x) => {
            if !rewrites.allow(&KEEP_AXIS, graph, id) {
                return Ok(None);
            }
            keep_last_axis(graph, x).map(Some)
        }
        _ => Ok(None),
    }
}

fn transpose(
    graph: &mut Graph,
    id: NodeId,
    rewrites: &mut Rewrites,
) -> Result<Option<Value>, Mistake> {
    let Op::Transpose(Transpose { permutation }) = &graph.node(id).op else { return Ok(None) };
    let x = operand(graph, id);
    let (shape, origin) = (graph.ty(id.into()).shape.clone(), graph.node(id).origin.clone());
    if permutation.iter().copied().eq(0..shape.rank()) {
        return Ok(rewrites.allow(&NOTHING, graph, id).then_some(x));
    }
    if let Op::Transpose(inner) = &graph.node(x.node).op {
        let permutation = permutation.iter().map(|&axis| inner.permutation[axis]).collect();
        if !rewrites.allow(&COMPOSE, graph, id) {
            return Ok(None);
        }
        let x = operand(graph, x.node);
        return graph.add(Transpose { permutation }, &[x], origin).map(Some);
    }
    let from = &graph.ty(x).shape;
    let moved = permutation.iter().filter(|&&axis| from[axis] != 1);
    if moved.is_sorted() && rewrites.allow(&MOVES_NOTHING, graph, id) {
        return graph.add(Reshape { shape }, &[x], origin).map(Some);
    }
    Ok(None)
}

fn broadcast(
    graph: &mut Graph,
    id: NodeId,
    rewrites: &mut Rewrites,
) -> Result<Option<Value>, Mistake> {
    let x = operand(graph, id);
    let (shape, origin) = (graph.ty(id.into()).shape.clone(), graph.node(id).origin.clone());
    let from = &graph.ty(x).shape;
    if *from == shape {
        return Ok(rewrites.allow(&NOTHING, graph, id).then_some(x));
    }
    if let Some(x) = repeated(graph, x)
        && rewrites.allow(&COMPOSE, graph, id)
    {
        return graph.add(Broadcast { shape }, &[x], origin).map(Some);
    }
    if from.elements() == shape.elements() && rewrites.allow(&MOVES_NOTHING, graph, id) {
        return graph.add(Reshape { shape }, &[x], origin).map(Some);
    }
    Ok(None)
}

/// The value that NumPy's rule broadcasts to this one, if there is one.
fn repeated(graph: &Graph, value: Value) -> Option<Value> {
    let node = graph.node(value.node);
    match &node.op {
        Op::Broadcast(_) => Some(operand(graph, value.node)),
        Op::Reshape(_) => {
            let x = operand(graph, value.node);
            let (from, to) = (&graph.ty(x).shape, &node.types[0].shape);
            let leading = to.rank().checked_sub(from.rank())?;
            (to[leading..] == from[..]).then_some(x)
        }
        _ => None,
    }
}

fn matmul(
    graph: &mut Graph,
    id: NodeId,
    rewrites: &mut Rewrites,
) -> Result<Option<Value>, Mistake> {
    let Op::Matmul(mut op) = graph.node(id).op else { return Ok(None) };
    let mut operands = graph.operands(id);
    let before = operands.clone();
    for (operand, flag) in operands.iter_mut().zip([&mut op.transpose_a, &mut op.transpose_b]) {
        if let Op::Transpose(Transpose { permutation }) = &graph.node(operand.node).op {
            let rank = permutation.len();
            let exchanged = (0..rank - 2).chain([rank - 1, rank - 2]);
            if permutation.iter().copied().eq(exchanged) {
                *operand = self::operand(graph, operand.node);
                *flag = !*flag;
            }
        }
    }
    if operands == before || !rewrites.allow(&INTO_MATMUL, graph, id) {
        return Ok(None);
    }
    let origin = graph.node(id).origin.clone();
    graph.add(Matmul { ..op }, &operands, origin).map(Some)
}

/// Rule 2, by changing operands in place.
fn repeat_by_itself(graph: &mut Graph, id: NodeId, rewrites: &mut Rewrites) -> Result<(), Mistake> {
    let shape = graph.ty(id.into()).shape.clone();
    let mut operands = graph.operands(id);
    for slot in 0..operands.len() {
        loop {
            let value = operands[slot];
            let constant = splat(graph, value).filter(|c| c.ty().shape.rank() > 0);
            let source = if constant.is_some() {
                Shape::scalar()
            } else {
                match repeated(graph, value) {
                    Some(source) => graph.ty(source).shape.clone(),
                    None => break,
                }
            };
            let mut others = (0..operands.len()).filter(|&other| other != slot);
            let result = others
                .try_fold(source, |shape, other| shape.broadcast(&graph.ty(operands[other]).shape));
            if result.as_ref() != Some(&shape) || !rewrites.allow(&REPEAT, graph, id) {
                break;
            }
            let new = match constant.map(|c| c.value().clone()) {
                Some(element) => {
                    let origin = graph.node(value.node).origin.clone();
                    add_splat(graph, &element, Shape::scalar(), origin)?
                }
                None => repeated(graph, value).expect("it was found above"),
            };
            graph.set_operand(id, slot, new);
            operands[slot] = new;
        }
    }
    Ok(())
}

/// Rule 3.
fn sink(graph: &mut Graph, id: NodeId, rewrites: &mut Rewrites) -> Result<Option<Value>, Mistake> {
    let shape = graph.ty(id.into()).shape.clone();
    let mut operands = graph.operands(id);
    let mut source: Option<Shape> = None;
    for operand in &mut operands {
        if elements(graph, *operand) == 1 {
            continue;
        }
        if !matches!(graph.node(operand.node).op, Op::Reshape(_))
            || graph.ty(*operand).shape != shape
        {
            return Ok(None);
        }
        *operand = self::operand(graph, operand.node);
        let from = &graph.ty(*operand).shape;
        if source.as_ref().is_some_and(|source| source != from) || adds_last_axis(from, &shape) {
            return Ok(None);
        }
        if graph.node(operand.node).origin.role != graph.node(id).origin.role {
            return Ok(None);
        }
        source = Some(from.clone());
    }
    let Some(source) = source else { return Ok(None) };
    if !rewrites.allow(&SINK, graph, id) {
        return Ok(None);
    }
    let origin = graph.node(id).origin.clone();
    for operand in &mut operands {
        let own = &graph.ty(*operand).shape;
        if own.elements() == 1 && own.rank() > source.rank() {
            let one = Reshape { shape: Shape::scalar() };
            *operand = graph.add(one, &[*operand], origin.clone())?;
        }
    }
    let op = graph.node(id).op.clone();
    let value = graph.add(op, &operands, origin.clone())?;
    graph.add(ops::Reshape { shape }, &[value], origin).map(Some)
}

#[cfg(test)]
mod tests {
    use super::CanonicalShapes;
    use crate::testing::{refuses, run};

    #[test]
    fn neighbours_compose() {
        let text = "graph f(%x: f32[2,3,4], %s: f32[1]) {
            %0: f32[6,4] = reshape %x {shape=[6,4]}
            %1: f32[24] = reshape %0 {shape=[24]}
            %2: f32[4,2,3] = transpose %x {permutation=[2,0,1]}
            %3: f32[3,4,2] = transpose %2 {permutation=[2,0,1]}
            %4: f32[2,3,4] = transpose %3 {permutation=[2,0,1]}
            %5: f32[3,1] = broadcast %s {shape=[3,1]}
            %6: f32[3,3] = broadcast %5 {shape=[3,3]}
            %7: f32[9] = reshape %6 {shape=[9]}
            return %1, %3, %4, %7
        }";
        insta::assert_snapshot!(run(CanonicalShapes, text), @r"
        graph f(%x: f32[2,3,4], %s: f32[1]) {
          %0: f32[24] = reshape %x {shape=[24]}
          %1: f32[3,4,2] = transpose %x {permutation=[1,2,0]}
          %2: f32[] = reshape %s {shape=[]}
          %3: f32[9] = broadcast %2 {shape=[9]}
          return %0, %1, %x, %3
        }
        ");
    }

    #[test]
    fn what_moves_nothing_is_a_view() {
        let text = "graph f(%x: f32[1,3,1,4]) {
            %0: f32[3,1,4,1] = transpose %x {permutation=[1,0,3,2]}
            %1: f32[1,1,3,1,4] = broadcast %x {shape=[1,1,3,1,4]}
            return %0, %1
        }";
        insta::assert_snapshot!(run(CanonicalShapes, text), @r"
        graph f(%x: f32[1,3,1,4]) {
          %0: f32[3,1,4,1] = reshape %x {shape=[3,1,4,1]}
          %1: f32[1,1,3,1,4] = reshape %x {shape=[1,1,3,1,4]}
          return %0, %1
        }
        ");
    }

    #[test]
    fn products_read_transposed_operands() {
        let text = "graph f(%x: f32[5,2,3], %w: f32[5,4,3]) {
            %0: f32[5,3,2] = transpose %x {permutation=[0,2,1]}
            %1: f32[5,3,4] = transpose %w {permutation=[0,2,1]}
            %2: f32[5,2,4] = matmul %0, %1 {transpose_a=true, transpose_b=false}
            return %2
        }";
        insta::assert_snapshot!(run(CanonicalShapes, text), @r"
        graph f(%x: f32[5,2,3], %w: f32[5,4,3]) {
          %0: f32[5,2,4] = matmul %x, %w {transpose_a=false, transpose_b=true}
          return %0
        }
        ");
    }

    #[test]
    fn elementwise_ops_repeat_by_themselves() {
        let text = "graph f(%x: f32[3,4], %b: f32[4], %s: f32[]) {
            %0: f32[3,4] = broadcast %b {shape=[3,4]}
            %1: f32[3,4] = add %x, %0
            %2: f32[1,4] = reshape %b {shape=[1,4]}
            %3: f32[3,4] = mul %1, %2
            %4: f32[3,4] = constant {value=2}
            %5: f32[3,4] = sub %3, %4
            return %5
        }";
        insta::assert_snapshot!(run(CanonicalShapes, text), @r"
        graph f(%x: f32[3,4], %b: f32[4], %s: f32[]) {
          %0: f32[3,4] = add %x, %b
          %1: f32[3,4] = mul %0, %b
          %2: f32[] = constant {value=2}
          %3: f32[3,4] = sub %1, %2
          return %3
        }
        ");
    }

    #[test]
    fn the_last_operand_with_the_shape_keeps_it() {
        let text = "graph f(%a: f32[4], %s: f32[]) {
            %0: f32[3,4] = broadcast %a {shape=[3,4]}
            %1: f32[3,4] = broadcast %s {shape=[3,4]}
            %2: f32[3,4] = add %0, %1
            %3: f32[3,4] = exp %1
            return %2, %3
        }";
        insta::assert_snapshot!(run(CanonicalShapes, text), @r"
        graph f(%a: f32[4], %s: f32[]) {
          %0: f32[3,4] = broadcast %s {shape=[3,4]}
          %1: f32[3,4] = add %a, %0
          %2: f32[3,4] = exp %0
          return %1, %2
        }
        ");
    }

    #[test]
    fn views_move_after_elementwise_ops() {
        let text = "graph f(%x: f32[6,4], %y: f32[6,4], %s: f32[1,1,1]) {
            %0: f32[2,3,4] = reshape %x {shape=[2,3,4]}
            %1: f32[2,3,4] = reshape %y {shape=[2,3,4]}
            %2: f32[2,3,4] = add %0, %1
            %3: f32[2,3,4] = mul %2, %s
            return %3
        }";
        insta::assert_snapshot!(run(CanonicalShapes, text), @r"
        graph f(%x: f32[6,4], %y: f32[6,4], %s: f32[1,1,1]) {
          %0: f32[6,4] = add %x, %y
          %1: f32[] = reshape %s {shape=[]}
          %2: f32[6,4] = mul %0, %1
          %3: f32[2,3,4] = reshape %2 {shape=[2,3,4]}
          return %3
        }
        ");
    }

    #[test]
    fn views_of_different_shapes_or_roles_stay() {
        refuses(
            CanonicalShapes,
            "graph f(%x: f32[6], %y: f32[3,2], %z: f32[2,3]) {
                %0: f32[2,3] = reshape %x {shape=[2,3]}
                %1: f32[2,3] = reshape %y {shape=[2,3]}
                %2: f32[2,3] = add %0, %1
                %3: f32[2,3] = add %0, %z
                return %2, %3
            }",
        );
        refuses(
            CanonicalShapes,
            "graph f(%x: f32[6]) {
                %0: f32[6] = exp %x #backward
                %1: f32[2,3] = reshape %0 {shape=[2,3]} #backward
                %2: f32[2,3] = neg %1 #update
                return %2
            }",
        );
    }

    #[test]
    fn reduced_axes_that_come_back_are_kept() {
        let text = "graph f(%x: f32[3,5]) {
            %0: f32[3] = reduce_sum %x {axes=[1], keepdims=false}
            %1: f32[3] = log %0
            %2: f32[3,1] = reshape %1 {shape=[3,1]}
            %3: f32[3,5] = broadcast %2 {shape=[3,5]}
            %4: f32[3,5] = sub %x, %3
            return %4, %1
        }";
        insta::assert_snapshot!(run(CanonicalShapes, text), @r"
        graph f(%x: f32[3,5]) {
          %0: f32[3,1] = reduce_sum %x {axes=[1], keepdims=true}
          %1: f32[3,1] = log %0
          %2: f32[3,5] = sub %x, %1
          %3: f32[3] = reshape %1 {shape=[3]}
          return %2, %3
        }
        ");
    }

    #[test]
    fn operands_without_elements_get_the_axis_too() {
        let text = "graph f(%x: f32[0,2,3], %w: f32[0,1]) {
            %0: f32[0,2] = reduce_mean %x {axes=[2], keepdims=false}
            %1: f32[0,2] = mul %w, %0
            %2: f32[0,2,1] = reshape %1 {shape=[0,2,1]}
            return %2
        }";
        insta::assert_snapshot!(run(CanonicalShapes, text), @r"
        graph f(%x: f32[0,2,3], %w: f32[0,1]) {
          %0: f32[0,1,1] = reshape %w {shape=[0,1,1]}
          %1: f32[0,2,1] = reduce_mean %x {axes=[2], keepdims=true}
          %2: f32[0,2,1] = mul %0, %1
          return %2
        }
        ");
    }

    #[test]
    fn reduced_axes_that_stay_away_are_dropped() {
        refuses(
            CanonicalShapes,
            "graph f(%x: f32[3,5], %w: f32[3]) {
                %0: f32[3] = reduce_sum %x {axes=[1], keepdims=false}
                %1: f32[3] = mul %0, %w
                %2: f32[3,1] = reshape %w {shape=[3,1]}
                %3: f32[1,3] = reshape %1 {shape=[1,3]}
                return %1, %2, %3
            }",
        );
    }
}
