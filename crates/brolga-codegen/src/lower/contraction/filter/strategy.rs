//! The division of a batch's sums among units.

use brolga_ir::ops::ConvDims;
use brolga_ir::ops::reduce::pieces;

use super::tiles::line_blocks;
use crate::lower::contraction::conv::{is_depthwise, is_product};
use crate::lower::contraction::lattice::Tiles;
use crate::lower::contraction::weight_rows::{Row, reach, row_groups};
use crate::tile::{LANES, TileTarget};

/// The number of units that suffices for all workers.
const UNITS: usize = 16;
/// The most blocks of columns whose units add all pieces.
const ADDED_BLOCKS: usize = 64;

/// The division of the sums of a batch's pieces among units. A block is an equal part of the
/// columns, in whole tiles; several blocks make work for all workers of few images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    /// A unit is a block of a piece. Its sums start as zeros in memory, and the tiles of each image
    /// continue them.
    Continue { blocks: usize },
    /// A unit is a block of a piece of one image, whose chains begin and end in one call of a tile
    /// each.
    Store { blocks: usize },
    /// A unit is a block of all pieces of one image each: it stores the sums of the first and adds
    /// those of the others.
    Add { blocks: usize },
    /// A unit is a piece. The images and the cotangent of a 1×1 filter are packed into panels, some
    /// pixels at a time.
    Panels,
}

impl Strategy {
    /// The strategy for a gradient. `stored`: the cotangent is in memory, and the sums of the
    /// weights are used.
    pub(super) fn new(dims: &ConvDims, target: &dyn TileTarget, stored: bool) -> Self {
        let pieces = pieces(dims.batch);
        let is_few = pieces < UNITS / 2;
        if is_product(dims) && stored && !is_few {
            return Self::Panels;
        }
        let groups = row_groups(dims);
        let blocks = |limit: usize| column_blocks(dims, target, &groups, limit);
        let is_fresh = dims.batch == pieces && groups.iter().all(|rows| is_one_call(dims, rows));
        if is_fresh && stored {
            // With pieces of one image and many columns, blocks alone are units, so that the sums
            // of pieces are not stored separately.
            let blocks = blocks(ADDED_BLOCKS);
            if blocks >= UNITS / 2 {
                return Self::Add { blocks };
            }
        }
        let blocks = if is_few { blocks(UNITS / pieces) } else { 1 };
        if is_fresh { Self::Store { blocks } } else { Self::Continue { blocks } }
    }

    /// The number of blocks.
    pub(super) fn blocks(self) -> usize {
        match self {
            Self::Continue { blocks } | Self::Store { blocks } | Self::Add { blocks } => blocks,
            Self::Panels => 1,
        }
    }

    /// Whether a unit is a piece with all of its columns.
    pub(super) fn is_whole_piece(self) -> bool {
        !matches!(self, Self::Add { .. }) && self.blocks() == 1
    }

    /// The number of partial sums of a weight, for `pieces` pieces.
    pub(super) fn parts(self, pieces: usize) -> usize {
        if matches!(self, Self::Add { .. }) { 1 } else { pieces }
    }
}

/// The number of equal blocks of whole tiles, at most `limit`, into which the columns can be cut.
fn column_blocks(
    dims: &ConvDims,
    target: &dyn TileTarget,
    groups: &[Vec<Row>],
    limit: usize,
) -> usize {
    let filters = dims.filters;
    if (dims.groups > 1 && !is_depthwise(dims)) || filters == 0 {
        return 1;
    }
    let fits = |blocks: &usize| {
        filters.is_multiple_of(*blocks)
            && groups.iter().all(|rows| {
                let lanes = target.contraction_shape(rows.len(), filters).lanes;
                (filters / blocks).is_multiple_of(lanes.next_multiple_of(LANES))
            })
    };
    (1..=limit).rev().find(fits).unwrap_or(1)
}

/// Whether one call of a tile computes the chains of these rows over an image.
fn is_one_call(dims: &ConvDims, rows: &[Row]) -> bool {
    let [planes, lines, columns] = reach(dims, rows);
    planes.len() == 1
        && !columns.is_empty()
        && matches!(line_blocks(dims, lines.len())[..], [Tiles { count: 1, .. }])
}
