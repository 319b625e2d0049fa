//! The second stage, which adds the partial sums of the pieces in ascending order and computes the
//! epilogue.

use std::sync::Arc;

use brolga_ir::lanes::Lanes;

use super::Filter;
use crate::error::Result;
use crate::kernel::{Access, Touch};
use crate::lower::Stage;
use crate::lower::contraction::sum::Sum;
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Builder, Extent, LANES, Pointer, TileProgram, Trips};

/// Floats that one unit adds up.
const BLOCK: usize = 1024;

impl Filter<'_> {
    /// The stages of the sums that are used.
    pub(super) fn combine(&self) -> Result<Vec<Stage>> {
        let weights = self.weights();
        let offsets = [(0, weights), (weights, self.dims.filters)];
        (self.results.iter().zip(offsets))
            .filter(|(sum, _)| sum.is_used())
            .map(|(sum, (first, count))| self.combined(sum, first, count))
            .collect()
    }

    /// The stage that adds the pieces of `count` sums, which start `first` floats after the
    /// beginning of each piece.
    fn combined(&self, sum: &Sum, first: usize, count: usize) -> Result<Stage> {
        let body = self.body;
        let mut nest = NestBuilder::new("add_pieces");
        let unit = Affine::from(Nest::UNIT);
        let from =
            Affine::slot(body.workspace()).plus(4 * first as i64).add(&unit, 4 * BLOCK as i64);
        let element = Affine::number(0).add(&unit, BLOCK as i64);
        let args: Vec<Affine> = [from].into_iter().chain(sum.args(element)).collect();
        let (full, rest) = (count / BLOCK, count % BLOCK);
        let whole = if full > 0 { Some(self.combination(sum, BLOCK)?) } else { None };
        let tail = if rest > 0 { Some(self.combination(sum, rest)?) } else { None };
        nest.when(
            unit,
            0..full,
            |nest| whole.iter().for_each(|tile| nest.call(tile, args.clone())),
            |nest| tail.iter().for_each(|tile| nest.call(tile, args.clone())),
        );
        let whole = |slot| Touch { slot, access: Access::Whole };
        Ok(Stage {
            code: nest.finish().into(),
            units: count.div_ceil(BLOCK),
            reads: sum.reads().chain([body.workspace()]).map(whole).collect(),
            writes: sum.results(body).into_iter().map(whole).collect(),
            flops: (count * self.parts()) as u64,
        })
    }

    /// The tile that adds the pieces of `count` sums, and computes the epilogue.
    fn combination(&self, sum: &Sum, count: usize) -> Result<Arc<TileProgram>> {
        let mut b = Builder::new(format!("add_{}_pieces_{count}", self.parts()));
        let from = b.pointer("from");
        let to = sum.pointers(&mut b);
        let mut result = Ok(());
        b.repeat(Trips::Const((count / LANES) as u32), |b| {
            result = self.vector(b, sum, from, &to, Extent::Full);
            b.step(from, 4 * LANES as i64, Trips::Const(1));
            sum.step(b, &to);
        });
        result?;
        if !count.is_multiple_of(LANES) {
            self.vector(&mut b, sum, from, &to, Extent::first(count % LANES))?;
        }
        Ok(Arc::new(b.finish()?))
    }

    /// Adds the pieces of a vector of sums.
    fn vector(
        &self,
        b: &mut Builder,
        sum: &Sum,
        from: Pointer,
        to: &[Pointer],
        extent: Extent,
    ) -> Result<()> {
        let mut value = b.load_f32(from.at(0), extent);
        for piece in 1..self.parts() {
            let next = b.load_f32(from.at(piece as i64 * self.part_bytes()), extent);
            value = b.add(value, next);
        }
        sum.emit(self.body, b, to, extent, value)
    }
}
