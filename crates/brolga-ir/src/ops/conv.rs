//! What a convolution and its two gradients share: extents, and the checks on them.
//!
//! The three are one trilinear form, `Σ dy · x · w` over all triples of elements that a tap brings together, each with another
//! factor left open. So each one's gradients are the other two.

use super::window::Window;
use crate::error::Mistake;
use crate::loops::{Index, Writer};

/// The extents of a convolution, the same for its gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvDims {
    /// The number of images.
    pub batch: usize,
    /// Height and width of the images.
    pub input: [usize; 2],
    /// Channels of the images, all groups together.
    pub channels: usize,
    /// Height and width of the filter.
    pub kernel: [usize; 2],
    /// Output channels, all groups together.
    pub filters: usize,
    /// Height and width of the result.
    pub output: [usize; 2],
    /// Into how many independent parts the channels are divided.
    pub groups: usize,
    /// How the filter moves.
    pub window: Window,
}

/// What the operands and attributes of one of the three ops say; the extents of the result follow.
pub(super) struct Given {
    pub(super) batch: usize,
    pub(super) input: [usize; 2],
    pub(super) channels: usize,
    pub(super) kernel: [usize; 2],
    pub(super) filters: usize,
    pub(super) groups: usize,
    pub(super) window: Window,
}

impl Given {
    /// The extents, after checks that groups divide the channels and that the filter fits into the image.
    pub(super) fn dims(self, op: &str) -> Result<ConvDims, Mistake> {
        let Self { batch, input, channels, kernel, filters, groups, window } = self;
        if groups == 0 {
            return Err(Mistake::new(format!("`{op}`: groups must be at least 1")));
        }
        for (count, what) in [(channels, "channels"), (filters, "filters")] {
            if count % groups != 0 {
                let message = format!(
                    "`{op}`: the number of {what}, {count}, is not a multiple of groups, {groups}"
                );
                return Err(Mistake::new(message));
            }
        }
        let output = window.output(op, input, kernel)?;
        Ok(ConvDims { batch, input, channels, kernel, filters, output, groups, window })
    }
}

impl ConvDims {
    /// Channels of the images in one group.
    pub fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    /// Output channels of one group.
    pub fn group_filters(&self) -> usize {
        self.filters / self.groups
    }

    /// Floating-point operations of a convolution, or of one of its gradients: two for each multiply-add of taps inside the image.
    pub fn flops(&self) -> u64 {
        let taps = |axis: usize| -> usize {
            let taps = |o| self.window.taps(axis, o, self.kernel[axis], self.input[axis]).len();
            (0..self.output[axis]).map(taps).sum()
        };
        2 * (self.batch * taps(0) * taps(1) * self.group_channels() * self.filters) as u64
    }

    /// Whether some operand or result has no channel; then groups may be many and everything there is is zero.
    pub(super) fn is_void(&self) -> bool {
        self.channels == 0 || self.filters == 0
    }

    /// Elements of the images.
    pub(super) fn input_elements(&self) -> usize {
        self.batch * self.input[0] * self.input[1] * self.channels
    }

    /// Elements of the filter.
    pub(super) fn filter_elements(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.group_channels() * self.filters
    }

    /// Elements of the result.
    pub(super) fn output_elements(&self) -> usize {
        self.batch * self.output[0] * self.output[1] * self.filters
    }

    /// The channels of one pixel of an image.
    pub(super) fn pixel<'a, T>(&self, x: &'a [T], image: usize, row: usize, col: usize) -> &'a [T] {
        let start = ((image * self.input[0] + row) * self.input[1] + col) * self.channels;
        &x[start..start + self.channels]
    }

    /// The output channels of one pixel of the result.
    pub(super) fn result<'a, T>(
        &self,
        y: &'a [T],
        image: usize,
        row: usize,
        col: usize,
    ) -> &'a [T] {
        let start = ((image * self.output[0] + row) * self.output[1] + col) * self.filters;
        &y[start..start + self.filters]
    }

    /// The place in the filter of a tap's weights for a channel (within its group), at the first output channel.
    pub(super) fn weights(&self, [row, col]: [usize; 2], channel: usize) -> usize {
        ((row * self.kernel[1] + col) * self.group_channels() + channel) * self.filters
    }

    /// The index of a channel of a group in a pixel of an image.
    pub(super) fn image_index(
        &self,
        w: &Writer,
        image: &Index,
        [row, column]: &[Index; 2],
        group: &Index,
        channel: &Index,
    ) -> Index {
        let [rows, columns] = self.input;
        let extents = [self.batch, rows, columns, self.groups, self.group_channels()];
        w.at(&extents, &[image, row, column, group, channel].map(Clone::clone))
    }

    /// The index of an output channel, given as group and number within it, in a pixel of the result.
    pub(super) fn result_index(
        &self,
        w: &Writer,
        image: &Index,
        [row, column]: &[Index; 2],
        filter: &[Index],
    ) -> Index {
        let [rows, columns] = self.output;
        let extents = [self.batch, rows, columns, self.groups, self.group_filters()];
        w.at(&extents, &[image, row, column, &filter[0], &filter[1]].map(Clone::clone))
    }

    /// The index of a weight in the filter.
    pub(super) fn weight_index(
        &self,
        w: &Writer,
        [row, column]: &[Index; 2],
        channel: &Index,
        filter: &[Index],
    ) -> Index {
        let [rows, columns] = self.kernel;
        let extents = [rows, columns, self.group_channels(), self.groups, self.group_filters()];
        w.at(&extents, &[row, column, channel, &filter[0], &filter[1]].map(Clone::clone))
    }

    /// Scalar loops over the outputs for which this tap falls into the image, row-major; `body` gets each output and the pixel it reads.
    pub(super) fn each_product(
        &self,
        w: &mut Writer,
        tap: &[Index],
        body: impl FnOnce(&mut Writer, [Index; 2], [Index; 2]),
    ) {
        w.repeat(self.output[0], |w, i| {
            let row = self.window.position(0, &i, &tap[0]);
            let columns = |w: &mut Writer, row: Index| {
                w.repeat(self.output[1], |w, j| {
                    let column = self.window.position(1, &j, &tap[1]);
                    let inside = |w: &mut Writer, column| body(w, [i, j], [row, column]);
                    w.inside(column, self.input[1], inside, |_| {});
                });
            };
            w.inside(row, self.input[0], columns, |_| {});
        });
    }

    /// Fails unless a cotangent given for the result has its height and width.
    pub(super) fn expect_output(&self, op: &str, given: [usize; 2]) -> Result<(), Mistake> {
        let ([h, w], [kh, kw], [oh, ow]) = (self.input, self.kernel, self.output);
        if given == self.output {
            return Ok(());
        }
        Err(Mistake::new(format!(
            "`{op}`: a {kh}×{kw} filter turns {h}×{w} images into {oh}×{ow} ones, \
             but the cotangent is {}×{}",
            given[0], given[1]
        )))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Small convolutions of every kind that fit, with groups, padding up to beyond the filter, and extents 0.
    pub(crate) fn cases() -> impl Strategy<Value = ConvDims> {
        let pair = |range: std::ops::Range<usize>| [range.clone(), range];
        let window = (pair(1..4), [pair(0..4), pair(0..4)], pair(1..3))
            .prop_map(|(strides, padding, dilation)| Window { strides, padding, dilation });
        let channels = (1..4usize, 0..3usize, 0..4usize);
        (0..3usize, pair(0..7), pair(1..4), channels, window).prop_filter_map(
            "the filter fits into the image",
            |(batch, input, kernel, (groups, channels, filters), window)| {
                let (channels, filters) = (channels * groups, filters * groups);
                let given = Given { batch, input, channels, kernel, filters, groups, window };
                given.dims("conv2d").ok()
            },
        )
    }

    impl ConvDims {
        /// The shape of the images.
        pub(crate) fn x(&self) -> [usize; 4] {
            [self.batch, self.input[0], self.input[1], self.channels]
        }

        /// The shape of the filter.
        pub(crate) fn w(&self) -> [usize; 4] {
            [self.kernel[0], self.kernel[1], self.group_channels(), self.filters]
        }

        /// The shape of the result.
        pub(crate) fn y(&self) -> [usize; 4] {
            [self.batch, self.output[0], self.output[1], self.filters]
        }

        /// Whether tap (u, v) at the output (i, j) reads the pixel at (row, col): the definition, with signs.
        pub(crate) fn reads(&self, out: [usize; 2], tap: [usize; 2], pixel: [usize; 2]) -> bool {
            let Window { strides, padding, dilation } = self.window;
            (0..2).all(|axis| {
                let place = out[axis] * strides[axis] + tap[axis] * dilation[axis];
                place as isize - padding[axis][0] as isize == pixel[axis] as isize
            })
        }

        /// The group of an output channel.
        pub(crate) fn group(&self, filter: usize) -> usize {
            filter / self.group_filters()
        }
    }

    /// All pairs below these extents, row-major.
    pub(crate) fn pairs([rows, cols]: [usize; 2]) -> impl Iterator<Item = [usize; 2]> + Clone {
        (0..rows).flat_map(move |row| (0..cols).map(move |col| [row, col]))
    }

    /// An element of a tensor of rank 4.
    pub(crate) fn at(shape: [usize; 4], values: &[f32], [a, b, c, d]: [usize; 4]) -> f32 {
        values[((a * shape[1] + b) * shape[2] + c) * shape[3] + d]
    }
}
