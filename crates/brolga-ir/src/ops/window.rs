//! The geometry that convolutions and pooling share.

use serde::{Deserialize, Serialize};

use crate::error::Mistake;
use crate::loops::{Index, Writer};
use crate::types::Shape;

/// Positions added on each side of an image: `[[top, bottom], [left, right]]`.
pub type Padding = [[usize; 2]; 2];

/// How a window moves over the two spatial axes of an NHWC image. Pairs are (height, width); padding is (before, after).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Steps between neighbouring places of the window.
    pub strides: [usize; 2],
    /// Positions added on each side. They hold no value: taps that fall on them are skipped.
    pub padding: Padding,
    /// Distance between neighbouring taps of the window.
    pub dilation: [usize; 2],
}

impl Default for Window {
    fn default() -> Self {
        Self { strides: [1, 1], padding: [[0, 0]; 2], dilation: [1, 1] }
    }
}

impl Window {
    /// The extents of the result for an input and a window of these extents:
    /// `(input + before + after − dilation·(window − 1) − 1) / stride + 1`.
    ///
    /// # Errors
    /// If the window is larger than the padded input, or an attribute is zero.
    pub fn output(
        &self,
        op: &str,
        input: [usize; 2],
        window: [usize; 2],
    ) -> Result<[usize; 2], Mistake> {
        let mut output = [0; 2];
        for axis in 0..2 {
            let (stride, dilation) = (self.strides[axis], self.dilation[axis]);
            if stride == 0 || dilation == 0 || window[axis] == 0 {
                let (strides, dilation) = (self.strides, self.dilation);
                return Err(Mistake::new(format!(
                    "`{op}`: strides {strides:?}, dilation {dilation:?} and window {window:?} \
                     must be at least 1"
                )));
            }
            let [before, after] = self.padding[axis];
            let too_large = || {
                Mistake::new(format!(
                    "`{op}`: padding {before} + {after} or a window of {} with dilation {dilation} \
                     is too large",
                    window[axis]
                ))
            };
            let padded = input[axis]
                .checked_add(before)
                .and_then(|x| x.checked_add(after))
                .ok_or_else(too_large)?;
            let span = (window[axis] - 1)
                .checked_mul(dilation)
                .and_then(|x| x.checked_add(1))
                .ok_or_else(too_large)?;
            if span > padded {
                let side = ["height", "width"][axis];
                let dilated = if dilation > 1 {
                    format!(" (dilated from {})", window[axis])
                } else {
                    String::new()
                };
                return Err(Mistake::new(format!(
                    "`{op}`: a window of {side} {span}{dilated} is larger than its input of {side} {}{}",
                    input[axis],
                    if before + after > 0 { format!(" + {} of padding", before + after) } else { String::new() }
                ))
                .help("make the window smaller, the input larger, or use padding"));
            }
            output[axis] = (padded - span) / stride + 1;
        }
        Ok(output)
    }

    /// The index in the input that a tap reads for an output on this axis; outside of the image in the padding.
    pub(super) fn position(&self, axis: usize, output: &Index, tap: &Index) -> Index {
        output * self.strides[axis] + tap * self.dilation[axis] - self.padding[axis][0]
    }

    /// Scalar loops over the taps of a window of extents `window` that fall into an image of extents `input` for this output, row-major;
    /// `body` gets each tap and the pixel it reads.
    pub(super) fn each_tap(
        &self,
        w: &mut Writer,
        output: &[Index],
        window: [usize; 2],
        input: [usize; 2],
        body: impl FnOnce(&mut Writer, [Index; 2], [Index; 2]),
    ) {
        w.repeat(window[0], |w, u| {
            let row = self.position(0, &output[0], &u);
            let columns = |w: &mut Writer, row: Index| {
                w.repeat(window[1], |w, v| {
                    let column = self.position(1, &output[1], &v);
                    let inside = |w: &mut Writer, column| body(w, [u, v], [row, column]);
                    w.inside(column, input[1], inside, |_| {});
                });
            };
            w.inside(row, input[0], columns, |_| {});
        });
    }

    /// Scalar loops over the taps by which a pixel is read, row-major; `body` gets each tap and the output that reads it.
    pub(super) fn each_reader(
        &self,
        w: &mut Writer,
        pixel: &[Index],
        window: [usize; 2],
        outputs: [usize; 2],
        body: impl FnOnce(&mut Writer, [Index; 2], [Index; 2]),
    ) {
        w.repeat(window[0], |w, u| {
            self.reader(w, 0, &pixel[0], &u.clone(), outputs[0], |w, row| {
                w.repeat(window[1], |w, v| {
                    let column = v.clone();
                    self.reader(w, 1, &pixel[1], &column, outputs[1], |w, column| {
                        body(w, [u, v], [row, column]);
                    });
                });
            });
        });
    }

    /// `body` for the output that reads a pixel by a tap on this axis, if there is one.
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

    /// The place in the input that tap `tap` of the window reads for output `output` on this axis; `None` in the padding.
    pub fn place(&self, axis: usize, output: usize, tap: usize, extent: usize) -> Option<usize> {
        (output * self.strides[axis] + tap * self.dilation[axis])
            .checked_sub(self.padding[axis][0])
            .filter(|&place| place < extent)
    }

    /// The taps of a window of extent `window` that fall into the image for output `output` on this axis,
    /// ascending, each with the place it reads.
    pub fn taps(
        &self,
        axis: usize,
        output: usize,
        window: usize,
        extent: usize,
    ) -> impl ExactSizeIterator<Item = (usize, usize)> + Clone + use<> {
        let (before, dilation) = (self.padding[axis][0], self.dilation[axis]);
        // Places are counted from the start of the padding.
        let start = output * self.strides[axis];
        let first_at = |place: usize| place.saturating_sub(start).div_ceil(dilation).min(window);
        let inside = first_at(before)..first_at(before + extent);
        inside.map(move |tap| (tap, start + tap * dilation - before))
    }

    /// The taps by which place `place` of the image is read on this axis, ascending, each with the output that reads it:
    /// `taps` the other way round.
    pub fn readers(
        &self,
        axis: usize,
        place: usize,
        window: usize,
        outputs: usize,
    ) -> impl Iterator<Item = (usize, usize)> + Clone + use<> {
        let (stride, dilation) = (self.strides[axis], self.dilation[axis]);
        let padded = place + self.padding[axis][0];
        (0..window).filter_map(move |tap| {
            let start = padded.checked_sub(tap * dilation)?;
            let output = start / stride;
            (start % stride == 0 && output < outputs).then_some((tap, output))
        })
    }
}

/// The extents of a tensor of rank 4; `what` says what it is and what its axes are.
pub(super) fn rank_4(op: &str, what: &str, shape: &Shape) -> Result<[usize; 4], Mistake> {
    <[usize; 4]>::try_from(&**shape)
        .map_err(|_| Mistake::new(format!("`{op}` takes {what}, not a tensor of shape {shape}")))
}

/// What [`rank_4`] says of images.
pub(super) const IMAGES: &str = "images [batch, height, width, channels]";

/// Steps or dilations where none are given.
pub(super) fn ones() -> [usize; 2] {
    [1, 1]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn taps_and_readers_are_the_places_from_both_sides(
            stride in 1..4usize,
            padding in [0..6usize, 0..6usize],
            dilation in 1..4usize,
            window in 1..5usize,
            extent in 0..9usize,
        ) {
            let geometry =
                Window { strides: [stride, 1], padding: [padding, [0, 0]], dilation: [dilation, 1] };
            let Ok([outputs, _]) = geometry.output("test", [extent, 1], [window, 1]) else {
                return Ok(());
            };
            let span = (window - 1) * dilation + 1;
            let last = (outputs - 1) * stride + span;
            let padded = extent + padding[0] + padding[1];
            prop_assert!(last <= padded && last + stride > padded, "as many windows as fit");
            let read = |output: usize| {
                (0..window)
                    .filter_map(move |tap| Some((tap, geometry.place(0, output, tap, extent)?)))
            };
            for output in 0..outputs {
                let taps = geometry.taps(0, output, window, extent);
                prop_assert_eq!(taps.len(), read(output).count());
                prop_assert!(taps.eq(read(output)));
            }
            for place in 0..extent {
                let by = |tap| (0..outputs).filter(move |&o| read(o).any(|t| t == (tap, place)));
                let expected = (0..window).flat_map(|tap| by(tap).map(move |output| (tap, output)));
                prop_assert!(geometry.readers(0, place, window, outputs).eq(expected));
            }
        }
    }

    #[test]
    fn a_huge_window_is_walked_inside_of_the_image_alone() {
        let far = 1 << 60;
        let geometry = Window { padding: [[far, far], [0, 0]], ..Window::default() };
        let taps: Vec<_> = geometry.taps(0, 1, far + 1, 3).collect();
        assert_eq!(taps, [(far - 1, 0), (far, 1)]);
    }
}
