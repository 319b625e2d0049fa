//! The gradient of a convolution by its filter, and by the bias beside it.
//!
//! A first stage computes partial sums of each piece of the batch; [`Strategy`] divides them among
//! units. The sums are in the workspace between images, and in registers during an image or some
//! lines of a large one. A second stage adds the pieces in ascending order; the sums of a single
//! piece may be the results.
//!
//! For 1×1 filters and few pixels the gradient is a product of images and cotangent, whose chains
//! are the pieces.

mod accumulate;
mod bias;
mod combine;
mod panels;
mod strategy;
mod tiles;

use brolga_ir::ops::reduce::{piece_range, pieces};
use brolga_ir::ops::{ConvDims, ConvGradFilter, Matmul, MatmulDims};
use brolga_ir::{Op, Value};

use self::strategy::Strategy;
use super::conv::{is_depthwise, is_product};
use super::cotangent::Cotangent;
use super::matmul::{self, Factors};
use super::sum::Sum;
use super::tile::Chains;
use super::volume;
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::lower::epilogue::Epilogue;
use crate::lower::{Body, Lowered};
use crate::tile::TileTarget;

/// The most pixels, of all images, for which the gradient of a 1×1 filter is a product: the
/// operands of a block of its rows fit the second-level cache.
const MAX_PRODUCT: usize = 2048;

pub(super) fn lower(
    body: &Body<'_>,
    root: Value,
    op: &ConvGradFilter,
    target: &dyn TileTarget,
) -> Result<Lowered> {
    let operands = body.graph.operands(root.node);
    let dims = volume(body, op.dims(body.shape(operands[0]), body.shape(operands[1])))?;
    let x = body
        .factor_slot(operands[0])
        .ok_or_else(|| body.refused("the images of a convolution are computed inside"))?;
    let bias = bias_gradient(body, operands[1]);
    if let Some(dy) = body.factor_slot(operands[1])
        && bias.is_none()
        && is_product(&dims)
        && dims.batch * dims.output.iter().product::<usize>() <= MAX_PRODUCT
    {
        return matmul::product(body, root, product(&dims, [x, dy]), target);
    }
    let cotangent = Cotangent::new(body, operands[1], &dims)?;
    let roots = [Some(root), bias];
    expect_results_of(body, roots)?;
    let [weights, bias] = roots.map(|root| Sum::new(body, root));
    Filter::new(body, target, dims, cotangent, x, [weights?, bias?]).lower()
}

/// The gradient of the bias, if the body has one: a sum of the cotangent.
fn bias_gradient(body: &Body<'_>, cotangent: Value) -> Option<Value> {
    let is_sum = |value: &Value| {
        matches!(body.op(*value), Op::ReduceSum(_))
            && body.graph.operands(value.node).first() == Some(&cotangent)
    };
    body.order.iter().copied().map(Value::from).find(is_sum)
}

/// The gradient of a 1×1 filter as a product of images and cotangent, in these slots.
fn product(dims: &ConvDims, slots: [usize; 2]) -> Factors {
    let pixels: usize = dims.output.iter().product();
    let pieces = pieces(dims.batch);
    let images = (0..pieces).map(|piece| piece_range(dims.batch, pieces, piece).len());
    let k = dims.batch * pixels;
    Factors {
        op: Matmul { transpose_a: true, transpose_b: false },
        dims: MatmulDims { batch: 1, m: dims.channels, n: dims.filters, k },
        chains: Chains::of(images.map(|images| images * pixels)),
        slots,
    }
}

/// Fails unless each result has the shape of a gradient that it depends on.
fn expect_results_of(body: &Body<'_>, roots: [Option<Value>; 2]) -> Result<()> {
    let shapes = roots.map(|root| root.map(|root| body.shape(root)));
    let mut results = body.results().map(|(value, _)| body.shape(value));
    match results.find(|shape| !shapes.contains(&Some(*shape))) {
        None => Ok(()),
        Some(shape) => {
            Err(body.refused(format!("a result of shape {shape} follows a filter's gradient")))
        }
    }
}

/// A gradient to be lowered.
struct Filter<'a> {
    body: &'a Body<'a>,
    target: &'a dyn TileTarget,
    dims: ConvDims,
    cotangent: Cotangent,
    /// The slot of the images.
    x: usize,
    /// The sums of the weights and of the bias.
    results: [Sum; 2],
    strategy: Strategy,
}

impl<'a> Filter<'a> {
    fn new(
        body: &'a Body<'a>,
        target: &'a dyn TileTarget,
        dims: ConvDims,
        cotangent: Cotangent,
        x: usize,
        results: [Sum; 2],
    ) -> Self {
        let stored = cotangent.scratch() == 0 && results[0].is_used();
        let strategy = Strategy::new(&dims, target, stored);
        Self { body, target, dims, cotangent, x, results, strategy }
    }

    fn lower(&self) -> Result<Lowered> {
        let mut stages = vec![self.accumulate()?];
        let mut workspace = 0;
        if !self.is_direct() {
            stages.extend(self.combine()?);
            workspace = self.part_bytes() as usize * self.parts();
        }
        let panels = if self.strategy == Strategy::Panels { self.panel_floats() } else { 0 };
        // Results must not overwrite operands of the first stage.
        let read = self.operands();
        let chains = self.results.iter().filter_map(Sum::chain);
        Ok(Lowered {
            stages,
            workspace,
            scratch: self.cotangent.scratch().max(4 * panels),
            in_place: chains.flat_map(|chain| chain.in_place(self.body, &read)).collect(),
        })
    }

    /// The number of pieces of the batch.
    fn pieces(&self) -> usize {
        pieces(self.dims.batch)
    }

    /// The number of weights. The sums of the bias come after theirs.
    fn weights(&self) -> usize {
        let dims = &self.dims;
        dims.kernel.iter().product::<usize>() * dims.group_channels() * dims.filters
    }

    /// The number of partial sums of a weight.
    fn parts(&self) -> usize {
        self.strategy.parts(self.pieces())
    }

    /// Bytes of the sums of a part.
    fn part_bytes(&self) -> i64 {
        let bias = if self.results[1].is_used() { self.dims.filters } else { 0 };
        4 * (self.weights() + bias) as i64
    }

    /// Whether the sums of the only part are the results.
    fn is_direct(&self) -> bool {
        self.parts() == 1
            && self.results[0].slot().is_some()
            && self.results.iter().all(|sum| sum.chain().is_none())
    }

    /// The number of filters that a unit works on, of each group.
    fn filters(&self) -> usize {
        let dims = &self.dims;
        let filters = if is_depthwise(dims) { dims.filters } else { dims.group_filters() };
        filters / self.strategy.blocks()
    }

    /// The slots of the operands that the first stage reads.
    fn operands(&self) -> Vec<usize> {
        let follows: Vec<usize> =
            self.results.iter().filter_map(Sum::chain).flat_map(Epilogue::slots).collect();
        let is_read = |slot: &usize| {
            *slot == self.x
                || self.cotangent.full_slots(self.body).any(|read| read == *slot)
                || !follows.contains(slot)
        };
        (0..self.body.operands()).filter(is_read).collect()
    }

    /// The operands that the first stage reads.
    fn reads(&self) -> Vec<Touch> {
        let Self { body, dims, .. } = self;
        // Units read equal parts of the batch if the pieces are equal.
        let is_parted = self.strategy.is_whole_piece() && dims.batch.is_multiple_of(self.pieces());
        let access = |slot: usize| match is_parted && body.shape_of_slot(slot).elements() > 1 {
            true => Access::Units,
            false => Access::Whole,
        };
        self.operands().into_iter().map(|slot| Touch { slot, access: access(slot) }).collect()
    }

    /// The results, or the workspace, that the first stage writes.
    fn writes(&self) -> Vec<Touch> {
        if self.is_direct() {
            let slots = self.results.iter().filter_map(Sum::slot);
            return slots.map(|slot| Touch { slot, access: Access::Whole }).collect();
        }
        let is_parted = self.strategy.is_whole_piece();
        let access = if is_parted { Access::Units } else { Access::Whole };
        vec![Touch { slot: self.body.workspace(), access }]
    }
}
