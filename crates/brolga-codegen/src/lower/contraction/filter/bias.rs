//! The gradient of the bias: the sums of the cotangent over all pixels.

use std::sync::Arc;

use brolga_ir::lanes::Lanes;

use super::Filter;
use super::accumulate::{Part, Sums};
use crate::error::Result;
use crate::nest::{Affine, NestBuilder};
use crate::tile::{Builder, Extent, LANES, TileProgram, Trips};

impl Filter<'_> {
    /// Sums all pixels of an image's cotangent.
    pub(super) fn bias(
        &self,
        nest: &mut NestBuilder,
        part: &Part,
        dy: &Affine,
        kind: Sums,
    ) -> Result<()> {
        if !self.results[1].is_used() {
            return Ok(());
        }
        let width = self.dims.filters / self.strategy.blocks();
        for first in (0..width).step_by(LANES) {
            let tile = self.bias_tile((width - first).min(LANES), kind)?;
            let at = |start: &Affine| start.clone().plus(4 * first as i64).add(&part.column, 4);
            nest.call(&tile, [at(dy), at(&part.bias)]);
        }
        Ok(())
    }

    /// Sums a vector of columns over the pixels of an image.
    fn bias_tile(&self, lanes: usize, kind: Sums) -> Result<Arc<TileProgram>> {
        let pixels: usize = self.dims.output.iter().product();
        let extent = Extent::first(lanes);
        let mut b = Builder::new(format!("sum_rows_{pixels}x{lanes}"));
        let (from, to) = (b.pointer("from"), b.pointer("to"));
        let initial = match kind {
            Sums::Continue => b.load_f32(to.at(0), extent),
            Sums::Store | Sums::Add => b.float(0.0),
        };
        let sum = b.variable(initial);
        b.repeat(Trips::Const(pixels as u32), |b| {
            let (acc, value) = (b.get(sum), b.load_f32(from.at(0), extent));
            let next = b.add(acc, value);
            b.set(sum, next);
            b.step(from, 4 * self.dims.filters as i64, Trips::Const(1));
        });
        let mut sum = b.get(sum);
        if kind == Sums::Add {
            let before = b.load_f32(to.at(0), extent);
            sum = b.add(before, sum);
        }
        b.store_f32(to.at(0), extent, sum);
        Ok(Arc::new(b.finish()?))
    }
}
