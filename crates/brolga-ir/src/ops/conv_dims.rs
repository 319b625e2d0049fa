//! The parts that a convolution and its two gradients share: extents, and the checks on them.
//!
//! The three are one trilinear form, `Σ dy · x · w` over all triples of elements that a tap
//! connects, each as a function of two of the factors. So the gradients of each are the other two.

use super::window::{Images, Padding, Spatial, Window, coordinates, shape};
use crate::error::Mistake;
use crate::loops::{Index, Writer};
use crate::types::Shape;

/// The attributes of a convolution, the same for its gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Convolution {
    /// The steps of the filter.
    pub window: Window,
    /// Into how many independent parts the channels are divided.
    pub groups: usize,
}

impl Convolution {
    /// The attributes as in the text.
    pub(super) fn of_attributes(
        strides: Spatial<usize>,
        padding: Option<Padding>,
        dilation: Option<Spatial<usize>>,
        groups: usize,
    ) -> Self {
        Self { window: Window::of_attributes(strides, padding, dilation), groups }
    }
}

/// The default number of groups.
pub(super) fn one() -> usize {
    1
}

/// The text form of an op with an extent of its own and the attributes of a [`Convolution`].
/// Padding, dilation and groups may be left out.
macro_rules! convolution_attributes {
    ($op:ident { $($own:ident)? }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Attributes {
            $($own: Spatial<usize>,)?
            strides: Spatial<usize>,
            #[serde(default)]
            padding: Option<Padding>,
            #[serde(default)]
            dilation: Option<Spatial<usize>>,
            #[serde(default = "one")]
            groups: usize,
        }

        impl From<Attributes> for $op {
            fn from(given: Attributes) -> Self {
                let Attributes { $($own,)? strides, padding, dilation, groups } = given;
                let conv = Convolution::of_attributes(strides, padding, dilation, groups);
                Self { $($own,)? conv }
            }
        }

        impl From<$op> for Attributes {
            fn from(op: $op) -> Self {
                let $op { $($own,)? conv } = op;
                let Window { strides, padding, dilation } = conv.window;
                let (padding, dilation) = (Some(padding), Some(dilation));
                Self { $($own,)? strides, padding, dilation, groups: conv.groups }
            }
        }
    };
}
pub(super) use convolution_attributes;

/// The extents of a convolution, the same for its gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvDims {
    /// The number of images.
    pub batch: usize,
    /// Spatial extents of the images.
    pub input: Spatial<usize>,
    /// Channels of the images, all groups together.
    pub channels: usize,
    /// Spatial extents of the filter.
    pub kernel: Spatial<usize>,
    /// Output channels, all groups together.
    pub filters: usize,
    /// Spatial extents of the result.
    pub output: Spatial<usize>,
    /// Into how many independent parts the channels are divided.
    pub groups: usize,
    /// The steps of the filter.
    pub window: Window,
}

/// The spatial extents of a filter, the channels that it takes, and those that it makes.
pub(super) type Filter = (Spatial<usize>, usize, usize);

/// The extents of a filter.
pub(super) fn filter(op: &str, shape: &Shape) -> Result<Filter, Mistake> {
    let parts = match &**shape {
        [spatial @ .., taken, filters] => Spatial::of(spatial).map(|s| (s, *taken, *filters)),
        _ => None,
    };
    parts.ok_or_else(|| {
        Mistake::new(format!(
            "`{op}` takes a filter [1 to 3 spatial axes, channels / groups, filters], \
             not a tensor of shape {shape}"
        ))
    })
}

impl ConvDims {
    /// The extents, after checks that groups divide the channels and that the filter fits into the
    /// image.
    pub(super) fn new(
        op: &str,
        conv: &Convolution,
        (batch, input, channels): Images,
        (kernel, filters): (Spatial<usize>, usize),
    ) -> Result<Self, Mistake> {
        let Convolution { window, groups } = *conv;
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
        Ok(Self { batch, input, channels, kernel, filters, output, groups, window })
    }

    /// The same convolution of images with `axes` spatial axes, of which added leading ones have
    /// extent 1; `None` if they have more already. Memory and order of arithmetic are the same.
    #[must_use]
    pub fn with_axes(&self, axes: usize) -> Option<Self> {
        if axes <= self.input.len() {
            return (axes == self.input.len()).then_some(*self);
        }
        let wider = Self {
            input: self.input.after(1),
            kernel: self.kernel.after(1),
            output: self.output.after(1),
            window: self.window.after_one(),
            ..*self
        };
        wider.with_axes(axes)
    }

    /// The shape of the images.
    pub(super) fn input_shape(&self) -> Shape {
        shape((self.batch, self.input, self.channels))
    }

    /// The shape of the filter.
    pub(super) fn filter_shape(&self) -> Shape {
        self.kernel.iter().copied().chain([self.group_channels(), self.filters]).collect()
    }

    /// The shape of the result.
    pub(super) fn output_shape(&self) -> Shape {
        shape((self.batch, self.output, self.filters))
    }

    /// Channels of the images in one group.
    pub fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    /// Output channels of one group.
    pub fn group_filters(&self) -> usize {
        self.filters / self.groups
    }

    /// Floating-point operations of a convolution, or of one of its gradients: two for each
    /// multiply-add of taps inside the image.
    pub fn flops(&self) -> u64 {
        let taps = |axis: usize| -> usize {
            let taps = |o| self.window.taps(axis, o, self.kernel[axis], self.input[axis]).len();
            (0..self.output[axis]).map(taps).sum()
        };
        let taps: usize = (0..self.input.len()).map(taps).product();
        2 * (self.batch * taps * self.group_channels() * self.filters) as u64
    }

    /// Whether some operand or result has no channel; then there may be any number of groups, and
    /// all elements are zero.
    pub(super) fn is_void(&self) -> bool {
        self.channels == 0 || self.filters == 0
    }

    /// For each pixel of the result the taps that fall into the image, ascending, each with the
    /// pixel it reads.
    pub(super) fn taps_by_output(&self) -> Vec<Vec<(usize, usize)>> {
        let taps = |output| {
            let output = coordinates(output, &self.output);
            self.window.all_taps(&output, [&self.kernel, &self.input])
        };
        (0..self.output.iter().product()).map(taps).collect()
    }

    /// For each pixel of an image the taps that read it, ascending, each with its output.
    pub(super) fn taps_by_input(&self) -> Vec<Vec<(usize, usize)>> {
        let taps = |pixel| {
            let pixel = coordinates(pixel, &self.input);
            self.window.all_readers(&pixel, [&self.kernel, &self.output])
        };
        (0..self.input.iter().product()).map(taps).collect()
    }

    /// The channels of one pixel of an image.
    pub(super) fn pixel<'a, T>(&self, x: &'a [T], image: usize, pixel: usize) -> &'a [T] {
        let pixels: usize = self.input.iter().product();
        &x[(image * pixels + pixel) * self.channels..][..self.channels]
    }

    /// The output channels of one pixel of the result.
    pub(super) fn result<'a, T>(&self, y: &'a [T], image: usize, pixel: usize) -> &'a [T] {
        let pixels: usize = self.output.iter().product();
        &y[(image * pixels + pixel) * self.filters..][..self.filters]
    }

    /// The index in the filter of a tap's weights for a channel (within its group), at the first
    /// output channel.
    pub(super) fn weights(&self, tap: usize, channel: usize) -> usize {
        (tap * self.group_channels() + channel) * self.filters
    }

    /// The index of a channel of a group in a pixel of an image.
    pub(super) fn image_index(
        &self,
        w: &Writer,
        image: &Index,
        pixel: &[Index],
        [group, channel]: [&Index; 2],
    ) -> Index {
        let extents = [self.groups, self.group_channels()];
        index(w, (Some((self.batch, image)), &self.input, pixel), extents, [group, channel])
    }

    /// The index in a pixel of the result of an output channel, given by its group and its index
    /// there.
    pub(super) fn result_index(
        &self,
        w: &Writer,
        image: &Index,
        pixel: &[Index],
        filter: &[Index],
    ) -> Index {
        let extents = [self.groups, self.group_filters()];
        let filter = [&filter[0], &filter[1]];
        index(w, (Some((self.batch, image)), &self.output, pixel), extents, filter)
    }

    /// The index of a weight in the filter.
    pub(super) fn weight_index(
        &self,
        w: &Writer,
        tap: &[Index],
        channel: &Index,
        filter: &[Index],
    ) -> Index {
        let extents = [self.group_channels(), self.groups, self.group_filters()];
        index(w, (None, &self.kernel, tap), extents, [channel, &filter[0], &filter[1]])
    }

    /// Fails unless a cotangent given for the result has its spatial extents.
    pub(super) fn expect_output(&self, op: &str, given: &Spatial<usize>) -> Result<(), Mistake> {
        let Self { input, kernel, output, .. } = self;
        if given == output {
            return Ok(());
        }
        Err(Mistake::new(format!(
            "`{op}`: a {kernel} filter turns {input} images into {output} ones, \
             but the cotangent is {given}"
        )))
    }
}

/// An index into a tensor of an outermost axis, if it has one, spatial axes and some last ones.
fn index<const N: usize>(
    w: &Writer,
    (first, extents, at): (Option<(usize, &Index)>, &[usize], &[Index]),
    last_extents: [usize; N],
    last: [&Index; N],
) -> Index {
    let first_extent = first.map(|(extent, _)| extent);
    let extents: Shape =
        first_extent.into_iter().chain(extents.iter().copied()).chain(last_extents).collect();
    let at = first.map(|(_, index)| index).into_iter().chain(at).chain(last);
    w.at(&extents, &at.cloned().collect::<Vec<_>>())
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One value for each of so many axes.
    pub(crate) fn axes<S: Strategy>(
        axes: usize,
        value: impl Fn() -> S,
    ) -> impl Strategy<Value = Spatial<S::Value>>
    where
        S::Value: Copy + Default,
    {
        let values = prop::collection::vec(value(), axes);
        values.prop_filter_map("1 to 3 axes", |values| Spatial::of(&values))
    }

    /// Valid small convolutions of every kind: of 1 to 3 axes, with groups, padding up to beyond
    /// the filter, and extents of 0.
    pub(crate) fn cases() -> impl Strategy<Value = ConvDims> {
        (1..=3usize).prop_flat_map(|rank| {
            let (most_input, most_padding): (usize, usize) =
                ([7, 7, 5][rank - 1], [4, 4, 3][rank - 1]);
            let window = (
                axes(rank, || 1..4usize),
                axes(rank, move || [0..most_padding, 0..most_padding]),
                axes(rank, || 1..3usize),
            );
            let window = window.prop_map(|(strides, padding, dilation)| Window {
                strides,
                padding,
                dilation,
            });
            let channels = (1..4usize, 0..3usize, 0..4usize);
            let (input, kernel) = (axes(rank, move || 0..most_input), axes(rank, || 1..4usize));
            (0..3usize, input, kernel, channels, window).prop_filter_map(
                "the filter fits into the image",
                |(batch, input, kernel, (groups, channels, filters), window)| {
                    let (channels, filters) = (channels * groups, filters * groups);
                    let conv = Convolution { window, groups };
                    let images = (batch, input, channels);
                    ConvDims::new("conv", &conv, images, (kernel, filters)).ok()
                },
            )
        })
    }

    impl ConvDims {
        /// Whether a tap at an output reads a pixel: the definition, with signs.
        pub(crate) fn reads(&self, out: &[usize], tap: &[usize], pixel: &[usize]) -> bool {
            let Window { strides, padding, dilation } = self.window;
            (0..strides.len()).all(|axis| {
                let at = out[axis] * strides[axis] + tap[axis] * dilation[axis];
                at as isize - padding[axis][0] as isize == pixel[axis] as isize
            })
        }

        /// The group of an output channel.
        pub(crate) fn group(&self, filter: usize) -> usize {
            filter / self.group_filters()
        }
    }

    /// All coordinates below these extents, row-major.
    pub(crate) fn all(extents: Spatial<usize>) -> impl Iterator<Item = Spatial<usize>> + Clone {
        (0..extents.iter().product()).map(move |number| coordinates(number, &extents))
    }

    /// An element of a tensor.
    pub(crate) fn at(shape: &Shape, values: &[f32], at: &[&[usize]]) -> f32 {
        let at = at.concat();
        assert_eq!(at.len(), shape.rank());
        values[at.iter().zip(&shape.strides()).map(|(at, stride)| at * stride).sum::<usize>()]
    }
}
