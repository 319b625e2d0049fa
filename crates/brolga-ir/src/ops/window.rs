//! The geometry that convolutions and pooling share.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use super::spatial::{MAX_SPATIAL, Spatial};
use crate::error::Mistake;
use crate::loops::{Index, Writer};
use crate::types::Shape;

/// Positions added on each side of an image: before and after it on every spatial axis, such as
/// `[[top, bottom], [left, right]]`.
pub type Padding = Spatial<[usize; 2]>;

/// The steps of a window over the spatial axes of images. All three have one value for each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The distance between adjacent positions of the window.
    pub strides: Spatial<usize>,
    /// Positions added on each side. They hold no value: taps that fall on them are skipped.
    pub padding: Padding,
    /// The distance between adjacent taps of the window.
    pub dilation: Spatial<usize>,
}

impl Window {
    /// A window with these strides, padding and dilation.
    pub fn new(
        strides: impl Into<Spatial<usize>>,
        padding: impl Into<Padding>,
        dilation: impl Into<Spatial<usize>>,
    ) -> Self {
        Self { strides: strides.into(), padding: padding.into(), dilation: dilation.into() }
    }

    /// A window that moves in steps of 1 over `axes` spatial axes without padding and dilation.
    ///
    /// # Panics
    /// If there are more than [`MAX_SPATIAL`] axes.
    #[must_use]
    pub fn plain(axes: usize) -> Self {
        let ones = Spatial::splat(axes, 1);
        Self { strides: ones, padding: Spatial::splat(axes, [0, 0]), dilation: ones }
    }

    /// The window of these attributes; padding and dilation may be left out.
    pub(super) fn of_attributes(
        strides: Spatial<usize>,
        padding: Option<Padding>,
        dilation: Option<Spatial<usize>>,
    ) -> Self {
        let plain = Self::plain(strides.len());
        let (padding, dilation) =
            (padding.unwrap_or(plain.padding), dilation.unwrap_or(plain.dilation));
        Self { strides, padding, dilation }
    }

    /// The window for images with another outermost axis, of extent 1.
    pub(super) fn after_one(&self) -> Self {
        let Self { strides, padding, dilation } = self;
        Self {
            strides: strides.after(1),
            padding: padding.after([0, 0]),
            dilation: dilation.after(1),
        }
    }

    /// The extents of the result for an input and a window of these extents:
    /// `(input + before + after − dilation·(window − 1) − 1) / stride + 1`.
    ///
    /// # Errors
    /// If the window is larger than the padded input, an attribute is zero, or the attributes do
    /// not have one value for each axis.
    pub fn output(
        &self,
        op: &str,
        input: impl Into<Spatial<usize>>,
        window: impl Into<Spatial<usize>>,
    ) -> Result<Spatial<usize>, Mistake> {
        let (input, window) = (input.into(), window.into());
        let Self { strides, padding, dilation } = self;
        let axes = input.len();
        if [window.len(), strides.len(), padding.len(), dilation.len()] != [axes; 4] {
            return Err(Mistake::new(format!(
                "`{op}`: images of {axes} spatial axes need as many values in window {window:?}, \
                 strides {strides:?}, padding {padding:?} and dilation {dilation:?}"
            )));
        }
        if [*strides, *dilation, window].iter().any(|list| list.contains(&0)) {
            return Err(Mistake::new(format!(
                "`{op}`: strides {strides:?}, dilation {dilation:?} and window {window:?} \
                 must be at least 1"
            )));
        }
        let mut output = input;
        for (axis, output) in output.iter_mut().enumerate() {
            *output = self.output_on(op, axis, &input, window[axis])?;
        }
        Ok(output)
    }

    fn output_on(
        &self,
        op: &str,
        axis: usize,
        input: &Spatial<usize>,
        window: usize,
    ) -> Result<usize, Mistake> {
        let (input, side) = (input[axis], side(input.len(), axis));
        let ([before, after], dilation) = (self.padding[axis], self.dilation[axis]);
        let too_large = || {
            Mistake::new(format!(
                "`{op}`: padding {before} + {after} or a window of {window} with dilation {dilation} \
                 is too large"
            ))
        };
        let padded =
            input.checked_add(before).and_then(|x| x.checked_add(after)).ok_or_else(too_large)?;
        let span = (window - 1)
            .checked_mul(dilation)
            .and_then(|x| x.checked_add(1))
            .ok_or_else(too_large)?;
        if span <= padded {
            return Ok((padded - span) / self.strides[axis] + 1);
        }
        let dilated =
            if dilation > 1 { format!(" (dilated from {window})") } else { String::new() };
        let added = match before + after {
            0 => String::new(),
            padding => format!(" + {padding} of padding"),
        };
        Err(Mistake::new(format!(
            "`{op}`: a window of {side} {span}{dilated} is larger than its input of {side} {input}{added}"
        ))
        .help("make the window smaller, the input larger, or use padding"))
    }

    /// The index in the input that a tap reads for an output on this axis; in the padding it is
    /// outside of the image.
    pub(super) fn position(&self, axis: usize, output: &Index, tap: &Index) -> Index {
        output * self.strides[axis] + tap * self.dilation[axis] - self.padding[axis][0]
    }

    /// Scalar loops over the taps of a window that fall into an image for this output, row-major;
    /// `body` gets each tap and the pixel it reads.
    pub(super) fn each_tap(
        &self,
        w: &mut Writer,
        output: &[Index],
        extents: [&[usize]; 2],
        body: impl FnOnce(&mut Writer, &[Index], &[Index]),
    ) {
        let position = |axis: usize, tap: &Index| self.position(axis, &output[axis], tap);
        each_inside(w, extents, &position, Pairs::default(), body);
    }

    /// Scalar loops over the outputs for which a tap falls into an image, row-major; `body` gets
    /// each output and the pixel it reads.
    pub(super) fn each_output(
        &self,
        w: &mut Writer,
        tap: &[Index],
        extents: [&[usize]; 2],
        body: impl FnOnce(&mut Writer, &[Index], &[Index]),
    ) {
        let position = |axis: usize, output: &Index| self.position(axis, output, &tap[axis]);
        each_inside(w, extents, &position, Pairs::default(), body);
    }

    /// Scalar loops over the taps that read a pixel, row-major; `body` gets each tap and its
    /// output.
    pub(super) fn each_reader(
        &self,
        w: &mut Writer,
        pixel: &[Index],
        extents: [&[usize]; 2],
        body: impl FnOnce(&mut Writer, &[Index], &[Index]),
    ) {
        self.next_reader(w, pixel, extents, Pairs::default(), body);
    }

    fn next_reader(
        &self,
        w: &mut Writer,
        pixel: &[Index],
        [window, outputs]: [&[usize]; 2],
        mut pairs: Pairs,
        body: impl FnOnce(&mut Writer, &[Index], &[Index]),
    ) {
        let axis = pairs.0.len();
        if axis == pixel.len() {
            return body(w, &pairs.0, &pairs.1);
        }
        w.repeat(window[axis], |w, tap| {
            self.reader(w, axis, &pixel[axis], &tap.clone(), outputs[axis], |w, output| {
                pairs.0.push(tap);
                pairs.1.push(output);
                self.next_reader(w, pixel, [window, outputs], pairs, body);
            });
        });
    }

    /// `body` for the output that reads a pixel with a tap on this axis, if there is one.
    fn reader(
        &self,
        w: &mut Writer,
        axis: usize,
        pixel: &Index,
        tap: &Index,
        outputs: usize,
        body: impl FnOnce(&mut Writer, Index),
    ) {
        let stride = self.strides[axis];
        let start = pixel.clone() + self.padding[axis][0] - tap * self.dilation[axis];
        let inside = |w: &mut Writer, start: Index| {
            let (output, rest) = w.divide(&start, stride);
            w.inside(rest, 1, |w, _| body(w, output), |_| {});
        };
        w.inside(start, outputs.saturating_mul(stride), inside, |_| {});
    }

    /// The index of the input that tap `tap` of the window reads for output `output` on this axis;
    /// `None` in the padding.
    pub fn input(&self, axis: usize, output: usize, tap: usize, extent: usize) -> Option<usize> {
        (output * self.strides[axis] + tap * self.dilation[axis])
            .checked_sub(self.padding[axis][0])
            .filter(|&input| input < extent)
    }

    /// The taps of a window of extent `window` that fall into the image for output `output` on this
    /// axis, ascending, each with the index it reads.
    pub fn taps(
        &self,
        axis: usize,
        output: usize,
        window: usize,
        extent: usize,
    ) -> impl ExactSizeIterator<Item = (usize, usize)> + Clone + use<> {
        let (before, dilation) = (self.padding[axis][0], self.dilation[axis]);
        // Indices are counted from the start of the padding.
        let start = output * self.strides[axis];
        let first_at = |index: usize| index.saturating_sub(start).div_ceil(dilation).min(window);
        let inside = first_at(before)..first_at(before + extent);
        inside.map(move |tap| (tap, start + tap * dilation - before))
    }

    /// The taps that read index `input` of the image on this axis, ascending, each with its output:
    /// the inverse of `taps`.
    pub fn readers(
        &self,
        axis: usize,
        input: usize,
        window: usize,
        outputs: usize,
    ) -> impl Iterator<Item = (usize, usize)> + Clone + use<> {
        let (stride, dilation) = (self.strides[axis], self.dilation[axis]);
        let padded = input + self.padding[axis][0];
        (0..window).filter_map(move |tap| {
            let start = padded.checked_sub(tap * dilation)?;
            let output = start / stride;
            (start % stride == 0 && output < outputs).then_some((tap, output))
        })
    }

    /// The taps of a window that fall into an image for an output, ascending, each with the pixel
    /// it reads, as row-major numbers in window and image.
    pub(super) fn all_taps(
        &self,
        output: &Spatial<usize>,
        [window, input]: [&[usize]; 2],
    ) -> Vec<(usize, usize)> {
        numbered([window, input], |axis| self.taps(axis, output[axis], window[axis], input[axis]))
    }

    /// The taps that read a pixel, ascending, each with its output, as row-major numbers in window
    /// and result.
    pub(super) fn all_readers(
        &self,
        pixel: &Spatial<usize>,
        [window, outputs]: [&[usize]; 2],
    ) -> Vec<(usize, usize)> {
        numbered([window, outputs], |axis| {
            self.readers(axis, pixel[axis], window[axis], outputs[axis])
        })
    }
}

/// Indices on the outer axes, for loops over the inner ones.
#[derive(Default)]
struct Pairs(SmallVec<[Index; MAX_SPATIAL]>, SmallVec<[Index; MAX_SPATIAL]>);

/// Nested loops over these counts whose positions fall into these extents; `body` gets the indices
/// of the loops and the positions.
fn each_inside(
    w: &mut Writer,
    [counts, extents]: [&[usize]; 2],
    position: &dyn Fn(usize, &Index) -> Index,
    mut pairs: Pairs,
    body: impl FnOnce(&mut Writer, &[Index], &[Index]),
) {
    let axis = pairs.0.len();
    if axis == counts.len() {
        return body(w, &pairs.0, &pairs.1);
    }
    w.repeat(counts[axis], |w, index| {
        let inside = |w: &mut Writer, pixel: Index| {
            pairs.0.push(index.clone());
            pairs.1.push(pixel);
            each_inside(w, [counts, extents], position, pairs, body);
        };
        w.inside(position(axis, &index), extents[axis], inside, |_| {});
    });
}

/// The pairs of all axes, as pairs of row-major numbers in boxes of these extents, ascending.
fn numbered<I: Iterator<Item = (usize, usize)>>(
    extents: [&[usize]; 2],
    on_axis: impl Fn(usize) -> I,
) -> Vec<(usize, usize)> {
    let mut pairs = vec![(0, 0)];
    for axis in 0..extents[0].len() {
        let [first, second] = extents.map(|extents| extents[axis]);
        let own: SmallVec<[(usize, usize); 8]> = on_axis(axis).collect();
        let inner = |(a, b)| own.iter().map(move |&(c, d)| (a * first + c, b * second + d));
        pairs = pairs.into_iter().flat_map(inner).collect();
    }
    pairs
}

/// The coordinates of a row-major number in a box of these extents, none of which is 0.
pub(super) fn coordinates(mut number: usize, extents: &Spatial<usize>) -> Spatial<usize> {
    let mut at = *extents;
    for (at, extent) in at.iter_mut().zip(extents.iter()).rev() {
        (*at, number) = (number % extent, number / extent);
    }
    at
}

/// The name of an axis.
pub(super) fn side(axes: usize, axis: usize) -> &'static str {
    match axes {
        1 => "length",
        _ => ["depth", "height", "width"][MAX_SPATIAL - axes + axis],
    }
}

/// The extents of tensors with the layout of images: the batch, the spatial axes, the channels.
pub(super) type Images = (usize, Spatial<usize>, usize);

/// The extents of a tensor of images.
pub(super) fn images(op: &str, shape: &Shape) -> Result<Images, Mistake> {
    let parts = match &**shape {
        [batch, spatial @ .., channels] => Spatial::of(spatial).map(|s| (*batch, s, *channels)),
        _ => None,
    };
    parts.ok_or_else(|| {
        Mistake::new(format!(
            "`{op}` takes images [batch, 1 to 3 spatial axes, channels], not a tensor of shape {shape}"
        ))
    })
}

/// The shape of images of these extents.
pub(super) fn shape((batch, spatial, channels): Images) -> Shape {
    [batch].into_iter().chain(spatial.iter().copied()).chain([channels]).collect()
}

/// The spatial axes of images.
///
/// # Panics
/// If no images have this shape.
pub(crate) fn spatial(shape: &Shape) -> Spatial<usize> {
    shape
        .get(1..shape.rank() - 1)
        .and_then(Spatial::of)
        .expect("the type rule has accepted the images")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn taps_and_readers_are_the_same_pairs(
            stride in 1..4usize,
            padding in [0..6usize, 0..6usize],
            dilation in 1..4usize,
            window in 1..5usize,
            extent in 0..9usize,
        ) {
            let geometry = Window::new([stride], [padding], [dilation]);
            let Ok(outputs) = geometry.output("test", [extent], [window]) else {
                return Ok(());
            };
            let outputs = outputs[0];
            let span = (window - 1) * dilation + 1;
            let last = (outputs - 1) * stride + span;
            let padded = extent + padding[0] + padding[1];
            prop_assert!(last <= padded && last + stride > padded, "as many windows as fit");
            let read = |output: usize| {
                (0..window)
                    .filter_map(move |tap| Some((tap, geometry.input(0, output, tap, extent)?)))
            };
            for output in 0..outputs {
                let taps = geometry.taps(0, output, window, extent);
                prop_assert_eq!(taps.len(), read(output).count());
                prop_assert!(taps.eq(read(output)));
            }
            for input in 0..extent {
                let by = |tap| (0..outputs).filter(move |&o| read(o).any(|t| t == (tap, input)));
                let expected = (0..window).flat_map(|tap| by(tap).map(move |output| (tap, output)));
                prop_assert!(geometry.readers(0, input, window, outputs).eq(expected));
            }
        }
    }

    #[test]
    fn a_huge_window_is_walked_inside_of_the_image_alone() {
        let far = 1 << 60;
        let geometry = Window::new([1], [[far, far]], [1]);
        let taps: Vec<_> = geometry.taps(0, 1, far + 1, 3).collect();
        assert_eq!(taps, [(far - 1, 0), (far, 1)]);
    }
}
