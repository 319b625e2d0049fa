//! The cotangent that a convolution's gradient reads: an operand, or computed image by image in
//! scratch memory.
//!
//! After pooling the cotangent of the full-size activation is never stored: for each image, the
//! pooled cotangent goes through its mask and is un-pooled to the worker's scratch memory, where
//! the contraction reads it from the first-level cache.

use std::sync::Arc;

use brolga_ir::lanes::{Lane, Lanes};
use brolga_ir::ops::{ConvDims, MaxUnpool};
use brolga_ir::{Op, Value};

use crate::error::Result;
use crate::lower::Body;
use crate::lower::body::{Recorded, broadcast, load};
use crate::lower::window::{pair, plane, plane_of};
use crate::nest::{Affine, NestBuilder};
use crate::tile::{Builder, Element, Extent, LANES, Pointer, TileProgram, Trips};

/// The cotangent that a gradient reads.
pub(super) struct Cotangent {
    value: Value,
    /// The slot, if the cotangent is an operand as it is.
    slot: Option<usize>,
    /// The un-pooling, with its pooled cotangent and its index operand.
    unpool: Option<(MaxUnpool, Value, Value)>,
    /// Operands of the elementwise part with their slots; the index operand comes last.
    leaves: Vec<(Value, usize)>,
    /// Rows, columns and channels of the cotangent, and of the elementwise part.
    extents: [usize; 3],
    inner: [usize; 3],
}

impl Cotangent {
    pub(super) fn new(body: &Body<'_>, value: Value, dims: &ConvDims) -> Result<Self> {
        let extents = plane_of(&dims.output, dims.filters);
        if let Some(slot) = body.factor_slot(value) {
            let leaves = vec![(value, slot)];
            return Ok(Self {
                value,
                slot: Some(slot),
                unpool: None,
                leaves,
                extents,
                inner: extents,
            });
        }
        let unpool = match body.op(value) {
            Op::MaxUnpool(op) => {
                let operands = body.graph.operands(value.node);
                Some((**op, operands[0], operands[1]))
            }
            _ => None,
        };
        let top = unpool.map_or(value, |(_, pooled, _)| pooled);
        let shape = body.shape(top);
        let inner = plane(shape);
        if let Some((op, _, _)) = &unpool
            && !op.pool.tiles_a_plane()
        {
            return Err(body.refused(
                "the windows of an un-pooling before a convolution overlap or are padded",
            ));
        }
        let mut leaves = Vec::new();
        let mut stack = vec![top];
        while let Some(value) = stack.pop() {
            if body.splat(value).is_some() || leaves.iter().any(|(leaf, _)| *leaf == value) {
                continue;
            }
            match body.input_slot(value) {
                Some(slot) => leaves.push((value, slot)),
                None => stack.extend(body.graph.operands(value.node)),
            }
        }
        leaves.sort_by_key(|(_, slot)| *slot);
        for (leaf, _) in &leaves {
            let own = body.shape(*leaf);
            if own != shape && own.elements() != 1 {
                return Err(body.refused(format!(
                    "an operand of shape {own} is in the prologue of a cotangent of shape {shape}"
                )));
            }
        }
        if let Some((_, _, index)) = unpool {
            let slot = body
                .input_slot(index)
                .ok_or_else(|| body.refused("the index of an un-pooling is computed inside"))?;
            leaves.push((index, slot));
        }
        Ok(Self { value, slot: None, unpool, leaves, extents, inner })
    }

    /// Bytes of scratch memory for one image.
    pub(super) fn scratch(&self) -> usize {
        if self.slot.is_some() { 0 } else { 4 * self.extents.iter().product::<usize>() }
    }

    /// Rows and columns of the window of the un-pooling.
    fn window(&self) -> [usize; 2] {
        self.unpool.as_ref().map_or([1, 1], |(op, _, _)| pair(&op.pool.window))
    }

    /// The slots that are read image by image, unlike operands of one element.
    pub(super) fn full_slots(&self, body: &Body<'_>) -> impl Iterator<Item = usize> {
        let leaves = self.leaves.iter().filter(|(leaf, _)| body.shape(*leaf).elements() != 1);
        leaves.map(|(_, slot)| *slot)
    }

    /// Writes the steps that compute the cotangent of one image, and returns its address.
    pub(super) fn prepare(
        &self,
        body: &Body<'_>,
        nest: &mut NestBuilder,
        image: &Affine,
    ) -> Result<Affine> {
        if let Some(slot) = self.slot {
            let bytes = 4 * self.extents.iter().product::<usize>() as i64;
            return Ok(Affine::slot(slot).add(image, bytes));
        }
        let tile = self.tile(body)?;
        let row = self.inner[1] * self.inner[2];
        let window = self.window();
        let target_row = 4 * (self.extents[1] * self.extents[2]) as i64;
        nest.repeat(self.inner[0], |nest, i| {
            let sources = self.leaves.iter().map(|&(leaf, slot)| {
                let size = body.ty(leaf).dtype.size() as i64;
                if body.shape(leaf).elements() == 1 {
                    return Affine::slot(slot);
                }
                let image_bytes = size * (self.inner[0] * row) as i64;
                Affine::slot(slot).add(image, image_bytes).add(&i, size * row as i64)
            });
            let target = Affine::scratch().add(&i, window[0] as i64 * target_row);
            nest.call(&tile, sources.chain([target]));
        });
        let rest = self.extents[0] - self.inner[0] * window[0];
        if rest > 0 {
            let start = (self.inner[0] * window[0]) as i64 * target_row;
            let tile = zeros(rest * self.extents[1] * self.extents[2])?;
            nest.call(&tile, [Affine::scratch().plus(start)]);
        }
        Ok(Affine::scratch())
    }

    /// The tile for one row of the elementwise part, un-pooled to the rows of its windows.
    fn tile(&self, body: &Body<'_>) -> Result<Arc<TileProgram>> {
        let [_, pixels, channels] = self.inner;
        let width = self.extents[1];
        let name = if self.unpool.is_some() { "unpool" } else { "cotangent" };
        let mut b = Builder::new(format!("{name}_{pixels}x{channels}"));
        let sources: Vec<Pointer> =
            (0..self.leaves.len()).map(|i| b.pointer(format!("in{i}"))).collect();
        let target = b.pointer("out");
        let window = self.window();
        let (full, rest) = (channels / LANES, channels % LANES);
        let steps = |b: &mut Builder, lanes: usize| {
            for (&pointer, (leaf, _)) in sources.iter().zip(&self.leaves) {
                if body.shape(*leaf).elements() != 1 {
                    b.step(pointer, (lanes * body.ty(*leaf).dtype.size()) as i64, Trips::Const(1));
                }
            }
            b.step(target, 4 * lanes as i64, Trips::Const(1));
        };
        let mut result = Ok(());
        b.repeat(Trips::Const(pixels as u32), |b| {
            b.repeat(Trips::Const(full as u32), |b| {
                result = self.vector(body, b, &sources, target, Extent::Full);
                steps(b, LANES);
            });
            if rest > 0 && result.is_ok() {
                result = self.vector(body, b, &sources, target, Extent::first(rest));
                steps(b, rest);
            }
            // The target is after the window's first pixel; it moves to the next window.
            b.step(target, 4 * ((window[1] - 1) * channels) as i64, Trips::Const(1));
        });
        result?;
        // Columns that no window covers have no cotangent.
        let covered = pixels * window[1];
        if covered < width {
            let zero = b.float(0.0);
            for line in 0..window[0] {
                for first in (0..(width - covered) * channels).step_by(LANES) {
                    let lanes = ((width - covered) * channels - first).min(LANES);
                    let offset = 4 * (line * width * channels + first) as i64;
                    b.store_f32(target.at(offset), Extent::first(lanes), zero);
                }
            }
        }
        Ok(Arc::new(b.finish()?))
    }

    /// One vector of channels of one pixel.
    fn vector(
        &self,
        body: &Body<'_>,
        b: &mut Builder,
        sources: &[Pointer],
        target: Pointer,
        extent: Extent,
    ) -> Result<()> {
        let top = self.unpool.map_or(self.value, |(_, pooled, _)| pooled);
        let mut recorded = Recorded::default();
        let mut leaf = |b: &mut Builder, value: Value| {
            let index = self.leaves.iter().position(|(leaf, _)| *leaf == value)?;
            let dtype = body.ty(value).dtype;
            let address = sources[index].at(0);
            Some(if body.shape(value).elements() == 1 {
                broadcast(b, dtype, address)
            } else {
                load(b, dtype, address, extent)
            })
        };
        let Lane::F(value) = body.record(b, &mut recorded, top, &mut leaf)? else {
            return Err(body.refused("a cotangent is no float"));
        };
        if self.unpool.is_none() {
            b.store_f32(target.at(0), extent, value);
            return Ok(());
        }
        let index_pointer = sources[sources.len() - 1];
        let index = match b.load(Element::U8, index_pointer.at(0), extent) {
            Lane::I(index) => index,
            _ => return Err(body.refused("the index of an un-pooling is no integer")),
        };
        let [_, width, channels] = self.extents;
        let [height, pool_width] = self.window();
        let zero = b.float(0.0);
        // An element starts at +0 and adds the cotangent of its only window.
        let value = b.add(zero, value);
        for row in 0..height {
            for column in 0..pool_width {
                let tap = b.int((row * pool_width + column) as i64);
                let chosen = b.ieq(index, tap);
                let value = b.select(chosen, value, zero);
                let offset = 4 * (row * width + column) * channels;
                b.store_f32(target.at(offset as i64), extent, value);
            }
        }
        Ok(())
    }
}

/// `count` floats set to +0.
pub(super) fn zeros(count: usize) -> Result<Arc<TileProgram>> {
    let mut b = Builder::new(format!("zeros_{count}"));
    let to = b.pointer("to");
    let zero = b.float(0.0);
    b.repeat(Trips::Const((count / LANES) as u32), |b| {
        b.store_f32(to.at(0), Extent::Full, zero);
        b.step(to, 4 * LANES as i64, Trips::Const(1));
    });
    if !count.is_multiple_of(LANES) {
        b.store_f32(to.at(0), Extent::first(count % LANES), zero);
    }
    Ok(Arc::new(b.finish()?))
}
