//! The first stage: the partial sums of the pieces of the batch.

use super::Filter;
use super::strategy::Strategy;
use crate::error::Result;
use crate::lower::Stage;
use crate::lower::contraction::cotangent::zeros;
use crate::nest::{Affine, Nest, NestBuilder};

/// The use of a tile's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sums {
    /// Continues the chains in memory.
    Continue,
    /// Begins chains and stores their ends.
    Store,
    /// Begins chains and adds their ends to the sums in memory.
    Add,
}

/// The sums that a unit computes.
#[derive(Clone)]
pub(super) struct Part {
    /// The addresses of the sums of the weights, and of those of the bias.
    pub(super) weights: Affine,
    pub(super) bias: Affine,
    /// The first column.
    pub(super) column: Affine,
}

impl Filter<'_> {
    /// The first stage: the sums of all pieces.
    pub(super) fn accumulate(&self) -> Result<Stage> {
        let blocks = self.strategy.blocks();
        let mut nest = NestBuilder::new("conv_grad_filter");
        let (piece, block) = nest.split(&Nest::UNIT.into(), blocks);
        let part = self.part(&piece, &block);
        let pieces = match self.strategy {
            Strategy::Add { .. } => {
                self.all_pieces(&mut nest, &part)?;
                1
            }
            _ => {
                self.piece(&mut nest, &part, &piece)?;
                self.pieces()
            }
        };
        Ok(Stage {
            code: nest.finish().into(),
            units: pieces * blocks,
            reads: self.reads(),
            writes: self.writes(),
            flops: self.dims.flops(),
        })
    }

    /// The sums of a block of a piece.
    fn part(&self, piece: &Affine, block: &Affine) -> Part {
        let column = Affine::number(0).add(block, self.filters() as i64);
        match (self.is_direct(), self.results[0].slot()) {
            (true, Some(slot)) => {
                let bias = self.results[1].slot().unwrap_or(slot);
                Part { weights: Affine::slot(slot), bias: Affine::slot(bias), column }
            }
            _ => {
                let weights = Affine::slot(self.body.workspace()).add(piece, self.part_bytes());
                let bias = weights.clone().plus(4 * self.weights() as i64);
                Part { weights, bias, column }
            }
        }
    }

    /// All images of a piece.
    fn piece(&self, nest: &mut NestBuilder, part: &Part, piece: &Affine) -> Result<()> {
        let dims = &self.dims;
        let is_fresh = matches!(self.strategy, Strategy::Store { .. });
        let kind = if is_fresh { Sums::Store } else { Sums::Continue };
        if !is_fresh && self.weights() > 0 {
            self.clear(nest, part)?;
        }
        if self.results[1].is_used() && dims.filters > 0 {
            let zeros = zeros(dims.filters / self.strategy.blocks())?;
            nest.call(&zeros, [part.bias.clone().add(&part.column, 4)]);
        }
        let start = |nest: &mut NestBuilder, piece: Affine| {
            nest.divide(Affine::number(0).add(&piece, dims.batch as i64), self.pieces())
        };
        let from = start(nest, piece.clone());
        let to = start(nest, piece.clone().plus(1));
        let mut result = Ok(());
        nest.range(from, to, |nest, image| {
            result = self.image(nest, part, &image.into(), [kind, Sums::Continue]);
        });
        result
    }

    /// All pieces, each one image.
    fn all_pieces(&self, nest: &mut NestBuilder, part: &Part) -> Result<()> {
        self.image(nest, part, &Affine::number(0), [Sums::Store; 2])?;
        let mut result = Ok(());
        let (from, to) = (Affine::number(1), Affine::number(self.pieces() as i64));
        nest.range(from, to, |nest, image| {
            result = self.image(nest, part, &image.into(), [Sums::Add; 2]);
        });
        result
    }

    /// Sets the sums of the weights to zero.
    fn clear(&self, nest: &mut NestBuilder, part: &Part) -> Result<()> {
        if self.strategy.blocks() == 1 {
            nest.call(&zeros(self.weights())?, [part.weights.clone()]);
            return Ok(());
        }
        let tile = zeros(self.filters())?;
        let filters = self.dims.filters;
        nest.repeat(self.weights() / filters, |nest, row| {
            let row = part.weights.clone().add(&row, 4 * filters as i64).add(&part.column, 4);
            nest.call(&tile, [row]);
        });
        Ok(())
    }

    /// The chains of an image, for the weights and for the bias.
    fn image(
        &self,
        nest: &mut NestBuilder,
        part: &Part,
        image: &Affine,
        [weights, bias]: [Sums; 2],
    ) -> Result<()> {
        let dims = &self.dims;
        let dy = self.cotangent.prepare(self.body, nest, image)?;
        let image_bytes = 4 * (dims.channels * dims.input.iter().product::<usize>()) as i64;
        let x = Affine::slot(self.x).add(image, image_bytes);
        match self.strategy {
            Strategy::Panels => self.panels(nest, part, [&x, &dy])?,
            _ => self.tiles(nest, part, [&x, &dy], weights)?,
        }
        self.bias(nest, part, &dy, bias)
    }
}
