//! Kernels of kind `contraction`: one matrix product or convolution, or a gradient of one, with its
//! prologue and epilogue.

mod conv;
mod cotangent;
mod filter;
pub(super) mod lattice;
mod matmul;
pub(super) mod pack;
pub(super) mod slide;
mod sum;
mod tile;
mod weight_rows;
mod widen;

use brolga_ir::op::Family;
use brolga_ir::ops::ConvDims;
use brolga_ir::{DType, Mistake, NodeId, Op, Value};

use super::{Body, Lowered};
use crate::error::Result;
use crate::kernel::Access;
use crate::tile::TileTarget;

/// The element types of the factors, and so of the result.
const TYPES: &[DType] = &[DType::F32, DType::BF16, DType::F16];

pub(super) fn lower(body: &Body<'_>, target: &dyn TileTarget) -> Result<Lowered> {
    let is_root =
        |id: &&NodeId| matches!(body.graph.node(**id).op.family(), Family::Contraction { .. });
    let mut roots = body.order.iter().filter(is_root);
    let (Some(&root), None) = (roots.next(), roots.next()) else {
        return Err(body.refused("a contraction kernel holds exactly one contraction"));
    };
    let root = Value::from(root);
    body.expect_types(root, TYPES)?;
    let lowered = match body.op(root) {
        Op::Matmul(op) => matmul::lower(body, root, op, target),
        Op::Conv(op) => conv::forward(body, root, op, target),
        Op::ConvGradInput(op) => conv::grad_input(body, root, op, target),
        Op::ConvGradFilter(op) => filter::lower(body, root, op, target),
        op => Err(body.refused(format!("no tiles multiply for `{}`", op.name()))),
    };
    let mut lowered = lowered?;
    read_shared_factors_whole(body, root, &mut lowered);
    widen::widen(body, lowered)
}

/// A convolution of volumes, which tiles take; images with fewer axes have leading axes of extent
/// 1.
fn volume(body: &Body<'_>, dims: std::result::Result<ConvDims, Mistake>) -> Result<ConvDims> {
    dims.map_err(|mistake| body.refused(mistake.to_string()))?
        .with_axes(3)
        .ok_or_else(|| body.refused("images have at most three spatial axes"))
}

/// Marks factors that other ops of the body read too: units touch more than their own parts of
/// those.
fn read_shared_factors_whole(body: &Body<'_>, root: Value, lowered: &mut Lowered) {
    for factor in body.graph.operands(root.node) {
        let Some(slot) = body.input_slot(factor) else { continue };
        if body.graph.uses_of(factor).len() > 1 {
            let reads = lowered.stages.iter_mut().flat_map(|stage| &mut stage.reads);
            reads.filter(|touch| touch.slot == slot).for_each(|touch| touch.access = Access::Whole);
        }
    }
}
