//! Brings reductions into the two forms that kernels compute: along the last axes, or over adjacent
//! axes before the last.
//!
//! ```text
//! %0: f32[5] = reduce_sum %x {axes=[0,2]}          →   %0: f32[4,5] = reduce_sum %x {axes=[2]}
//!                                                      %1: f32[5] = reduce_sum %0 {axes=[0]}
//!
//! %0: f32[4,6] = reduce_max %x {axes=[0,2]}
//!                                                  →   %0: f32[3,5,4,6] = transpose %x
//!                                                        {permutation=[0,2,1,3]}
//!                                                      %1: f32[4,6] = reduce_max %0 {axes=[0,1]}
//! ```
//!
//! The order of arithmetic stays that of [`brolga_ir::ops::reduce`]: *inner* axes (the longest run
//! of reduced axes that ends at the last one) are one flattened row; *outer* axes are walked in
//! row-major order, in pieces of the first one. So a reduction is one of its inner axes and then
//! one of its outer axes. Transposing the outer axes next to each other, in their order, changes
//! neither their walk nor the extent that is cut into pieces. A mean becomes a sum, a sum and a
//! division by the count, as it is defined.
//!
//! Refused: splitting sums and means of `bf16` and `f16`, whose first part would be rounded (the
//! kind `move` takes any axes).

use brolga_ir::op::{Combine, Family};
use brolga_ir::ops::reduce::inner_axes;
use brolga_ir::ops::{Div, ReduceSum, Reshape, Transpose};
use brolga_ir::{DType, Data, Graph, Mistake, NodeId, Op, Origin, Shape, Value};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};
use crate::values::add_splat;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct CanonicalReductions;

impl Pass for CanonicalReductions {
    fn is_required(&self) -> bool {
        true
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        super::sweep(graph, rewrites, canonical)
    }
}

const NO_AXES: Rule = Rule { name: "drop a reduction of nothing", reason: "no axis is reduced" };
const SPLIT: Rule =
    Rule { name: "inner part, then outer part", reason: "that is the order of arithmetic" };
const TOGETHER: Rule =
    Rule { name: "outer axes together", reason: "they are walked in the same order" };

/// How a reduction combines numbers, and along which axes.
fn reduction(op: &Op) -> Option<(Combine, &[usize])> {
    match op.family() {
        Family::Reduction { combine, axes, .. } if combine != Combine::Argmax => {
            Some((combine, axes))
        }
        _ => None,
    }
}

/// The same reduction over other axes, which it drops.
fn over(op: &Op, axes: impl IntoIterator<Item = usize>) -> Op {
    let axes: Vec<usize> = axes.into_iter().collect();
    op.over(&axes, false).unwrap_or_else(|| op.clone())
}

fn canonical(
    graph: &mut Graph,
    id: NodeId,
    rewrites: &mut Rewrites,
) -> Result<Option<Value>, Mistake> {
    let op = graph.node(id).op.clone();
    let Some((combine, axes)) = reduction(&op) else { return Ok(None) };
    let x = graph.operands(id)[0];
    let (from, origin) = (graph.ty(x).shape.clone(), graph.node(id).origin.clone());
    let result = graph.ty(id.into()).shape.clone();
    let inner = inner_axes(from.rank(), axes);
    let (outer_axes, split) = (&axes[..axes.len() - inner], from.rank() - inner);
    let value = if axes.is_empty() {
        if !rewrites.allow(&NO_AXES, graph, id) {
            return Ok(None);
        }
        x
    } else if inner > 0 && !outer_axes.is_empty() {
        if !can_split(combine, graph.ty(x).dtype) || !rewrites.allow(&SPLIT, graph, id) {
            return Ok(None);
        }
        in_two_parts(graph, &op, x, outer_axes, split, &origin)?
    } else if inner == 0 && !are_neighbours(outer_axes) {
        if !rewrites.allow(&TOGETHER, graph, id) {
            return Ok(None);
        }
        over_outer_axes(graph, &op, x, outer_axes, &origin)?
    } else {
        return Ok(None);
    };
    if graph.ty(value).shape == result {
        return Ok(Some(value));
    }
    graph.add(Reshape { shape: result }, &[value], origin).map(Some)
}

/// Whether the first part can be stored without another rounding.
fn can_split(combine: Combine, dtype: DType) -> bool {
    let rounds = match combine {
        Combine::Sum | Combine::Mean => true,
        Combine::Max | Combine::Min | Combine::Argmax => false,
    };
    !(rounds && matches!(dtype, DType::BF16 | DType::F16))
}

/// The reduction along rows, then over the outer axes.
fn in_two_parts(
    graph: &mut Graph,
    op: &Op,
    x: Value,
    outer_axes: &[usize],
    split: usize,
    origin: &Origin,
) -> Result<Value, Mistake> {
    let ty = graph.ty(x).clone();
    let parts = match op {
        Op::ReduceMean(_) => &ReduceSum { axes: Default::default(), keepdims: false }.into(),
        _ => op,
    };
    let rows = graph.add(over(parts, split..ty.shape.rank()), &[x], origin.clone())?;
    let total = over_outer_axes(graph, parts, rows, outer_axes, origin)?;
    let Op::ReduceMean(mean) = op else { return Ok(total) };
    let count = Data::from_f64(ty.dtype, &[mean.count(&ty.shape) as f64]);
    let count = add_splat(graph, &count, Shape::scalar(), origin.clone())?;
    graph.add(Div, &[total, count], origin.clone())
}

/// The reduction of axes that do not include the last one, after a transposition that makes them
/// adjacent.
fn over_outer_axes(
    graph: &mut Graph,
    op: &Op,
    x: Value,
    axes: &[usize],
    origin: &Origin,
) -> Result<Value, Mistake> {
    if are_neighbours(axes) {
        return graph.add(over(op, axes.iter().copied()), &[x], origin.clone());
    }
    let rank = graph.ty(x).shape.rank();
    let first = axes[0];
    let after = (first..rank).filter(|axis| !axes.contains(axis));
    let permutation = (0..first).chain(axes.iter().copied()).chain(after).collect();
    let together = graph.add(Transpose { permutation }, &[x], origin.clone())?;
    graph.add(over(op, first..first + axes.len()), &[together], origin.clone())
}

fn are_neighbours(axes: &[usize]) -> bool {
    axes.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

#[cfg(test)]
mod tests {
    use super::CanonicalReductions;
    use crate::testing::{refuses, run};

    fn text(op: &str, from: &str, axes: &str, keepdims: bool, to: &str) -> String {
        format!(
            "graph f(%x: {from}) {{ %0: {to} = {op} %x {{axes={axes}, keepdims={keepdims}}} return %0 }}"
        )
    }

    #[test]
    fn inner_axes_are_one_row() {
        let text = text("reduce_sum", "f32[9,3,5,7]", "[0,2,3]", false, "f32[3]");
        insta::assert_snapshot!(run(CanonicalReductions, &text), @r"
        graph f(%x: f32[9,3,5,7]) {
          %0: f32[9,3] = reduce_sum %x {axes=[2,3], keepdims=false}
          %1: f32[3] = reduce_sum %0 {axes=[0], keepdims=false}
          return %1
        }
        ");
    }

    #[test]
    fn inner_and_outer_axes_are_two_reductions() {
        let text = text("reduce_sum", "f32[9,3,20]", "[0,2]", false, "f32[3]");
        insta::assert_snapshot!(run(CanonicalReductions, &text), @r"
        graph f(%x: f32[9,3,20]) {
          %0: f32[9,3] = reduce_sum %x {axes=[2], keepdims=false}
          %1: f32[3] = reduce_sum %0 {axes=[0], keepdims=false}
          return %1
        }
        ");
    }

    #[test]
    fn a_mean_in_two_parts_divides_at_the_end() {
        let text = text("reduce_mean", "f32[9,3,20]", "[0,2]", true, "f32[1,3,1]");
        insta::assert_snapshot!(run(CanonicalReductions, &text), @r"
        graph f(%x: f32[9,3,20]) {
          %0: f32[9,3] = reduce_sum %x {axes=[2], keepdims=false}
          %1: f32[3] = reduce_sum %0 {axes=[0], keepdims=false}
          %2: f32[] = constant {value=180}
          %3: f32[3] = div %1, %2
          %4: f32[1,3,1] = reshape %3 {shape=[1,3,1]}
          return %4
        }
        ");
    }

    #[test]
    fn outer_axes_come_together_in_their_order() {
        let text = text("reduce_max", "f32[2,9,3,4,5]", "[1,3]", true, "f32[2,1,3,1,5]");
        insta::assert_snapshot!(run(CanonicalReductions, &text), @r"
        graph f(%x: f32[2,9,3,4,5]) {
          %0: f32[2,9,4,3,5] = transpose %x {permutation=[0,1,3,2,4]}
          %1: f32[2,3,5] = reduce_max %0 {axes=[1,2], keepdims=false}
          %2: f32[2,1,3,1,5] = reshape %1 {shape=[2,1,3,1,5]}
          return %2
        }
        ");
    }

    #[test]
    fn nothing_reduced_is_nothing_done() {
        let text = text("reduce_mean", "f32[5]", "[]", false, "f32[5]");
        insta::assert_snapshot!(run(CanonicalReductions, &text), @r"
        graph f(%x: f32[5]) {
          return %x
        }
        ");
    }

    #[test]
    fn the_two_forms_stay() {
        refuses(CanonicalReductions, &text("reduce_sum", "f32[9,3,20]", "[0,1]", false, "f32[20]"));
        refuses(CanonicalReductions, &text("reduce_sum", "f32[9,3,20]", "[2]", true, "f32[9,3,1]"));
        refuses(
            CanonicalReductions,
            &text("reduce_mean", "f32[9,3,20]", "[1,2]", true, "f32[9,1,1]"),
        );
        refuses(CanonicalReductions, &text("reduce_max", "f32[9,3]", "[0,1]", false, "f32[]"));
        refuses(CanonicalReductions, &text("reduce_sum", "f32[9,3,20]", "[1]", false, "f32[9,20]"));
        refuses(CanonicalReductions, &text("reduce_sum", "f32[0]", "[0]", false, "f32[]"));
    }

    #[test]
    fn sums_of_halves_are_not_rounded_in_between() {
        refuses(
            CanonicalReductions,
            &text("reduce_sum", "bf16[9,3,20]", "[0,2]", false, "bf16[3]"),
        );
        refuses(CanonicalReductions, &text("reduce_mean", "f16[9,3,20]", "[0,2]", false, "f16[3]"));
        let text = text("reduce_max", "bf16[9,3,20]", "[0,2]", false, "bf16[3]");
        insta::assert_snapshot!(run(CanonicalReductions, &text), @r"
        graph f(%x: bf16[9,3,20]) {
          %0: bf16[9,3] = reduce_max %x {axes=[2], keepdims=false}
          %1: bf16[3] = reduce_max %0 {axes=[0], keepdims=false}
          return %1
        }
        ");
    }

    #[test]
    fn empty_axes_keep_their_bits() {
        for (from, axes, to) in [
            ("f32[0,3,4]", "[0,2]", "f32[3]"),
            ("f32[2,0,4]", "[1]", "f32[2,4]"),
            ("f32[0,0]", "[0,1]", "f32[]"),
        ] {
            for op in ["reduce_sum", "reduce_mean", "reduce_max"] {
                run(CanonicalReductions, &text(op, from, axes, false, to));
            }
        }
    }
}
