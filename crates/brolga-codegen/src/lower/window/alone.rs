//! A pooling or its gradient as a kernel of its own, with an epilogue.
//!
//! Pixels of the result with the same taps form boxes (see the lattice of convolutions). One tile
//! computes a row of a box for a vector of channels; its taps are unrolled. Images with fewer than
//! three spatial axes have leading axes of extent 1.

use std::sync::Arc;

use brolga_ir::lanes::{Lane, Lanes};
use brolga_ir::ops::PoolDims;
use brolga_ir::{DType, Op, Value};

use super::{maximum_of, triple};
use crate::error::{Error, Result};
use crate::lower::body::load;
use crate::lower::contraction::lattice::{Segment, lattice};
use crate::lower::contraction::slide::strides;
use crate::lower::epilogue::{Cell, Epilogue, Offsets};
use crate::lower::{Body, Lowered, Stage};
use crate::nest::{Affine, Nest, NestBuilder};
use crate::tile::{Address, Builder, Element, Extent, F, I, LANES, Pointer, TileProgram, Trips};

/// The element types that are pooled.
const TYPES: &[DType] = &[DType::F32, DType::BF16, DType::F16];

/// The most taps of a pixel, which are unrolled.
const MAX_TAPS: usize = 4096;

/// The computation at the taps of a pixel.
#[derive(Debug, Clone, Copy)]
enum Action {
    /// The maximum, its index, or both.
    Maximum,
    /// The element at the tap that the second operand names.
    Pick,
    /// The mean.
    Mean { include_pad: bool },
    /// The sum of the cotangents whose index names this pixel.
    Unpool,
    /// The sum of the cotangents' shares.
    Spread { include_pad: bool },
}

/// A tap of a pixel: its index in the window, the offset that it reads, and the number of taps of
/// its window inside the image.
struct Tap {
    tap: [usize; 3],
    offset: i64,
    count: usize,
}

/// A pixel of the result, for a vector of channels.
struct Pixel<'a> {
    from: Pointer,
    index: Option<Pointer>,
    taps: &'a [Tap],
    extent: Extent,
}

struct Pool<'a> {
    body: &'a Body<'a>,
    roots: Vec<Value>,
    action: Action,
    dims: PoolDims,
    /// The first operand, and the operand of indices.
    source: (Value, usize),
    index: Option<usize>,
}

pub(super) fn lower(body: &Body<'_>) -> Result<Lowered> {
    let mut pool: Option<Pool<'_>> = None;
    for &id in &body.order {
        let value = Value::from(id);
        let operands = body.graph.operands(id);
        let first = || body.shape(operands[0]);
        let (action, dims) = match body.op(value) {
            Op::MaxPool(op) => (Action::Maximum, op.dims(first())),
            Op::MaxPoolIndex(op) => (Action::Maximum, op.dims(first())),
            Op::MaxPoolGather(op) => (Action::Pick, op.dims(first())),
            Op::AvgPool(op) => {
                (Action::Mean { include_pad: op.count_include_pad }, op.dims(first()))
            }
            Op::MaxUnpool(op) => (Action::Unpool, op.dims(first())),
            Op::AvgPoolGrad(op) => {
                (Action::Spread { include_pad: op.count_include_pad }, op.dims(first()))
            }
            _ => continue,
        };
        let dims = dims
            .map_err(|mistake| body.refused(mistake.to_string()))?
            .with_axes(3)
            .ok_or_else(|| body.refused("images have at most three spatial axes"))?;
        let slot = |value: Value| {
            body.input_slot(value)
                .ok_or_else(|| body.refused("an operand of a pooling is computed inside"))
        };
        let source = (operands[0], slot(operands[0])?);
        let index = operands.get(1).map(|&value| slot(value)).transpose()?;
        match &mut pool {
            None => pool = Some(Pool { body, roots: vec![value], action, dims, source, index }),
            Some(pool)
                if matches!((pool.action, action), (Action::Maximum, Action::Maximum))
                    && pool.dims == dims
                    && pool.source == source =>
            {
                pool.roots.push(value);
            }
            Some(_) => return Err(body.refused("a window kernel holds one pooling")),
        }
    }
    pool.ok_or_else(|| body.refused("a window kernel holds one pooling"))?.lower()
}

impl Pool<'_> {
    /// Whether pixels of the result are those of the image, and not windows.
    fn is_gradient(&self) -> bool {
        matches!(self.action, Action::Unpool | Action::Spread { .. })
    }

    /// The format of the elements of the first operand.
    fn element(&self) -> Element {
        self.body.element(self.source.0)
    }

    fn lower(&self) -> Result<Lowered> {
        let (body, dims) = (self.body, &self.dims);
        let dtype = body.ty(self.source.0).dtype;
        if !TYPES.contains(&dtype) {
            return Err(body.refused(format!("pooling of {dtype} has no tiles")));
        }
        if self.window_taps() > MAX_TAPS {
            return Err(
                body.refused(format!("a window of more than {MAX_TAPS} taps is not unrolled"))
            );
        }
        let segments = self.segments();
        let outputs: Vec<_> = body.results().map(|(v, slot)| (v, Affine::slot(slot))).collect();
        let epilogue = Epilogue::new(body, &self.roots, &outputs, false)?;
        let mut nest = NestBuilder::new("window");
        let classes = segments.each_ref().map(Vec::len);
        for depth in numbered(&segments[0]) {
            for row in numbered(&segments[1]) {
                for column in numbered(&segments[2]) {
                    for first in (0..dims.channels).step_by(LANES) {
                        self.block(&mut nest, &epilogue, [depth, row, column], classes, first)?;
                    }
                }
            }
        }
        let full: Vec<usize> = epilogue.full_slots().collect();
        let (reads, writes) = body.touches(|slot| {
            slot >= body.operands()
                || full.contains(&slot)
                || slot == self.source.1
                || Some(slot) == self.index
        });
        let taps = (self.window_taps() * body.shape(self.roots[0]).elements()) as u64;
        let stage =
            Stage { code: nest.finish().into(), units: dims.batch, reads, writes, flops: taps };
        Ok(Lowered { stages: vec![stage], workspace: 0, scratch: 0, in_place: Vec::new() })
    }

    /// The spatial extents of the result, and of the first operand.
    fn extents(&self) -> [[usize; 3]; 2] {
        let (input, output) = (triple(&self.dims.input), triple(&self.dims.output));
        if self.is_gradient() { [input, output] } else { [output, input] }
    }

    /// For each axis the classes of positions of the result, and their segments.
    fn segments(&self) -> [Vec<Vec<Segment>>; 3] {
        let (dims, [result, _]) = (&self.dims, self.extents());
        std::array::from_fn(|axis| {
            if !self.is_gradient() {
                return lattice(result[axis], 1, |output| {
                    dims.window.taps(axis, output, dims.taps[axis], dims.input[axis]).collect()
                });
            }
            let step = dims.window.strides[axis].min(result[axis]).max(1);
            let classes = lattice(result[axis], step, |position| self.readers(axis, position));
            let split = |class: Vec<Segment>| {
                class.into_iter().flat_map(|segment| self.split(axis, segment)).collect()
            };
            classes.into_iter().map(split).collect()
        })
    }

    /// Writes the loops over the rows of a box, for a vector of channels from `first` on.
    fn block(
        &self,
        nest: &mut NestBuilder,
        epilogue: &Epilogue,
        axes: [(usize, &Segment); 3],
        classes: [usize; 3],
        first: usize,
    ) -> Result<()> {
        let channels = self.dims.channels;
        let [result, source] = self.extents();
        let lanes = (channels - first).min(LANES);
        let segments = axes.map(|(_, segment)| segment);
        let tile = self.tile(epilogue, segments, source, lanes, classes[2] * channels)?;
        let (image, size) = (Affine::from(Nest::UNIT), self.element().size() as i64);
        // The offset of the first channel of a pixel in images of these extents.
        let element = |extents: [usize; 3], position: [Affine; 3]| {
            let [plane, row, pixel] = strides(extents, channels as i64);
            let [depth, line, column] = position;
            Affine::number(first as i64)
                .add(&image, plane * extents[0] as i64)
                .add(&depth, plane)
                .add(&line, row)
                .add(&column, pixel)
        };
        let [depth, row, _] = segments;
        nest.repeat(depth.count, |nest, i| {
            nest.repeat(row.count, |nest, j| {
                let steps = [i, j, Affine::number(0)];
                let read = std::array::from_fn(|axis| {
                    let segment = segments[axis];
                    Affine::number(segment.source).add(&steps[axis], segment.source_step)
                });
                let written = std::array::from_fn(|axis| {
                    let ((class, segment), step) = (axes[axis], classes[axis]);
                    Affine::number((class + step * segment.start) as i64)
                        .add(&steps[axis], step as i64)
                });
                let (from, to) = (element(source, read), element(result, written));
                let offsets = Offsets { element: to, column: Affine::number(first as i64) };
                let index = self.index.map(|slot| {
                    // Indices have the layout of the windows.
                    let at = if self.is_gradient() { &from } else { &offsets.element };
                    Affine::slot(slot).add(at, 1)
                });
                let source = Affine::slot(self.source.1).add(&from, size);
                let args = std::iter::once(source).chain(index).chain(epilogue.args(&offsets));
                nest.call(&tile, args.collect::<Vec<_>>());
            });
        });
        Ok(())
    }

    /// The windows that read a position, in ascending order, each with its tap. Taps descend, so
    /// they are numbered from the last.
    fn readers(&self, axis: usize, position: usize) -> Vec<(usize, usize)> {
        let dims = &self.dims;
        let mut readers: Vec<_> =
            dims.window.readers(axis, position, dims.taps[axis], dims.output[axis]).collect();
        readers.reverse();
        readers.iter().map(|&(tap, output)| (dims.taps[axis] - 1 - tap, output)).collect()
    }

    /// For each window of a segment's position `j`, the number of its taps inside the image.
    fn counts(&self, axis: usize, segment: &Segment, j: usize) -> Vec<usize> {
        let dims = &self.dims;
        let first = segment.source + segment.source_step * j as i64;
        (0..segment.taps)
            .map(|t| (first + segment.source_tap * t as i64) as usize)
            .map(|output| dims.window.taps(axis, output, dims.taps[axis], dims.input[axis]).len())
            .collect()
    }

    /// Parts of a segment whose positions have windows with the same numbers of taps.
    fn split(&self, axis: usize, segment: Segment) -> Vec<Segment> {
        let mut parts: Vec<(Vec<usize>, Segment)> = Vec::new();
        for j in 0..segment.count {
            let counts = self.counts(axis, &segment, j);
            match parts.last_mut() {
                Some((other, part)) if *other == counts => part.count += 1,
                _ => {
                    let source = segment.source + segment.source_step * j as i64;
                    let part = Segment { start: segment.start + j, count: 1, source, ..segment };
                    parts.push((counts, part));
                }
            }
        }
        parts.into_iter().map(|(_, part)| part).collect()
    }

    /// One row of a box: as many pixels as its columns, `step` elements apart in the result.
    fn tile(
        &self,
        epilogue: &Epilogue,
        segments: [&Segment; 3],
        source: [usize; 3],
        lanes: usize,
        step: usize,
    ) -> Result<Arc<TileProgram>> {
        let [depth, row, column] = segments;
        let mut b = Builder::new(match depth.taps {
            1 => format!("window_{}x{}", row.taps, column.taps),
            taps => format!("window_{taps}x{}x{}", row.taps, column.taps),
        });
        let from = b.pointer("from");
        let index = self.index.map(|_| b.pointer("index"));
        let pointers = epilogue.pointers(&mut b);
        let extent = Extent::first(lanes);
        let channels = self.dims.channels as i64;
        let size = self.element().size() as i64;
        let taps = self.taps(segments, source);
        let mut result = Ok(());
        b.repeat(Trips::Const(column.count as u32), |b| {
            let pixel = Pixel { from, index, taps: &taps, extent };
            result = self.values(b, &pixel).and_then(|lanes| {
                let cell = Cell { row: 0, column: 0, extent, lanes };
                epilogue.emit(self.body, b, &pointers, &[cell], 0)
            });
            b.step(from, size * column.source_step * channels, Trips::Const(1));
            if let Some(index) = index {
                let along =
                    if self.is_gradient() { column.source_step * channels } else { channels };
                b.step(index, along, Trips::Const(1));
            }
            epilogue.step(b, &pointers, step);
        });
        result?;
        Ok(Arc::new(b.finish()?))
    }

    /// The taps of the pixels of a box, in row-major order.
    fn taps(&self, segments: [&Segment; 3], source: [usize; 3]) -> Vec<Tap> {
        let steps = strides(source, self.dims.channels as i64);
        // For each axis, the numbers of taps inside the image of the windows.
        let counts: [Vec<usize>; 3] = std::array::from_fn(|axis| {
            let segment = segments[axis];
            if self.is_gradient() {
                self.counts(axis, segment, 0)
            } else {
                vec![segment.taps; segment.taps]
            }
        });
        let [depth, row, column] = segments.map(|segment| 0..segment.taps);
        let numbers = depth.flat_map(|t| {
            let column = column.clone();
            row.clone().flat_map(move |u| column.clone().map(move |v| [t, u, v]))
        });
        let tap = |number: [usize; 3]| Tap {
            tap: std::array::from_fn(|a| segments[a].tap + number[a] * segments[a].tap_step),
            offset: (0..3).map(|a| number[a] as i64 * segments[a].source_tap * steps[a]).sum(),
            count: (0..3).map(|a| counts[a][number[a]]).product(),
        };
        numbers.map(tap).collect()
    }

    /// The values of one pixel, one for each root.
    fn values(&self, b: &mut Builder, pixel: &Pixel<'_>) -> Result<Vec<Lane<Builder>>> {
        let value = match self.action {
            Action::Maximum => return self.maximum(b, pixel),
            Action::Pick => self.picked(b, pixel)?,
            Action::Mean { include_pad } => self.mean(b, pixel, include_pad),
            Action::Unpool => self.unpooled(b, pixel)?,
            Action::Spread { include_pad } => self.spread(b, pixel, include_pad),
        };
        Ok(vec![Lane::F(value)])
    }

    /// The maximum, its index, or both, in the order of the roots.
    fn maximum(&self, b: &mut Builder, pixel: &Pixel<'_>) -> Result<Vec<Lane<Builder>>> {
        let taps = pixel.taps.iter().map(|tap| (self.number(tap.tap), self.address(pixel, tap)));
        let maximum = maximum_of(b, self.element(), taps, pixel.extent);
        let (value, index) = maximum.ok_or_else(|| self.missing())?;
        let lane = |root: &Value| match self.body.op(*root) {
            Op::MaxPoolIndex(_) => Lane::I(index),
            _ => Lane::F(value),
        };
        Ok(self.roots.iter().map(lane).collect())
    }

    /// The element at the tap that the pixel's index names.
    fn picked(&self, b: &mut Builder, pixel: &Pixel<'_>) -> Result<F> {
        let chosen = self.index(b, pixel, 0)?;
        let mut result = b.float(0.0);
        for tap in pixel.taps {
            let (x, number) = (self.load(b, pixel, tap), b.int(self.number(tap.tap) as i64));
            let hit = b.ieq(chosen, number);
            result = b.select(hit, x, result);
        }
        Ok(result)
    }

    fn mean(&self, b: &mut Builder, pixel: &Pixel<'_>, include_pad: bool) -> F {
        let mut sum = b.float(0.0);
        for tap in pixel.taps {
            let x = self.load(b, pixel, tap);
            sum = b.add(sum, x);
        }
        let count = if include_pad { self.window_taps() } else { pixel.taps.len() };
        let count = b.float(count as f64);
        b.div(sum, count)
    }

    /// The sum of the cotangents of windows whose index names the pixel.
    fn unpooled(&self, b: &mut Builder, pixel: &Pixel<'_>) -> Result<F> {
        let mut sum = b.float(0.0);
        let zero = b.float(0.0);
        for tap in pixel.taps {
            let own = std::array::from_fn(|axis| self.dims.taps[axis] - 1 - tap.tap[axis]);
            let chosen = self.index(b, pixel, tap.offset)?;
            let (dy, number) = (self.load(b, pixel, tap), b.int(self.number(own) as i64));
            let hit = b.ieq(chosen, number);
            let share = b.select(hit, dy, zero);
            sum = b.add(sum, share);
        }
        Ok(sum)
    }

    /// The sum of the shares of the windows' cotangents.
    fn spread(&self, b: &mut Builder, pixel: &Pixel<'_>, include_pad: bool) -> F {
        let mut sum = b.float(0.0);
        for tap in pixel.taps {
            let count = if include_pad { self.window_taps() } else { tap.count };
            let (dy, count) = (self.load(b, pixel, tap), b.float(count as f64));
            let share = b.div(dy, count);
            sum = b.add(sum, share);
        }
        sum
    }

    fn address(&self, pixel: &Pixel<'_>, tap: &Tap) -> Address {
        pixel.from.at(self.element().size() as i64 * tap.offset)
    }

    fn load(&self, b: &mut Builder, pixel: &Pixel<'_>, tap: &Tap) -> F {
        b.load_float(self.element(), self.address(pixel, tap), pixel.extent)
    }

    /// The index at an offset from the pixel's first.
    fn index(&self, b: &mut Builder, pixel: &Pixel<'_>, offset: i64) -> Result<I> {
        let index = pixel.index.ok_or_else(|| self.missing())?;
        match load(b, DType::U8, index.at(offset), pixel.extent) {
            Lane::I(index) => Ok(index),
            _ => Err(self.missing()),
        }
    }

    /// The number of a tap in the window, in row-major order.
    fn number(&self, [plane, row, column]: [usize; 3]) -> usize {
        let taps = &self.dims.taps;
        (plane * taps[1] + row) * taps[2] + column
    }

    fn window_taps(&self) -> usize {
        self.dims.taps.iter().product()
    }

    fn missing(&self) -> Error {
        self.body.refused("a pooling without the operand it needs")
    }
}

fn numbered(classes: &[Vec<Segment>]) -> impl Iterator<Item = (usize, &Segment)> {
    classes
        .iter()
        .enumerate()
        .flat_map(|(class, segments)| segments.iter().map(move |s| (class, s)))
}
