//! Scalar loops over the windows of a pooling.

use smallvec::SmallVec;

use super::PoolDims;
use crate::lanes::{Lanes, Width};
use crate::loops::{Buffer, Index, Number, Scalar, Variable, Writer};
use crate::ops::window::MAX_SPATIAL;
use crate::types::DType;

/// Indices on the spatial axes.
type Indices = SmallVec<[Index; MAX_SPATIAL]>;

impl PoolDims {
    /// The pixels of an image that the window of an output covers on this axis: the first, and the
    /// one after the last.
    fn covered(&self, w: &mut Writer, axis: usize, output: &Index) -> [Index; 2] {
        let start = output * self.window.strides[axis] - self.window.padding[axis][0];
        let end = w.min(start.clone() + self.taps[axis], self.input[axis].into());
        [w.max(start, Index::default()), end]
    }

    /// Scalar loops over the pixels that the window of an output covers, row-major; `body` gets
    /// each with the number of its tap.
    pub(in crate::ops) fn each_covered(
        &self,
        w: &mut Writer,
        output: &[Index],
        body: impl FnOnce(&mut Writer, &[Index], Index),
    ) {
        let ranges: SmallVec<[[Index; 2]; MAX_SPATIAL]> =
            output.iter().enumerate().map(|(axis, at)| self.covered(w, axis, at)).collect();
        each_in(w, &ranges, Indices::new(), |w, pixel| {
            let number = self.tap_number(output, pixel);
            body(w, pixel, number);
        });
    }

    /// The number of the tap with which the window of an output reads a pixel.
    fn tap_number(&self, output: &[Index], pixel: &[Index]) -> Index {
        (0..pixel.len()).fold(Index::default(), |number, axis| {
            let origin = &output[axis] * self.window.strides[axis];
            let tap = pixel[axis].clone() + self.window.padding[axis][0] - origin;
            number * self.taps[axis] + tap
        })
    }

    /// The indices of the tap of this number.
    pub(in crate::ops) fn tap_indices(&self, w: &mut Writer, number: Index) -> Indices {
        let mut rest = number;
        let mut indices = Indices::new();
        for &extent in self.taps[1..].iter().rev() {
            let (outer, index) = w.divide(&rest, extent);
            indices.push(index);
            rest = outer;
        }
        indices.push(rest);
        indices.reverse();
        indices
    }

    /// Scalar loops over the outputs whose window covers a pixel, row-major; `body` gets each with
    /// the number of the tap on the pixel.
    pub(in crate::ops) fn each_covering(
        &self,
        w: &mut Writer,
        pixel: &[Index],
        body: impl FnOnce(&mut Writer, &[Index], Index),
    ) {
        let mut range = |(axis, pixel): (usize, &Index)| {
            let padded = pixel.clone() + self.window.padding[axis][0];
            let stride = self.window.strides[axis];
            let lowest = padded.clone() + stride - self.taps[axis];
            let lowest = w.max(lowest, Index::default());
            let (first, _) = w.divide(&lowest, stride);
            let (last, _) = w.divide(&padded, stride);
            [first, w.min(last + 1, self.output[axis].into())]
        };
        let ranges: SmallVec<[[Index; 2]; MAX_SPATIAL]> =
            pixel.iter().enumerate().map(&mut range).collect();
        each_in(w, &ranges, Indices::new(), |w, output| {
            let number = self.tap_number(output, pixel);
            body(w, output, number);
        });
    }

    /// The number by which the average of an output divides, in the register of an element type.
    pub(in crate::ops) fn divisor(
        &self,
        w: &mut Writer,
        dtype: DType,
        include_pad: bool,
        output: &[Index],
    ) -> Number {
        if include_pad {
            return w.count(dtype, self.all_taps());
        }
        let zero = w.zero(DType::I64);
        let counts = output.iter().enumerate().map(|(axis, at)| {
            let [first, end] = self.covered(w, axis, at);
            w.number(Scalar::I64, end - first)
        });
        let counts: SmallVec<[Number; MAX_SPATIAL]> = counts.collect();
        let product = |w: &mut Writer, product, count| w.multiply_add(product, count, zero);
        let count = counts[1..].iter().fold(counts[0], |so_far, &count| product(w, so_far, count));
        w.convert(count, if dtype == DType::F64 { DType::F64 } else { DType::F32 })
    }

    /// The maximum of the window of an output and channel, and the number of its tap: the first
    /// NaN, or the first of equal maxima.
    pub(in crate::ops) fn write_maximum(
        &self,
        w: &mut Writer,
        x: Buffer,
        at: &[Index],
    ) -> (Variable, Variable) {
        let extents = self.input_shape();
        let (image, output, channel) = parts(at);
        let element = |w: &mut Writer, pixel: &[Index]| {
            w.load(x, w.at(&extents, &joined(image, pixel, channel)))
        };
        let first: Indices = (output.iter().enumerate())
            .map(|(axis, at)| self.covered(w, axis, at)[0].clone())
            .collect();
        let number = self.tap_number(output, &first);
        let (first, number) = (element(w, &first), w.number(Scalar::I32, number));
        let (best, tap) = (w.variable(first), w.variable(number));
        self.each_covered(w, output, |w, pixel, number| {
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
}

/// Loops over ranges of indices, the last one innermost.
fn each_in(
    w: &mut Writer,
    ranges: &[[Index; 2]],
    mut outer: Indices,
    body: impl FnOnce(&mut Writer, &[Index]),
) {
    let Some(([first, end], inner)) = ranges.split_first() else { return body(w, &outer) };
    w.range(first.clone(), end.clone(), |w, index| {
        outer.push(index);
        each_in(w, inner, outer, body);
    });
}

/// The indices of an element of images: the image, the pixel, the channel.
pub(in crate::ops) fn parts(at: &[Index]) -> (&Index, &[Index], &Index) {
    match at {
        [image, pixel @ .., channel] => (image, pixel, channel),
        _ => unreachable!("the type rule has accepted the images"),
    }
}

/// The inverse of [`parts`].
pub(in crate::ops) fn joined(image: &Index, pixel: &[Index], channel: &Index) -> Vec<Index> {
    [image].into_iter().chain(pixel).chain([channel]).cloned().collect()
}

/// [`beats`] in registers of scalar loops.
pub(in crate::ops) fn wins(w: &mut Writer, next: Number, best: Number) -> Number {
    let greater = w.greater(next, best);
    let (next, best) = (w.is_nan(next), w.is_nan(best));
    let mut lanes = w.lanes(Width::W32);
    let number = lanes.not(best);
    let first_nan = lanes.and(next, number);
    lanes.or(greater, first_nan)
}
