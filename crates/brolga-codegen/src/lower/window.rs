//! Pooling, after a convolution or alone.

use std::sync::Arc;

use brolga_ir::lanes::Lanes;
use brolga_ir::ops::ConvDims;
use brolga_ir::{Op, Value};

use super::{Body, Lowered};
use crate::error::Result;
use crate::nest::{Affine, NestBuilder};
use crate::tile::{Address, Builder, Element, Extent, F, I, Kind, LANES, TileProgram, Trips};

mod alone;

pub(super) fn lower(body: &Body<'_>) -> Result<Lowered> {
    alone::lower(body)
}

/// The values for both axes of a plane; images with one spatial axis have only the second.
pub(super) fn pair(values: &[usize]) -> [usize; 2] {
    match values {
        [column] => [1, *column],
        [row, column] => [*row, *column],
        _ => unreachable!("kernels of tiles have planes"),
    }
}

/// The values of all three axes of a volume.
pub(super) fn triple(values: &[usize]) -> [usize; 3] {
    <[usize; 3]>::try_from(values).unwrap_or_else(|_| unreachable!("kernels of tiles have volumes"))
}

/// Rows, columns and channels of images. The rows of all planes of a volume count as rows of one
/// plane.
pub(super) fn plane(shape: &[usize]) -> [usize; 3] {
    plane_of(&shape[1..shape.len() - 1], shape[shape.len() - 1])
}

/// As [`plane`], for images of these spatial extents and `channels` channels.
pub(super) fn plane_of(extents: &[usize], channels: usize) -> [usize; 3] {
    match extents {
        [rows @ .., columns] => [rows.iter().product(), *columns, channels],
        [] => [1, 1, channels],
    }
}

/// Records the maximum of a window, the first of equal ones, with NaN above all numbers. `taps`
/// gives, in row-major order, the index and the address of each tap.
pub(super) fn maximum_of(
    b: &mut Builder,
    element: Element,
    taps: impl IntoIterator<Item = (usize, Address)>,
    extent: Extent,
) -> Option<(F, I)> {
    let mut best: Option<(F, I)> = None;
    for (tap, address) in taps {
        let (value, tap) = (b.load_float(element, address, extent), b.int(tap as i64));
        best = Some(match best {
            None => (value, tap),
            Some((maximum, index)) => {
                let (smaller, number) = (b.le(value, maximum), b.eq(maximum, maximum));
                let larger = b.not(smaller);
                let take = b.and(larger, number);
                (b.select(take, value, maximum), b.iselect(take, tap, index))
            }
        });
    }
    best
}

/// Maximum pooling after a convolution: it pools a band of the activation in scratch memory to a
/// row of the pooled image.
pub(super) struct PoolTile {
    operand: Value,
    /// The format of the elements of the activation and of the pooled image.
    element: Element,
    window: [usize; 2],
    /// Rows and columns of the pooled image, and its channels.
    pooled: [usize; 3],
    /// The width of a band in scratch memory.
    width: usize,
    maximum: Option<usize>,
    index: Option<usize>,
}

/// The pixels of the pooled image that a band is pooled to.
pub(super) struct PooledBand {
    row: Affine,
    /// The first column, and the number of columns.
    column: Affine,
    columns: usize,
}

impl PooledBand {
    /// A row.
    pub(super) fn row(pool: &PoolTile, row: &Affine) -> Self {
        Self { row: row.clone(), column: Affine::number(0), columns: pool.pooled[1] }
    }

    /// The part of the only row to which a band of `width` of the activation's `columns` columns is
    /// pooled.
    pub(super) fn columns(pool: &PoolTile, band: &Affine, width: usize, columns: usize) -> Self {
        let window = pool.window[1];
        let column = Affine::number(0).add(band, (width / window) as i64);
        Self { row: Affine::number(0), column, columns: columns / window }
    }
}

impl PoolTile {
    /// The pooling whose maxima and indices a body returns; `None` if it returns the activation
    /// itself.
    pub(super) fn after_convolution(body: &Body<'_>, dims: &ConvDims) -> Result<Option<Self>> {
        let mut pool: Option<Self> = None;
        for (value, slot) in body.results() {
            let (pooling, is_index) = match body.op(value) {
                Op::MaxPool(op) => (op.pool, false),
                Op::MaxPoolIndex(op) => (op.pool, true),
                _ if pool.is_none() => continue,
                _ => return Err(body.refused("an activation is returned beside its pooling")),
            };
            let operand = body.graph.operands(value.node)[0];
            if !pooling.tiles_a_plane() {
                return Err(body.refused(
                    "a pooling after a convolution overlaps, is padded or has three axes",
                ));
            }
            let window = pair(&pooling.window);
            let own = pool.get_or_insert(Self {
                operand,
                element: body.element(operand),
                window,
                pooled: plane(body.shape(value)),
                width: dims.output[2],
                maximum: None,
                index: None,
            });
            if own.window != window || own.operand != operand || own.element.kind() != Kind::Float {
                return Err(body.refused("poolings after a convolution differ"));
            }
            *(if is_index { &mut own.index } else { &mut own.maximum }) = Some(slot);
        }
        let results = body.results().count();
        match &pool {
            Some(own) if own.maximum.iter().chain(&own.index).count() != results => {
                Err(body.refused("an activation is returned beside its pooling"))
            }
            _ => Ok(pool),
        }
    }

    /// Height and width of the window.
    pub(super) fn window(&self) -> [usize; 2] {
        self.window
    }

    /// The pooled value.
    pub(super) fn operand(&self) -> Value {
        self.operand
    }

    /// Pools `lanes` channels from `channel` on of a band in scratch memory, whose pixels are
    /// `pitch` elements apart, to its part of a pooled image.
    pub(super) fn call(
        &self,
        nest: &mut NestBuilder,
        (image, band): (&Affine, &PooledBand),
        channel: &Affine,
        lanes: usize,
        pitch: usize,
    ) -> Result<()> {
        let [rows, columns, channels] = self.pooled;
        let element = channel
            .clone()
            .add(image, (rows * columns * channels) as i64)
            .add(&band.row, (columns * channels) as i64)
            .add(&band.column, channels as i64);
        for lane in (0..lanes).step_by(LANES) {
            let tile = self.tile(band.columns, (lanes - lane).min(LANES), pitch)?;
            let start = |slot: usize, size: i64| {
                Affine::slot(slot).add(&element, size).plus(size * lane as i64)
            };
            let size = self.element.size() as i64;
            let maximum = self.maximum.map(|slot| start(slot, size));
            let index = self.index.map(|slot| start(slot, 1));
            let from = Affine::scratch().plus(size * lane as i64);
            nest.call(&tile, [Some(from), maximum, index].into_iter().flatten());
        }
        Ok(())
    }

    fn tile(&self, columns: usize, lanes: usize, pitch: usize) -> Result<Arc<TileProgram>> {
        let [height, width] = self.window;
        let channels = self.pooled[2];
        let mut b = Builder::new(format!("max_pool_{height}x{width}_{lanes}"));
        let from = b.pointer("from");
        let maximum = self.maximum.map(|_| b.pointer("maximum"));
        let index = self.index.map(|_| b.pointer("index"));
        let extent = Extent::first(lanes);
        let size = self.element.size() as i64;
        b.repeat(Trips::Const(columns as u32), |b| {
            let taps = (0..height).flat_map(|row| {
                (0..width).map(move |column| {
                    let offset = (row * self.width + column) * pitch;
                    (row * width + column, from.at(size * offset as i64))
                })
            });
            if let Some((value, tap)) = maximum_of(b, self.element, taps, extent) {
                if let Some(to) = maximum {
                    b.store(self.element, to.at(0), extent, value);
                    b.step(to, size * channels as i64, Trips::Const(1));
                }
                if let Some(to) = index {
                    b.store_u8(to.at(0), extent, tap);
                    b.step(to, channels as i64, Trips::Const(1));
                }
            }
            b.step(from, size * (width * pitch) as i64, Trips::Const(1));
        });
        Ok(Arc::new(b.finish()?))
    }
}
