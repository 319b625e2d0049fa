//! What a convolution and its two gradients share: extents, and the checks on them.
//!
//! The three are one trilinear form, `Σ dy · x · w` over all triples of elements that a tap brings together, each with another
//! factor left open. So each one's gradients are the other two.

use super::window::Window;
use crate::error::Mistake;

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
                let message = format!("`{op}`: {count} {what} do not divide into {groups} groups");
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
