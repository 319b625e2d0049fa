//! The gradient of a convolution with respect to its filter.

use serde::{Deserialize, Serialize};

use super::conv::{ConvDims, Given};
use super::conv2d::one;
use super::elementwise::float;
use super::float::{Float, compute};
use super::reduce::{piece_range, pieces, write_pieces};
use super::window::{IMAGES, Padding, Window, ones, rank_4};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
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
        let op = Self::NAME;
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
    fn family(&self) -> Family<'_> {
        Family::Contraction { cotangent: Some(1) }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x, dy] = expect_operands(Self::NAME, operands)?;
        let dtype = float(Self::NAME, &[x.dtype, dy.dtype])?;
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

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (x, dy, dw) = (operands[0], operands[1], results[0]);
        let dims = self.dims(&w.shape(x), &w.shape(dy)).expect("the type rule has accepted them");
        let [rows, columns] = dims.kernel;
        let extents = [rows, columns, dims.group_channels(), dims.groups, dims.group_filters()];
        w.each(&extents, |w, at| {
            let total = write_pieces(w, dims.batch, Writer::add, |w, from, to| {
                let zero = w.zero(w.dtype(dw));
                let sum = w.variable(zero);
                w.range(from, to, |w, image| {
                    dims.each_product(w, &at[..2], |w, output, pixel| {
                        let x = w.load(x, dims.image_index(w, &image, &pixel, &at[3], &at[2]));
                        let dy = w.load(dy, dims.result_index(w, &image, &output, &at[3..]));
                        w.update(sum, |w, sum| w.multiply_add(x, dy, sum));
                    });
                });
                w.get(sum)
            });
            w.store(dw, w.at(&extents, at), total);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, dy, cotangent) = (&node.operands[0], &node.operands[1], node.cotangent());
        let (window, groups) = (self.window(), self.groups);
        let input = [x.shape()[1], x.shape()[2]];
        Ok(vec![
            node.wants(0).then(|| dy.conv2d_grad_input(cotangent, input, window, groups)),
            node.wants(1).then(|| x.conv2d(cotangent, window, groups)),
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

impl Draw for Conv2dGradFilter {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|shape| shape.rank() == 4, Pen::images);
        let conv = pen.convolution(x.shape());
        let dy = pen.value(x.dtype(), conv.result());
        Some((Self::new(conv.kernel, conv.window, conv.groups), vec![x, dy]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::conv::tests::{at, cases, pairs};
    use super::*;
    use crate::ops::checks::{assert_adjoint, cast, f32s, fraction, mistake, run, whole};
    use crate::types::DType;

    fn op(dims: &ConvDims) -> Conv2dGradFilter {
        Conv2dGradFilter::new(dims.kernel, dims.window, dims.groups)
    }

    fn plain(kernel: [usize; 2]) -> Conv2dGradFilter {
        Conv2dGradFilter::new(kernel, Window::default(), 1)
    }

    /// The definition, one element after the other.
    fn directly(dims: &ConvDims, x: &[f32], dy: &[f32]) -> Vec<f32> {
        let pieces = dims.batch.clamp(1, 8);
        let mut dw = Vec::new();
        for tap in pairs(dims.kernel) {
            for c in 0..dims.group_channels() {
                for f in 0..dims.filters {
                    let channel = dims.group(f) * dims.group_channels() + c;
                    let piece = |piece: usize| {
                        let mut sum = 0.0f32;
                        for b in piece * dims.batch / pieces..(piece + 1) * dims.batch / pieces {
                            for [i, j] in pairs(dims.output) {
                                for pixel in
                                    pairs(dims.input).filter(|&p| dims.reads([i, j], tap, p))
                                {
                                    let x = at(dims.x(), x, [b, pixel[0], pixel[1], channel]);
                                    sum = x.mul_add(at(dims.y(), dy, [b, i, j, f]), sum);
                                }
                            }
                        }
                        sum
                    };
                    dw.push((1..pieces).fold(piece(0), |sum, p| sum + piece(p)));
                }
            }
        }
        dw
    }

    /// Batches around one and two images a piece.
    fn batches() -> impl Strategy<Value = ConvDims> {
        (cases(), prop_oneof![0..4usize, 7..10usize, 15..19usize])
            .prop_map(|(dims, batch)| ConvDims { batch, ..dims })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn each_element_is_the_chain_of_the_definition(
            (dims, x, dy) in batches()
                .prop_flat_map(|d| (Just(d), fraction(d.x()), fraction(d.y())))
        ) {
            let dw = run(op(&dims), &[&x, &dy]);
            let (Some(x), Some(dy)) = (x.as_f32(), dy.as_f32()) else { unreachable!() };
            prop_assert_eq!(dw, f32s(dims.w(), &directly(&dims, x, dy)));
        }

        #[test]
        fn gradients_are_adjoint(
            (dims, x, dy, cotangent) in cases()
                .prop_flat_map(|d| (Just(d), whole(d.x()), whole(d.y()), whole(d.w())))
        ) {
            assert_adjoint(op(&dims), &[&x, &dy], &cotangent);
        }
    }

    #[test]
    fn no_image_gives_plus_zero() {
        let dw = run(plain([2, 1]), &[&f32s([0, 3, 3, 2], &[]), &f32s([0, 2, 3, 1], &[])]);
        assert_eq!(dw, f32s([2, 1, 2, 1], &[0.0; 4]));
    }

    #[test]
    fn halves_are_rounded_once_at_the_end() {
        let (x, dy) = (f32s([1, 1, 3, 1], &[256.0, 1.0, 1.0]), f32s([1, 1, 3, 1], &[1.0; 3]));
        for dtype in [DType::BF16, DType::F16, DType::F32, DType::F64] {
            let dw = run(plain([1, 1]), &[&cast(&x, dtype), &cast(&dy, dtype)]);
            assert_eq!(dw, Tensor::full(&Type::new(dtype, [1, 1, 1, 1]), 258.0));
        }
    }

    #[test]
    fn mistakes() {
        insta::assert_snapshot!(mistake(plain([3, 3]), &["f32[2,5,5,1]", "f32[3,3,3,4]"]), @r"
        `conv2d_grad_filter`: there are 2 images in [2,5,5,1] and 3 in the cotangent [3,3,3,4]
        ");
        insta::assert_snapshot!(mistake(plain([3, 2]), &["f32[2,5,5,1]", "f32[2,3,3,4]"]), @r"
        `conv2d_grad_filter`: a 3×2 filter turns 5×5 images into 3×4 ones, but the cotangent is 3×3
        ");
        insta::assert_snapshot!(mistake(plain([3, 0]), &["f32[2,5,5,1]", "f32[2,3,6,4]"]), @r"
        `conv2d_grad_filter`: strides [1, 1], dilation [1, 1] and window [3, 0] must be at least 1
        ");
        let grouped = Conv2dGradFilter::new([3, 3], Window::default(), 2);
        insta::assert_snapshot!(mistake(grouped, &["f32[2,5,5,1]", "f32[2,3,3,4]"]), @r"
        `conv2d_grad_filter`: the number of channels, 1, is not a multiple of groups, 2
        ");
        insta::assert_snapshot!(mistake(plain([3, 3]), &["f32[2,5,5,1]", "f32[36]"]), @r"
        `conv2d_grad_filter` takes images [batch, height, width, channels], not a tensor of shape [36]
        ");
        insta::assert_snapshot!(mistake(plain([3, 3]), &["u8[2,5,5,1]", "u8[2,3,3,4]"]), @r"
        `conv2d_grad_filter` takes floats, not u8
          help: convert the operand with `cast`
        ");
    }
}
