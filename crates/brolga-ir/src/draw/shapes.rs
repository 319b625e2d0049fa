//! The shapes and windows that are drawn: small and odd ones, and sizes around those of vectors.

use smallvec::SmallVec;

use super::pen::{Pen, WORK};
use crate::ops::Pooling;
use crate::ops::window::{Spatial, Window, spatial};
use crate::types::{MAX_RANK, Shape};

/// Extents of vectors and matrices.
const EXTENTS: [usize; 24] =
    [1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 18, 31, 32, 33, 47, 48, 49, 64, 65];
/// Long extents, of which a shape has at most one.
const LONG: [usize; 8] = [96, 127, 128, 129, 255, 257, 300, 1025];
/// Extents of shapes with many axes.
const SMALL: [usize; 12] = [1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9];
/// Numbers of channels.
const CHANNELS: [usize; 16] = [1, 1, 2, 3, 3, 4, 5, 7, 8, 12, 15, 16, 17, 31, 32, 33];

impl Pen {
    /// An extent of one of `rank` axes; sometimes 0.
    pub fn extent(&mut self, rank: usize) -> usize {
        match self.rng.below(40) {
            0 => 0,
            1 if rank <= 2 => self.rng.pick(&LONG),
            _ if rank > 2 => self.rng.pick(&SMALL),
            _ => self.rng.pick(&EXTENTS),
        }
    }

    /// A shape of any rank, rarely above 4.
    pub fn any_shape(&mut self) -> Shape {
        let rank = match self.rng.below(32) {
            0 => self.rng.between(5, MAX_RANK),
            _ => self.rng.pick(&[0, 1, 1, 2, 2, 2, 3, 3, 4, 4]),
        };
        self.shape(rank)
    }

    /// A shape of this rank.
    pub fn shape(&mut self, rank: usize) -> Shape {
        // One axis may be long where the others are short.
        let long = self.rng.below(2 * rank.max(1));
        let extent = |axis: usize| {
            let crowd = if axis == long { 1 } else { rank };
            self.extent(crowd)
        };
        let shape = (0..rank).map(extent).collect();
        self.fitted(shape)
    }

    /// The shape with some extents made small, so that its elements are not too many.
    pub fn fitted(&mut self, mut shape: Shape) -> Shape {
        let limit = self.limit();
        while shape.iter().map(|&extent| extent.max(1)).product::<usize>() > limit {
            let axis = self.rng.below(shape.rank());
            shape.dims_mut()[axis] = self.rng.between(1, shape[axis].clamp(1, 3));
        }
        shape
    }

    /// A larger shape to which this one broadcasts.
    pub fn wider(&mut self, shape: &Shape) -> Shape {
        let mut wider: Vec<usize> = shape.to_vec();
        for extent in &mut wider {
            if *extent == 1 && self.rng.one_in(2) {
                *extent = self.rng.pick(&[0, 2, 3, 5, 16, 17]);
            }
        }
        while wider.len() < MAX_RANK && self.rng.one_in(2) {
            wider.insert(0, self.rng.pick(&[1, 2, 3, 5]));
        }
        match wider.iter().product::<usize>() > self.limit() {
            true => shape.clone(),
            false => wider.into(),
        }
    }

    /// Some of the axes, ascending: the last ones, the first ones, all, or any.
    pub fn axes(&mut self, rank: usize) -> SmallVec<[usize; 4]> {
        let cut = self.rng.below(rank + 1);
        match self.rng.below(4) {
            0 => (cut..rank).collect(),
            1 => (0..cut).collect(),
            2 if rank > 0 => [rank - 1].into_iter().collect(),
            _ => (0..rank).filter(|_| self.rng.one_in(2)).collect(),
        }
    }

    /// The shape of some images, more often with two spatial axes than with one or three.
    pub fn images(&mut self) -> Shape {
        let axes = self.rng.pick(&[1, 2, 2, 2, 2, 3]);
        let batch = self.rng.pick(&[0, 1, 1, 2, 2, 3, 5, 9, 17]);
        let mut shape = vec![batch];
        for _ in 0..axes {
            shape.push(match self.rng.below(12) {
                0 => self.rng.pick(&[15, 16, 17, 31, 33]),
                _ => self.rng.between(1, if axes > 2 { 6 } else { 9 }),
            });
        }
        shape.push(match self.rng.below(32) {
            0 => 0,
            _ => self.rng.pick(&CHANNELS),
        });
        self.fitted(shape.into())
    }

    /// Taps and a window for images of these spatial extents: strides, dilation, and at least the
    /// padding that it needs. That of a pooling has no dilation and less padding than taps.
    pub fn window(&mut self, input: &Spatial<usize>, pooling: bool) -> (Spatial<usize>, Window) {
        let plain = self.rng.one_in(3);
        let (mut taps, mut window) = (Spatial::splat(input.len(), 1), Window::plain(input.len()));
        for axis in 0..input.len() {
            let rng = &mut self.rng;
            let outer: usize = taps[..axis].iter().product();
            taps[axis] = match rng.below(64) {
                0 if outer == 1 => 65,
                1 => 9,
                _ => rng.pick(&[1, 2, 2, 2, 3, 3, 4, 5]),
            };
            // The index of a maximum is a byte.
            taps[axis] = taps[axis].min(256 / outer);
            window.strides[axis] = match (plain, pooling) {
                (true, true) => taps[axis],
                (true, false) => 1,
                _ => rng.pick(&[1, 1, 2, 2, 3, 4]),
            };
            if !pooling && !plain {
                window.dilation[axis] = rng.pick(&[1, 1, 1, 2, 3]);
            }
            let span = (taps[axis] - 1) * window.dilation[axis] + 1;
            let most = if pooling { taps[axis] - 1 } else { span };
            if !plain {
                window.padding[axis] = [rng.below(most + 1), rng.below(most + 1)];
            }
            let [before, after] = window.padding[axis];
            let missing = span.saturating_sub(input[axis] + before + after);
            let added = missing.min(most - before.min(most));
            window.padding[axis] = [before + added, after + missing - added];
        }
        (taps, window)
    }

    /// Another shape of as many elements: flat, with axes of extent 1 more or less, or with axes
    /// split or merged.
    pub fn regrouped(&mut self, shape: &Shape) -> Shape {
        let mut dims = shape.to_vec();
        let rank = dims.len();
        match self.rng.below(5) {
            0 => dims = vec![shape.elements()],
            1 => dims.retain(|&extent| extent != 1),
            2 if rank < MAX_RANK => dims.insert(self.rng.below(rank + 1), 1),
            3 if rank > 1 => {
                let axis = self.rng.below(rank - 1);
                dims[axis] *= dims.remove(axis + 1);
            }
            _ if rank > 0 && rank < MAX_RANK => {
                let axis = self.rng.below(rank);
                let divisors: Vec<usize> =
                    (1..=dims[axis]).filter(|d| dims[axis].is_multiple_of(*d)).collect();
                if !divisors.is_empty() {
                    let part = self.rng.pick(&divisors);
                    dims[axis] /= part;
                    dims.insert(axis + self.rng.below(2), part);
                }
            }
            _ => {}
        }
        dims.into()
    }

    /// A number of columns with which a product of this work for each column does not take too
    /// long.
    pub fn columns(&mut self, batch: usize, m: usize, k: usize) -> usize {
        let work = (batch * m * k).max(1);
        let most = (WORK / work).min(self.limit() / (batch * m.max(k)).max(1));
        self.extent(2).min(most.max(1))
    }

    /// The shape of indices of rows of `row` elements.
    pub fn index_shape(&mut self, row: usize) -> Shape {
        let rank = self.rng.below(3);
        let mut shape = self.shape(rank);
        while shape.elements() * row > self.limit() {
            let axis = self.rng.below(rank.max(1));
            match shape.dims_mut().get_mut(axis) {
                Some(extent) => *extent /= 2,
                None => break,
            }
        }
        shape
    }

    /// A pooling of images of this shape.
    pub fn pooling(&mut self, images: &Shape) -> Pooling {
        let (window, Window { strides, padding, .. }) = self.window(&spatial(images), true);
        Pooling { window, strides, padding }
    }

    /// A convolution of images of this shape.
    pub fn convolution(&mut self, images: &Shape) -> Convolution {
        let (input, rank) = (spatial(images), images.rank());
        let (batch, channels) = (images[0], images[rank - 1]);
        let (kernel, window) = self.window(&input, false);
        let output = (window.output("conv", input, kernel))
            .unwrap_or_else(|_| Spatial::splat(input.len(), 1));
        let divisors: Vec<usize> = (1..=channels).filter(|d| channels % d == 0).collect();
        let groups = match self.rng.below(4) {
            0 if channels > 0 => self.rng.pick(&divisors),
            1 if channels > 0 => self.rng.pick(&[1, channels]),
            0 => self.rng.pick(&[1, 2]),
            _ => 1,
        };
        let taken = channels / groups;
        let pixels = batch * output.iter().product::<usize>();
        let work = pixels * kernel.iter().product::<usize>() * taken.max(1) * groups;
        let most = (WORK / work.max(1)).min(self.limit() / (pixels * groups).max(1)).max(1);
        let filters = match self.rng.below(32) {
            0 => 0,
            _ => groups * self.rng.pick(&CHANNELS).min(most),
        };
        Convolution { kernel, window, groups, taken, filters, batch, output }
    }
}

/// The extents of a drawn convolution.
#[derive(Debug, Clone, Copy)]
pub struct Convolution {
    /// Spatial extents of the filter.
    pub kernel: Spatial<usize>,
    /// The steps of the filter.
    pub window: Window,
    /// The number of independent parts of the channels.
    pub groups: usize,
    /// Channels that a filter reads.
    pub taken: usize,
    /// Output channels, all groups together.
    pub filters: usize,
    /// The number of images.
    pub batch: usize,
    /// Spatial extents of the result.
    pub output: Spatial<usize>,
}

impl Convolution {
    /// The shape of its filter.
    pub fn filter(&self) -> Shape {
        self.kernel.iter().copied().chain([self.taken, self.filters]).collect()
    }

    /// The shape of its result.
    pub fn result(&self) -> Shape {
        let extents = self.output.iter().copied();
        [self.batch].into_iter().chain(extents).chain([self.filters]).collect()
    }
}
