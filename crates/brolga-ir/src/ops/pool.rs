//! What pooling and its gradients share: extents, the walk over the windows, the choice of a maximum.

use super::window::{IMAGES, Window, rank_4};
use crate::error::Mistake;
use crate::for_each_dtype;
use crate::lanes::{Lanes, Width};
use crate::loops::{Buffer, Index, Number, Scalar, Variable, Writer};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Shape, Type};

/// The extents of a pooling, the same for its gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolDims {
    /// The number of images.
    pub batch: usize,
    /// Height and width of the images.
    pub input: [usize; 2],
    /// Height and width of the window.
    pub taps: [usize; 2],
    /// Height and width of the result.
    pub output: [usize; 2],
    /// The number of channels, each pooled for itself.
    pub channels: usize,
    /// How the window moves.
    pub window: Window,
}

impl PoolDims {
    fn new(
        op: &str,
        [batch, height, width, channels]: [usize; 4],
        taps: [usize; 2],
        window: Window,
    ) -> Result<Self, Mistake> {
        let input = [height, width];
        let output = window.output(op, input, taps)?;
        for axis in 0..2 {
            let (side, padding) = (["height", "width"][axis], window.padding[axis]);
            let (extent, taps) = (input[axis], taps[axis]);
            if extent == 0 {
                let message = format!("`{op}`: images of {side} 0 have nothing to pool");
                return Err(Mistake::new(message));
            }
            if padding.iter().any(|&padding| padding >= taps) {
                return Err(Mistake::new(format!(
                    "`{op}`: with padding {padding:?}, a window of {side} {taps} can miss its image"
                ))
                .help("the padding on each side must be smaller than the window"));
            }
        }
        if taps[0].checked_mul(taps[1]).is_none() {
            let [rows, cols] = taps;
            return Err(Mistake::new(format!("`{op}`: a window of {rows}×{cols} is too large")));
        }
        Ok(Self { batch, input, taps, output, channels, window })
    }

    /// The extents of a pooling of images of shape `x`, after checks that every window holds a pixel.
    pub(super) fn of_images(
        op: &str,
        x: &Shape,
        taps: [usize; 2],
        window: Window,
    ) -> Result<Self, Mistake> {
        Self::new(op, rank_4(op, IMAGES, x)?, taps, window)
    }

    /// The extents of a pooling of images of height and width `input` whose result has shape `y`, after the same checks.
    pub(super) fn of_result(
        op: &str,
        y: &Shape,
        input: [usize; 2],
        taps: [usize; 2],
        window: Window,
    ) -> Result<Self, Mistake> {
        let [batch, height, width, channels] = rank_4(op, IMAGES, y)?;
        let dims = Self::new(op, [batch, input[0], input[1], channels], taps, window)?;
        if dims.output == [height, width] {
            return Ok(dims);
        }
        let ([h, w], [rows, cols], [oh, ow]) = (input, taps, dims.output);
        Err(Mistake::new(format!(
            "`{op}`: a {rows}×{cols} window turns {h}×{w} images into {oh}×{ow} ones, \
             but the cotangent is {height}×{width}"
        )))
    }

    /// The pixels of an image that the window of an output covers on this axis: the first, and the one after the last.
    fn covered(&self, w: &mut Writer, axis: usize, output: &Index) -> [Index; 2] {
        let start = output * self.window.strides[axis] - self.window.padding[axis][0];
        let end = w.min(start.clone() + self.taps[axis], self.input[axis].into());
        [w.max(start, Index::default()), end]
    }

    /// Scalar loops over the pixels that the window of an output covers, row-major; `body` gets each with the number of its tap.
    pub(super) fn each_covered(
        &self,
        w: &mut Writer,
        output: &[Index],
        body: impl FnOnce(&mut Writer, [Index; 2], Index),
    ) {
        let [rows, columns] = [0, 1].map(|axis| self.covered(w, axis, &output[axis]));
        let [first, end] = rows;
        w.range(first, end, |w, row| {
            let [first, end] = columns;
            w.range(first, end, |w, column| {
                let pixel = [row, column];
                let number = self.tap_number(output, &pixel);
                body(w, pixel, number);
            });
        });
    }

    /// The number of the tap by which the window of an output reads a pixel.
    fn tap_number(&self, output: &[Index], pixel: &[Index; 2]) -> Index {
        let tap = |axis: usize| {
            let origin = &output[axis] * self.window.strides[axis];
            pixel[axis].clone() + self.window.padding[axis][0] - origin
        };
        tap(0) * self.taps[1] + tap(1)
    }

    /// Scalar loops over the outputs whose window covers a pixel, row-major; `body` gets each with the number of the tap on the pixel.
    pub(super) fn each_covering(
        &self,
        w: &mut Writer,
        pixel: &[Index],
        body: impl FnOnce(&mut Writer, [Index; 2], Index),
    ) {
        let padded = [0, 1].map(|axis| pixel[axis].clone() + self.window.padding[axis][0]);
        let [rows, columns] = [0, 1].map(|axis| {
            let stride = self.window.strides[axis];
            let lowest = padded[axis].clone() + stride - self.taps[axis];
            let lowest = w.max(lowest, Index::default());
            let (first, _) = w.divide(&lowest, stride);
            let (last, _) = w.divide(&padded[axis], stride);
            [first, w.min(last + 1, self.output[axis].into())]
        });
        let [first, end] = rows;
        w.range(first, end, |w, row| {
            let [first, end] = columns;
            w.range(first, end, |w, column| {
                let output = [row, column];
                let [row, column] = [0, 1].map(|axis| pixel[axis].clone());
                let number = self.tap_number(&output, &[row, column]);
                body(w, output, number);
            });
        });
    }

    /// The number by which the average of an output divides, in the register of an element type.
    pub(super) fn divisor(
        &self,
        w: &mut Writer,
        dtype: DType,
        include_pad: bool,
        output: &[Index],
    ) -> Number {
        if include_pad {
            return w.count(dtype, self.taps[0] * self.taps[1]);
        }
        let [rows, columns] = [0, 1].map(|axis| {
            let [first, end] = self.covered(w, axis, &output[axis]);
            w.number(Scalar::I64, end - first)
        });
        let zero = w.zero(DType::I64);
        let count = w.multiply_add(rows, columns, zero);
        w.convert(count, if dtype == DType::F64 { DType::F64 } else { DType::F32 })
    }

    /// The maximum of the window of an output and channel and the number of its tap: NaN before numbers, of equals the first.
    pub(super) fn write_maximum(
        &self,
        w: &mut Writer,
        x: Buffer,
        at: &[Index],
    ) -> (Variable, Variable) {
        let extents = self.input_shape();
        let element = |w: &mut Writer, [row, column]: [Index; 2]| {
            w.load(x, w.at(&extents, &[at[0].clone(), row, column, at[3].clone()]))
        };
        let first = [0, 1].map(|axis| self.covered(w, axis, &at[1 + axis])[0].clone());
        let number = self.tap_number(&at[1..3], &first);
        let (first, number) = (element(w, first), w.number(Scalar::I32, number));
        let (best, tap) = (w.variable(first), w.variable(number));
        self.each_covered(w, &at[1..3], |w, pixel, number| {
            let next = element(w, pixel);
            let (old, old_tap) = (w.get(best), w.get(tap));
            let wins = wins(w, next, old);
            let number = w.number(Scalar::I32, number);
            let (new, new_tap) = (w.select(wins, next, old), w.select(wins, number, old_tap));
            w.set(best, new);
            w.set(tap, new_tap);
        });
        (best, tap)
    }

    /// Fails unless this is the type of an index: `u8` of the shape of the result.
    pub(super) fn expect_index(&self, op: &str, index: &Type) -> Result<(), Mistake> {
        let expected = Type { dtype: DType::U8, shape: self.output_shape() };
        if *index == expected {
            return Ok(());
        }
        Err(Mistake::new(format!("`{op}`: the index is {index}, expected {expected}"))
            .help("the index is what `max_pool_index` gives for the same images and window"))
    }

    /// The shape of the images.
    pub(super) fn input_shape(&self) -> Shape {
        Shape::from([self.batch, self.input[0], self.input[1], self.channels])
    }

    /// The shape of the result.
    pub(super) fn output_shape(&self) -> Shape {
        Shape::from([self.batch, self.output[0], self.output[1], self.channels])
    }

    /// All windows in ascending order of the output pixel; none if there is no channel.
    pub(super) fn windows(&self) -> impl Iterator<Item = PlacedWindow<'_>> {
        let [height, width] = self.output;
        let pixels = if self.channels == 0 { 0 } else { self.batch * height * width };
        (0..pixels).map(move |pixel| PlacedWindow {
            dims: self,
            image: pixel / width / height,
            row: pixel / width % height,
            col: pixel % width,
            output: pixel * self.channels,
        })
    }

    /// The place of the first channel of a pixel of an image.
    fn pixel(&self, image: usize, row: usize, col: usize) -> usize {
        ((image * self.input[0] + row) * self.input[1] + col) * self.channels
    }

    /// The maximum of each window and channel: NaN before numbers, of equals the first.
    pub(super) fn maxima(&self, x: &Data) -> Vec<Maximum> {
        for_each_dtype!(x, x => self.maxima_of(x))
    }

    fn maxima_of<T: Copy + PartialOrd>(&self, x: &[T]) -> Vec<Maximum> {
        let mut maxima = Vec::with_capacity(self.output_shape().elements());
        for window in self.windows() {
            let taps = window.taps();
            for channel in 0..self.channels {
                let of = |tap: &Tap| Maximum { tap: tap.number, place: tap.input + channel };
                let first = |best: Maximum, next: Maximum| {
                    if beats(x[next.place], x[best.place]) { next } else { best }
                };
                maxima.extend(taps.iter().map(of).reduce(first));
            }
        }
        maxima
    }

    /// For each element of the result the element of the images that the tap in `index` reads, if it reads one.
    pub(super) fn places(&self, index: &Tensor) -> Vec<Option<usize>> {
        let Data::U8(index) = index.data() else {
            unreachable!("the type rule admits an index of u8")
        };
        let mut places = Vec::with_capacity(index.len());
        for window in self.windows() {
            for channel in 0..self.channels {
                let pixel = window.read(usize::from(index[window.output + channel]));
                places.push(pixel.map(|pixel| pixel + channel));
            }
        }
        places
    }
}

/// A window at one of its places.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlacedWindow<'a> {
    dims: &'a PoolDims,
    image: usize,
    row: usize,
    col: usize,
    /// The place of the first channel of its pixel of the result.
    pub(super) output: usize,
}

/// A tap of a placed window that falls into the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    /// Its number in the window, row-major.
    pub(super) number: usize,
    /// The place of the first channel of the pixel it reads.
    pub(super) input: usize,
}

/// Where a window has its maximum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maximum {
    /// The number of the tap.
    pub(super) tap: usize,
    /// The element of the images.
    pub(super) place: usize,
}

impl PlacedWindow<'_> {
    fn rows(self) -> impl ExactSizeIterator<Item = (usize, usize)> {
        self.dims.window.taps(0, self.row, self.dims.taps[0], self.dims.input[0])
    }

    fn cols(self) -> impl ExactSizeIterator<Item = (usize, usize)> {
        self.dims.window.taps(1, self.col, self.dims.taps[1], self.dims.input[1])
    }

    /// The taps that fall into the image, row-major.
    pub(super) fn taps(self) -> Vec<Tap> {
        let row = |(u, row)| {
            self.cols().map(move |(v, col)| Tap {
                number: u * self.dims.taps[1] + v,
                input: self.dims.pixel(self.image, row, col),
            })
        };
        self.rows().flat_map(row).collect()
    }

    /// The number by which an average divides: of the taps that fall into the image, or of all.
    pub(super) fn count(self, include_pad: bool) -> usize {
        if include_pad {
            self.dims.taps[0] * self.dims.taps[1]
        } else {
            self.rows().len() * self.cols().len()
        }
    }

    /// The place of the first channel of the pixel that the tap of this number reads, if it falls into the image.
    fn read(self, tap: usize) -> Option<usize> {
        let (window, [rows, cols]) = (&self.dims.window, self.dims.taps);
        let (u, v) = (tap / cols, tap % cols);
        if u >= rows {
            return None;
        }
        let row = window.place(0, self.row, u, self.dims.input[0])?;
        let col = window.place(1, self.col, v, self.dims.input[1])?;
        Some(self.dims.pixel(self.image, row, col))
    }
}

/// Whether `next`, which comes later, is the maximum instead of `best`: greater, or the first NaN.
#[expect(clippy::eq_op, reason = "only NaN differs from itself")]
fn beats<T: PartialOrd>(next: T, best: T) -> bool {
    next > best || (next != next && best == best)
}

/// [`beats`] in registers of scalar loops.
pub(super) fn wins(w: &mut Writer, next: Number, best: Number) -> Number {
    let greater = w.greater(next, best);
    let (next, best) = (w.is_nan(next), w.is_nan(best));
    let mut lanes = w.lanes(Width::W32);
    let number = lanes.not(best);
    let first_nan = lanes.and(next, number);
    lanes.or(greater, first_nan)
}

/// The most taps of a window whose numbers fit into `u8`.
const MAX_INDEXED_TAPS: usize = 256;

/// Fails unless the number of every tap of the window fits into an index.
pub(super) fn check_indexed(op: &str, [rows, cols]: [usize; 2]) -> Result<(), Mistake> {
    if rows.checked_mul(cols).is_some_and(|taps| taps <= MAX_INDEXED_TAPS) {
        return Ok(());
    }
    Err(Mistake::new(format!(
        "`{op}`: a window of {rows}×{cols} has more than {MAX_INDEXED_TAPS} taps"
    ))
    .help("the place of a maximum is one byte: use a smaller window, or two poolings"))
}

#[cfg(test)]
pub(super) mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::super::conv::tests::pairs;
    use super::*;

    /// Small poolings of every kind that fit: overlapping, with gaps, with padding and without images or channels.
    pub(crate) fn cases() -> impl Strategy<Value = PoolDims> {
        let pair = |range: Range<usize>| [range.clone(), range];
        let padding = [pair(0..3), pair(0..3)];
        (0..3usize, pair(0..7), 0..3usize, pair(1..4), pair(1..4), padding).prop_filter_map(
            "the window fits into the image",
            |(batch, [height, width], channels, taps, strides, padding)| {
                let window = Window { strides, padding, dilation: [1, 1] };
                PoolDims::new("pool", [batch, height, width, channels], taps, window).ok()
            },
        )
    }

    impl PoolDims {
        /// For each element of the result the elements of the images in its window, each with its tap: the definition, with signs.
        pub(crate) fn definition(&self) -> Vec<Vec<(usize, usize)>> {
            let mut windows = Vec::new();
            for image in 0..self.batch {
                for out in pairs(self.output) {
                    for channel in 0..self.channels {
                        let read = pairs(self.taps).enumerate().filter_map(|(number, tap)| {
                            let [row, col] = [0, 1].map(|axis| {
                                let place = out[axis] * self.window.strides[axis] + tap[axis];
                                let place = place as isize - self.window.padding[axis][0] as isize;
                                usize::try_from(place).ok().filter(|&p| p < self.input[axis])
                            });
                            Some((number, self.pixel(image, row?, col?) + channel))
                        });
                        windows.push(read.collect());
                    }
                }
            }
            windows
        }
    }
}
