//! The parts that pooling and its gradients share: extents, the walk over the windows, the choice
//! of a maximum.

mod loops;
mod windows;

pub(super) use self::loops::{joined, parts, wins};
use super::window::{Images, MAX_SPATIAL, Padding, Spatial, Window, images, shape, side};
use crate::error::Mistake;
use crate::types::{DType, Shape, Type};

/// The attributes of a pooling, the same for its gradients. All three have one value for each
/// spatial axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pooling {
    /// Spatial extents of the window.
    pub window: Spatial<usize>,
    /// The distance between adjacent windows.
    pub strides: Spatial<usize>,
    /// Positions added on each side.
    pub padding: Padding,
}

impl Pooling {
    /// A pooling with windows of these extents, strides and padding.
    pub fn new(
        window: impl Into<Spatial<usize>>,
        strides: impl Into<Spatial<usize>>,
        padding: impl Into<Padding>,
    ) -> Self {
        Self { window: window.into(), strides: strides.into(), padding: padding.into() }
    }

    /// The attributes as in the text, where padding may be left out.
    pub(super) fn of_attributes(
        window: Spatial<usize>,
        strides: Spatial<usize>,
        padding: Option<Padding>,
    ) -> Self {
        let padding = padding.unwrap_or_else(|| Window::plain(strides.len()).padding);
        Self { window, strides, padding }
    }

    /// The steps of the window, without its extents.
    #[must_use]
    pub fn moves(&self) -> Window {
        let dilation = Spatial::splat(self.window.len(), 1);
        Window { strides: self.strides, padding: self.padding, dilation }
    }

    /// Whether windows tile a row or a plane, without overlap, gaps and padding, as kernels of
    /// convolutions require.
    #[must_use]
    pub fn tiles_a_plane(&self) -> bool {
        self.window.len() < MAX_SPATIAL
            && self.window == self.strides
            && self.padding.iter().all(|padding| *padding == [0, 0])
    }
}

/// The text form of an op with attributes of its own and those of a [`Pooling`]: the extents of the
/// images come before those of the pooling, whether padding counts after them. Padding may be left
/// out.
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
    /// The number of channels, which are pooled independently.
    pub channels: usize,
    /// The steps of the window.
    pub window: Window,
}

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

    /// The same pooling of images with `axes` spatial axes, of which added leading ones have extent
    /// 1; `None` if they have more already. Memory and order of arithmetic are the same.
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
        .help("the index of a maximum is one byte: use a smaller window, or two poolings"))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::conv_dims::tests::{all, axes};
    use super::*;

    /// Valid small poolings of every kind, of 1 to 3 axes: overlapping, with gaps, with padding,
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
