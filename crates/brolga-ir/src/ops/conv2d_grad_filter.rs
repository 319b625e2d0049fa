//! The gradient of a convolution with respect to its filter.

use serde::{Deserialize, Serialize};

use super::conv::{ConvDims, Given};
use super::conv2d::one;
use super::elementwise::float;
use super::float::{Float, compute};
use super::reduce::{piece_range, pieces};
use super::window::{IMAGES, Padding, Window, ones, rank_4};
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `dw[u, v, c, f] = Σ x[b, y, x, c] · dy[b, i, j, f]` over all images `b`, output rows `i` and output columns `j` for which
/// [`Conv2d`](super::Conv2d) multiplies `x[b, y, x, c]` with the filter's `[u, v, c, f]`.
///
/// `x: [batch, height, width, channels]` are the images, `dy: [batch, height, width, filters]` the cotangent of the result, and `kernel` the
/// height and width of the filter.
///
/// The batch is cut into [`pieces`]. In each piece an element is a chain of fused multiply-adds (`x · dy + chain`) in ascending
/// (b, i, j), starting from +0; outputs that read padding by this tap are skipped. Then the pieces are added in ascending order,
/// starting from the first; with no image all is +0. `bf16` and `f16` accumulate in f32 and round at the end. Integers have no convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2dGradFilter {
    /// Height and width of the filter.
    pub kernel: [usize; 2],
    /// Steps between neighbouring outputs, (height, width).
    #[serde(default = "ones")]
    pub strides: [usize; 2],
    /// Positions added on each side.
    #[serde(default)]
    pub padding: Padding,
    /// Distance between neighbouring taps, (height, width).
    #[serde(default = "ones")]
    pub dilation: [usize; 2],
    /// Into how many independent parts the channels are divided.
    #[serde(default = "one")]
    pub groups: usize,
}

impl Conv2dGradFilter {
    /// The gradient of a convolution that moves like this, for a filter of this height and width.
    pub fn new(kernel: [usize; 2], window: Window, groups: usize) -> Self {
        let Window { strides, padding, dilation } = window;
        Self { kernel, strides, padding, dilation, groups }
    }

    /// How the filter moves.
    pub fn window(&self) -> Window {
        Window { strides: self.strides, padding: self.padding, dilation: self.dilation }
    }

    /// The extents for operands of these shapes.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn dims(&self, x: &Shape, dy: &Shape) -> Result<ConvDims, Mistake> {
        let op = "conv2d_grad_filter";
        let [batch, height, width, channels] = rank_4(op, IMAGES, x)?;
        let [given, output_height, output_width, filters] = rank_4(op, IMAGES, dy)?;
        if given != batch {
            return Err(Mistake::new(format!(
                "`{op}`: there are {batch} images in {x} and {given} in the cotangent {dy}"
            )));
        }
        let dims = Given {
            batch,
            input: [height, width],
            channels,
            kernel: self.kernel,
            filters,
            groups: self.groups,
            window: self.window(),
        }
        .dims(op)?;
        dims.expect_output(op, [output_height, output_width])?;
        Ok(dims)
    }
}

impl Operation for Conv2dGradFilter {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x, dy] = expect_operands("conv2d_grad_filter", operands)?;
        let dtype = float("conv2d_grad_filter", &[x.dtype, dy.dtype])?;
        let dims = self.dims(&x.shape, &dy.shape)?;
        let [height, width] = dims.kernel;
        let shape = [height, width, dims.group_channels(), dims.filters];
        Ok(Types::from_elem(Type::new(dtype, shape), 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (x, dy) = (operands[0], operands[1]);
        let dims = self.dims(x.shape(), dy.shape()).expect("the type rule has accepted them");
        let data =
            compute([x, dy], |[x, dy]| correlate(&dims, x, dy), |[x, dy]| correlate(&dims, x, dy));
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, dy, cotangent) = (&node.operands[0], &node.operands[1], node.cotangent());
        let (window, groups) = (self.window(), self.groups);
        let input = [x.shape()[1], x.shape()[2]];
        Ok(vec![
            Some(dy.conv2d_grad_input(cotangent, input, window, groups)),
            Some(x.conv2d(cotangent, window, groups)),
        ])
    }
}

fn correlate<T: Float>(dims: &ConvDims, x: &[T], dy: &[T]) -> Vec<T> {
    let count = pieces(dims.batch);
    let mut dw = correlate_piece(dims, x, dy, piece_range(dims.batch, count, 0));
    for piece in 1..count {
        let part = correlate_piece(dims, x, dy, piece_range(dims.batch, count, piece));
        for (dw, part) in dw.iter_mut().zip(part) {
            *dw = *dw + part;
        }
    }
    dw
}

fn correlate_piece<T: Float>(
    dims: &ConvDims,
    x: &[T],
    dy: &[T],
    images: std::ops::Range<usize>,
) -> Vec<T> {
    let mut dw = vec![T::ZERO; dims.filter_elements()];
    if dims.is_void() {
        return dw;
    }
    let (channels, filters) = (dims.group_channels(), dims.group_filters());
    let ([height, width], [rows, cols]) = (dims.output, dims.input);
    let [kernel_rows, kernel_cols] = dims.kernel;
    let pixels = height * width;
    for place in images.start * pixels..images.end * pixels {
        let (image, i, j) = (place / pixels, place / width % height, place % width);
        let dy = dims.result(dy, image, i, j);
        for (u, row) in dims.window.taps(0, i, kernel_rows, rows) {
            for (v, col) in dims.window.taps(1, j, kernel_cols, cols) {
                let pixel = dims.pixel(x, image, row, col);
                for (group, dy) in dy.chunks_exact(filters).enumerate() {
                    for (c, &x) in pixel[group * channels..][..channels].iter().enumerate() {
                        let start = dims.weights([u, v], c) + group * filters;
                        for (dw, &dy) in dw[start..].iter_mut().zip(dy) {
                            *dw = x.fma(dy, *dw);
                        }
                    }
                }
            }
        }
    }
    dw
}

impl Var {
    /// The gradient of a convolution of these images with respect to its filter of height and width `kernel`;
    /// see [`Conv2dGradFilter`].
    #[track_caller]
    #[must_use]
    pub fn conv2d_grad_filter(
        &self,
        dy: &Var,
        kernel: [usize; 2],
        window: Window,
        groups: usize,
    ) -> Var {
        self.binary(Conv2dGradFilter::new(kernel, window, groups), dy)
    }
}
