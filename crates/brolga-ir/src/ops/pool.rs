//! What pooling and its gradients share: extents, the walk over the windows, the choice of a
//! maximum.

use smallvec::SmallVec;

use super::window::{
    Images, MAX_SPATIAL, Padding, Spatial, Window, coordinates, images, shape, side,
};
use crate::error::Mistake;
use crate::for_each_dtype;
use crate::lanes::{Lanes, Width};
use crate::loops::{Buffer, Index, Number, Scalar, Variable, Writer};
use crate::tensor::{Data, Tensor};
use crate::types::{DType, Shape, Type};

/// The attributes of a pooling, the same for its gradients. All three have one value for each
/// spatial axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pooling {
    /// Spatial extents of the window.
    pub window: Spatial<usize>,
    /// Steps between neighbouring windows.
    pub strides: Spatial<usize>,
    /// Positions added on each side.
    pub padding: Padding,
}

impl Pooling {
    /// A pooling by windows of these extents that move like this.
    pub fn new(
        window: impl Into<Spatial<usize>>,
        strides: impl Into<Spatial<usize>>,
        padding: impl Into<Padding>,
    ) -> Self {
        Self { window: window.into(), strides: strides.into(), padding: padding.into() }
    }

    /// The attributes as the text has them, where padding may be left out.
    pub(super) fn of_attributes(
        window: Spatial<usize>,
        strides: Spatial<usize>,
        padding: Option<Padding>,
    ) -> Self {
        let padding = padding.unwrap_or_else(|| Window::plain(strides.len()).padding);
        Self { window, strides, padding }
    }

    /// How the window moves.
    #[must_use]
    pub fn moves(&self) -> Window {
        let dilation = Spatial::splat(self.window.len(), 1);
        Window { strides: self.strides, padding: self.padding, dilation }
    }

    /// Whether windows are side by side in a row or a plane, without overlap, gaps and padding:
    /// what kernels of convolutions pool.
    #[must_use]
    pub fn tiles_a_plane(&self) -> bool {
        self.window.len() < MAX_SPATIAL
            && self.window == self.strides
            && self.padding.iter().all(|padding| *padding == [0, 0])
    }
}

/// The text form of an op whose attributes are its own and those of a [`Pooling`], side by side:
/// the extents of the images come before, whether padding counts after the pooling's. Padding may
/// be left out.
macro_rules! pooling_attributes {
    ($op:ident { $($input:ident)? } $($count:ident)?) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Attributes {
            $($input: Spatial<usize>,)?
            window: Spatial<usize>,
            strides: Spatial<usize>,
            #[serde(default)]
            padding: Option<Padding>,
            $(#[serde(default)] $count: bool,)?
        }

        impl From<Attributes> for $op {
            fn from(given: Attributes) -> Self {
                let Attributes { $($input,)? window, strides, padding $(, $count)? } = given;
                let pool = Pooling::of_attributes(window, strides, padding);
                Self { $($input,)? pool $(, $count)? }
            }
        }

        impl From<$op> for Attributes {
            fn from(op: $op) -> Self {
                let $op { $($input,)? pool $(, $count)? } = op;
                let Pooling { window, strides, padding } = pool;
                Self { $($input,)? window, strides, padding: Some(padding) $(, $count)? }
            }
        }
    };
}
pub(super) use pooling_attributes;

/// The extents of a pooling, the same for its gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolDims {
    /// The number of images.
    pub batch: usize,
    /// Spatial extents of the images.
    pub input: Spatial<usize>,
    /// Spatial extents of the window.
    pub taps: Spatial<usize>,
    /// Spatial extents of the result.
    pub output: Spatial<usize>,
    /// The number of channels, each pooled for itself.
    pub channels: usize,
    /// How the window moves.
    pub window: Window,
}

/// Indices on the spatial axes.
type Indices = SmallVec<[Index; MAX_SPATIAL]>;

impl PoolDims {
    fn new(op: &str, (batch, input, channels): Images, pool: &Pooling) -> Result<Self, Mistake> {
        let (taps, window) = (pool.window, pool.moves());
        let output = window.output(op, input, taps)?;
        for axis in 0..input.len() {
            let (side, padding) = (side(input.len(), axis), window.padding[axis]);
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
        if count(&taps).is_none() {
            return Err(Mistake::new(format!("`{op}`: a window of {taps} is too large")));
        }
        Ok(Self { batch, input, taps, output, channels, window })
    }

    /// The extents of a pooling of images of shape `x`, after checks that every window holds a
    /// pixel.
    pub(super) fn of_images(op: &str, x: &Shape, pool: &Pooling) -> Result<Self, Mistake> {
        Self::new(op, images(op, x)?, pool)
    }

    /// The extents of a pooling of images of spatial extents `input` whose result has shape `y`,
    /// after the same checks.
    pub(super) fn of_result(
        op: &str,
        y: &Shape,
        input: Spatial<usize>,
        pool: &Pooling,
    ) -> Result<Self, Mistake> {
        let (batch, given, channels) = images(op, y)?;
        let dims = Self::new(op, (batch, input, channels), pool)?;
        let Self { taps, output, .. } = dims;
        if output == given {
            return Ok(dims);
        }
        Err(Mistake::new(format!(
            "`{op}`: a {taps} window turns {input} images into {output} ones, \
             but the cotangent is {given}"
        )))
    }

    /// The same pooling of images with so many spatial axes, where leading ones that were missing
    /// have extent 1; `None` for fewer than there are. Memory and order of arithmetic are the same.
    #[must_use]
    pub fn with_axes(&self, axes: usize) -> Option<Self> {
        if axes <= self.input.len() {
            return (axes == self.input.len()).then_some(*self);
        }
        let wider = Self {
            input: self.input.after(1),
            taps: self.taps.after(1),
            output: self.output.after(1),
            window: self.window.after_one(),
            ..*self
        };
        wider.with_axes(axes)
    }

    /// The taps of a window, those in the padding included.
    pub(super) fn all_taps(&self) -> usize {
        self.taps.iter().product()
    }

    /// The pixels of an image that the window of an output covers on this axis: the first, and the
    /// one after the last.
    fn covered(&self, w: &mut Writer, axis: usize, output: &Index) -> [Index; 2] {
        let start = output * self.window.strides[axis] - self.window.padding[axis][0];
        let end = w.min(start.clone() + self.taps[axis], self.input[axis].into());
        [w.max(start, Index::default()), end]
    }

    /// Scalar loops over the pixels that the window of an output covers, row-major; `body` gets
    /// each with the number of its tap.
    pub(super) fn each_covered(
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

    /// The number of the tap by which the window of an output reads a pixel.
    fn tap_number(&self, output: &[Index], pixel: &[Index]) -> Index {
        (0..pixel.len()).fold(Index::default(), |number, axis| {
            let origin = &output[axis] * self.window.strides[axis];
            let tap = pixel[axis].clone() + self.window.padding[axis][0] - origin;
            number * self.taps[axis] + tap
        })
    }

    /// The indices of the tap of this number.
    pub(super) fn tap_indices(&self, w: &mut Writer, number: Index) -> Indices {
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
    pub(super) fn each_covering(
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
    pub(super) fn divisor(
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

    /// The maximum of the window of an output and channel and the number of its tap: NaN before
    /// numbers, of equals the first.
    pub(super) fn write_maximum(
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
        shape((self.batch, self.input, self.channels))
    }

    /// The shape of the result.
    pub(super) fn output_shape(&self) -> Shape {
        shape((self.batch, self.output, self.channels))
    }

    /// All windows in ascending order of the output pixel; none if there is no channel.
    pub(super) fn windows(&self) -> impl Iterator<Item = PlacedWindow> {
        let [pixels, results] = [&self.input, &self.output].map(|e| e.iter().product::<usize>());
        let outputs = if self.channels == 0 { 0 } else { self.batch * results };
        (0..outputs).map(move |output| {
            let at = coordinates(output % results, &self.output);
            let taps = self.window.all_taps(&at, [&self.taps, &self.input]);
            let start = output / results * pixels;
            let tap = |(number, pixel)| Tap { number, input: (start + pixel) * self.channels };
            let taps = taps.into_iter().map(tap).collect();
            PlacedWindow { taps, all: self.all_taps(), output: output * self.channels }
        })
    }

    /// The maximum of each window and channel: NaN before numbers, of equals the first.
    pub(super) fn maxima(&self, x: &Data) -> Vec<Maximum> {
        for_each_dtype!(x, x => self.maxima_of(x))
    }

    fn maxima_of<T: Copy + PartialOrd>(&self, x: &[T]) -> Vec<Maximum> {
        let mut maxima = Vec::with_capacity(self.output_shape().elements());
        for window in self.windows() {
            for channel in 0..self.channels {
                let of = |tap: &Tap| Maximum { tap: tap.number, place: tap.input + channel };
                let first = |best: Maximum, next: Maximum| {
                    if beats(x[next.place], x[best.place]) { next } else { best }
                };
                maxima.extend(window.taps.iter().map(of).reduce(first));
            }
        }
        maxima
    }

    /// For each element of the result the element of the images that the tap in `index` reads, if
    /// it reads one.
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
pub(super) fn parts(at: &[Index]) -> (&Index, &[Index], &Index) {
    match at {
        [image, pixel @ .., channel] => (image, pixel, channel),
        _ => unreachable!("the type rule has accepted the images"),
    }
}

/// [`parts`] the other way round.
pub(super) fn joined(image: &Index, pixel: &[Index], channel: &Index) -> Vec<Index> {
    [image].into_iter().chain(pixel).chain([channel]).cloned().collect()
}

/// A window at one of its positions.
#[derive(Debug, Clone)]
pub(super) struct PlacedWindow {
    /// The taps that fall into the image, row-major.
    pub(super) taps: Vec<Tap>,
    /// The number of all taps.
    all: usize,
    /// The index of the first channel of its pixel of the result.
    pub(super) output: usize,
}

/// A tap of a placed window that falls into the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    /// Its number in the window, row-major.
    pub(super) number: usize,
    /// The index of the first channel of the pixel it reads.
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

impl PlacedWindow {
    /// The number by which an average divides: of the taps that fall into the image, or of all.
    pub(super) fn count(&self, include_pad: bool) -> usize {
        if include_pad { self.all } else { self.taps.len() }
    }

    /// The index of the first channel of the pixel that the tap of this number reads, if it falls
    /// into the image.
    fn read(&self, tap: usize) -> Option<usize> {
        self.taps.iter().find(|own| own.number == tap).map(|own| own.input)
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

/// The number of taps of a window, if it fits into an integer.
fn count(window: &Spatial<usize>) -> Option<usize> {
    window.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent))
}

/// The most taps of a window whose numbers fit into `u8`.
const MAX_INDEXED_TAPS: usize = 256;

/// Fails unless the number of every tap of the window fits into an index.
pub(super) fn check_indexed(op: &str, window: &Spatial<usize>) -> Result<(), Mistake> {
    if count(window).is_some_and(|taps| taps <= MAX_INDEXED_TAPS) {
        return Ok(());
    }
    Err(Mistake::new(format!("`{op}`: a window of {window} has more than {MAX_INDEXED_TAPS} taps"))
        .help("the place of a maximum is one byte: use a smaller window, or two poolings"))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::conv_dims::tests::{all, axes};
    use super::*;

    /// Small poolings of every kind that fit, of 1 to 3 axes: overlapping, with gaps, with padding
    /// and without images or channels.
    pub(crate) fn cases() -> impl Strategy<Value = PoolDims> {
        (1..=3usize).prop_flat_map(|rank| {
            let (most_input, most_padding): (usize, usize) =
                ([7, 7, 5][rank - 1], [3, 3, 2][rank - 1]);
            let input = axes(rank, move || 0..most_input);
            let padding = axes(rank, move || [0..most_padding, 0..most_padding]);
            let (window, strides) = (axes(rank, || 1..4usize), axes(rank, || 1..4usize));
            (0..3usize, input, 0..3usize, window, strides, padding).prop_filter_map(
                "the window fits into the image",
                |(batch, input, channels, window, strides, padding)| {
                    let pool = Pooling { window, strides, padding };
                    PoolDims::new("pool", (batch, input, channels), &pool).ok()
                },
            )
        })
    }

    impl PoolDims {
        /// Its attributes.
        pub(crate) fn pool(&self) -> Pooling {
            let Window { strides, padding, .. } = self.window;
            Pooling { window: self.taps, strides, padding }
        }

        /// For each element of the result the elements of the images in its window, each with its
        /// tap: the definition, with signs.
        pub(crate) fn definition(&self) -> Vec<Vec<(usize, usize)>> {
            let mut windows = Vec::new();
            for image in 0..self.batch {
                for out in all(self.output) {
                    for channel in 0..self.channels {
                        let read = all(self.taps).enumerate().filter_map(|(number, tap)| {
                            let pixel = (0..tap.len()).try_fold(image, |pixel, axis| {
                                let at = out[axis] * self.window.strides[axis] + tap[axis];
                                let at = at as isize - self.window.padding[axis][0] as isize;
                                let at = usize::try_from(at).ok().filter(|&p| p < self.input[axis]);
                                Some(pixel * self.input[axis] + at?)
                            });
                            Some((number, pixel? * self.channels + channel))
                        });
                        windows.push(read.collect());
                    }
                }
            }
            windows
        }
    }
}
