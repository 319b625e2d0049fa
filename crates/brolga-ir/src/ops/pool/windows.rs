//! The windows of a pooling, for the reference evaluation.

use super::PoolDims;
use crate::for_each_dtype;
use crate::ops::window::coordinates;
use crate::tensor::{Data, Tensor};

/// A window at one of its positions.
#[derive(Debug, Clone)]
pub(in crate::ops) struct PoolWindow {
    /// The taps that fall into the image, row-major.
    pub(in crate::ops) taps: Vec<Tap>,
    /// The number of all taps.
    all: usize,
    /// The index of the first channel of its pixel of the result.
    pub(in crate::ops) output: usize,
}

/// A tap of a window that falls into the image.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Tap {
    /// Its number in the window, row-major.
    pub(in crate::ops) number: usize,
    /// The index of the first channel of the pixel it reads.
    pub(in crate::ops) input: usize,
}

/// The maximum of a window.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Maximum {
    /// The number of the tap.
    pub(in crate::ops) tap: usize,
    /// Its offset in the images.
    pub(in crate::ops) offset: usize,
}

impl PoolWindow {
    /// The number by which an average divides: that of the taps in the image, or of all taps.
    pub(in crate::ops) fn count(&self, include_pad: bool) -> usize {
        if include_pad { self.all } else { self.taps.len() }
    }

    /// The index of the first channel of the pixel that the tap of this number reads, if it falls
    /// into the image.
    fn read(&self, tap: usize) -> Option<usize> {
        self.taps.iter().find(|own| own.number == tap).map(|own| own.input)
    }
}

/// Whether the later element `next` reoffsets the maximum `best`: it is greater, or the first NaN.
#[expect(clippy::eq_op, reason = "only NaN differs from itself")]
fn beats<T: PartialOrd>(next: T, best: T) -> bool {
    next > best || (next != next && best == best)
}

impl PoolDims {
    /// All windows in ascending order of the output pixel; none if there is no channel.
    pub(in crate::ops) fn windows(&self) -> impl Iterator<Item = PoolWindow> {
        let [pixels, results] = [&self.input, &self.output].map(|e| e.iter().product::<usize>());
        let outputs = if self.channels == 0 { 0 } else { self.batch * results };
        (0..outputs).map(move |output| {
            let at = coordinates(output % results, &self.output);
            let taps = self.window.all_taps(&at, [&self.taps, &self.input]);
            let start = output / results * pixels;
            let tap = |(number, pixel)| Tap { number, input: (start + pixel) * self.channels };
            let taps = taps.into_iter().map(tap).collect();
            PoolWindow { taps, all: self.all_taps(), output: output * self.channels }
        })
    }

    /// The maximum of each window and channel: the first NaN, or the first of equal maxima.
    pub(in crate::ops) fn maxima(&self, x: &Data) -> Vec<Maximum> {
        for_each_dtype!(x, x => self.maxima_of(x))
    }

    fn maxima_of<T: Copy + PartialOrd>(&self, x: &[T]) -> Vec<Maximum> {
        let mut maxima = Vec::with_capacity(self.output_shape().elements());
        for window in self.windows() {
            for channel in 0..self.channels {
                let of = |tap: &Tap| Maximum { tap: tap.number, offset: tap.input + channel };
                let first = |best: Maximum, next: Maximum| {
                    if beats(x[next.offset], x[best.offset]) { next } else { best }
                };
                maxima.extend(window.taps.iter().map(of).reduce(first));
            }
        }
        maxima
    }

    /// For each element of the result the offset in the images that the tap in `index` reads, if it
    /// reads one.
    pub(in crate::ops) fn chosen(&self, index: &Tensor) -> Vec<Option<usize>> {
        let Data::U8(index) = index.data() else {
            unreachable!("the type rule admits an index of u8")
        };
        let mut offsets = Vec::with_capacity(index.len());
        for window in self.windows() {
            for channel in 0..self.channels {
                let pixel = window.read(usize::from(index[window.output + channel]));
                offsets.push(pixel.map(|pixel| pixel + channel));
            }
        }
        offsets
    }
}
