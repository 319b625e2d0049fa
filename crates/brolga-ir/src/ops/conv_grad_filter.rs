//! The gradient of a convolution with respect to its filter.

use serde::{Deserialize, Serialize};

use super::conv_dims::{ConvDims, Convolution, convolution_attributes, one};
use super::elementwise::float;
use super::float::{Float, compute};
use super::reduce::{piece_range, pieces, write_pieces};
use super::window::{Padding, Spatial, Window, images};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `dw[u.., c, f] = Σ x[b, p.., c] · dy[b, o.., f]` over all images `b` and output pixels `o..` for
/// which [`Conv`](super::Conv) multiplies `x[b, p.., c]` with the filter's `[u.., c, f]`.
///
/// `x: [batch, spatial.., channels]` are the images, `dy: [batch, spatial.., filters]` the
/// cotangent of the result, and `kernel` the spatial extents of the filter.
///
/// The batch is cut into [`pieces`]. In each piece an element is a chain of fused multiply-adds
/// (`x · dy + chain`) in ascending (b, o..), starting from +0; outputs that read padding by this
/// tap are skipped. Then the pieces are added in ascending order, starting from the first; with no
/// image all is +0. `bf16` and `f16` accumulate in f32 and round at the end. Integers have no
/// convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Attributes", into = "Attributes")]
pub struct ConvGradFilter {
    /// Spatial extents of the filter.
    pub kernel: Spatial<usize>,
    /// The convolution's attributes.
    pub conv: Convolution,
}

convolution_attributes!(ConvGradFilter { kernel });

impl ConvGradFilter {
    /// The gradient of a convolution that moves like this, for a filter of these spatial extents.
    pub fn new(kernel: impl Into<Spatial<usize>>, window: Window, groups: usize) -> Self {
        Self { kernel: kernel.into(), conv: Convolution { window, groups } }
    }

    /// The extents for operands of these shapes.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn dims(&self, x: &Shape, dy: &Shape) -> Result<ConvDims, Mistake> {
        let op = Self::NAME;
        let (images, (given, output, filters)) = (images(op, x)?, images(op, dy)?);
        let batch = images.0;
        if given != batch {
            return Err(Mistake::new(format!(
                "`{op}`: there are {batch} images in {x} and {given} in the cotangent {dy}"
            )));
        }
        let dims = ConvDims::new(op, &self.conv, images, (self.kernel, filters))?;
        dims.expect_output(op, &output)?;
        Ok(dims)
    }
}

impl Operation for ConvGradFilter {
    fn family(&self) -> Family<'_> {
        Family::Contraction { cotangent: Some(1) }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x, dy] = expect_operands(Self::NAME, operands)?;
        let dtype = float(Self::NAME, &[x.dtype, dy.dtype])?;
        let dims = self.dims(&x.shape, &dy.shape)?;
        Ok(Types::from_elem(Type::new(dtype, dims.filter_shape()), 1))
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
        let axes = dims.input.len();
        let mut extents = dims.kernel.to_vec();
        extents.extend([dims.group_channels(), dims.groups, dims.group_filters()]);
        w.each(&extents, |w, at| {
            let (tap, channels) = (&at[..axes], [&at[axes + 1], &at[axes]]);
            let filters = &at[axes + 1..];
            let boxes = [&*dims.output, &*dims.input];
            let total = write_pieces(w, dims.batch, Writer::add, |w, from, to| {
                let zero = w.zero(w.dtype(dw));
                let sum = w.variable(zero);
                w.range(from, to, |w, image| {
                    dims.window.each_output(w, tap, boxes, |w, output, pixel| {
                        let x = w.load(x, dims.image_index(w, &image, pixel, channels));
                        let dy = w.load(dy, dims.result_index(w, &image, output, filters));
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
        let Convolution { window, groups } = self.conv;
        let dims = self.dims(x.shape(), dy.shape())?;
        Ok(vec![
            node.wants(0).then(|| dy.conv_grad_input(cotangent, dims.input, window, groups)),
            node.wants(1).then(|| x.conv(cotangent, window, groups)),
        ])
    }
}

fn correlate<T: Float>(dims: &ConvDims, x: &[T], dy: &[T]) -> Vec<T> {
    let (count, taps) = (pieces(dims.batch), dims.taps_by_output());
    let piece =
        |piece| correlate_piece(dims, [x, dy], &taps, piece_range(dims.batch, count, piece));
    let mut dw = piece(0);
    for part in (1..count).map(piece) {
        for (dw, part) in dw.iter_mut().zip(part) {
            *dw = *dw + part;
        }
    }
    dw
}

fn correlate_piece<T: Float>(
    dims: &ConvDims,
    [x, dy]: [&[T]; 2],
    taps: &[Vec<(usize, usize)>],
    images: std::ops::Range<usize>,
) -> Vec<T> {
    let mut dw = vec![T::ZERO; dims.filter_shape().elements()];
    if dims.is_void() {
        return dw;
    }
    let (channels, filters) = (dims.group_channels(), dims.group_filters());
    for image in images {
        for (output, taps) in taps.iter().enumerate() {
            let dy = dims.result(dy, image, output);
            for &(tap, pixel) in taps {
                let pixel = dims.pixel(x, image, pixel);
                for (group, dy) in dy.chunks_exact(filters).enumerate() {
                    for (c, &x) in pixel[group * channels..][..channels].iter().enumerate() {
                        let start = dims.weights(tap, c) + group * filters;
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
    /// The gradient of a convolution of these images with respect to its filter of spatial extents
    /// `kernel`; see [`ConvGradFilter`].
    #[track_caller]
    #[must_use]
    pub fn conv_grad_filter(
        &self,
        dy: &Var,
        kernel: impl Into<Spatial<usize>>,
        window: Window,
        groups: usize,
    ) -> Var {
        self.binary(ConvGradFilter::new(kernel, window, groups), dy)
    }
}

impl Draw for ConvGradFilter {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.drawn_images();
        let drawn = pen.convolution(x.shape());
        let dy = pen.value(x.dtype(), drawn.result());
        Some((Self::new(drawn.kernel, drawn.window, drawn.groups), vec![x, dy]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::conv_dims::tests::{all, at, cases};
    use super::*;
    use crate::ops::checks::{assert_adjoint, cast, f32s, fraction, mistake, run, whole};
    use crate::types::DType;

    fn op(dims: &ConvDims) -> ConvGradFilter {
        ConvGradFilter::new(dims.kernel, dims.window, dims.groups)
    }

    fn plain(kernel: [usize; 2]) -> ConvGradFilter {
        ConvGradFilter::new(kernel, Window::plain(2), 1)
    }

    /// The definition, one element after the other.
    fn directly(dims: &ConvDims, x: &[f32], dy: &[f32]) -> Vec<f32> {
        let pieces = dims.batch.clamp(1, 8);
        let mut dw = Vec::new();
        for tap in all(dims.kernel) {
            for c in 0..dims.group_channels() {
                for f in 0..dims.filters {
                    let channel = dims.group(f) * dims.group_channels() + c;
                    let piece = |piece: usize| {
                        let mut sum = 0.0f32;
                        for b in piece * dims.batch / pieces..(piece + 1) * dims.batch / pieces {
                            for out in all(dims.output) {
                                let reads = |p: &Spatial<usize>| dims.reads(&out, &tap, p);
                                for pixel in all(dims.input).filter(reads) {
                                    let x = at(&dims.input_shape(), x, &[&[b], &pixel, &[channel]]);
                                    sum = x.mul_add(
                                        at(&dims.output_shape(), dy, &[&[b], &out, &[f]]),
                                        sum,
                                    );
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
                .prop_flat_map(|d| (Just(d), fraction(d.input_shape()), fraction(d.output_shape())))
        ) {
            let dw = run(op(&dims), &[&x, &dy]);
            let (Some(x), Some(dy)) = (x.as_f32(), dy.as_f32()) else { unreachable!() };
            prop_assert_eq!(dw, f32s(dims.filter_shape(), &directly(&dims, x, dy)));
        }

        #[test]
        fn gradients_are_adjoint(
            (dims, x, dy, cotangent) in cases()
                .prop_flat_map(|d| (Just(d), whole(d.input_shape()), whole(d.output_shape()), whole(d.filter_shape())))
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
        `conv_grad_filter`: there are 2 images in [2,5,5,1] and 3 in the cotangent [3,3,3,4]
        ");
        insta::assert_snapshot!(mistake(plain([3, 2]), &["f32[2,5,5,1]", "f32[2,3,3,4]"]), @r"
        `conv_grad_filter`: a 3×2 filter turns 5×5 images into 3×4 ones, but the cotangent is 3×3
        ");
        insta::assert_snapshot!(mistake(plain([3, 0]), &["f32[2,5,5,1]", "f32[2,3,6,4]"]), @r"
        `conv_grad_filter`: strides [1, 1], dilation [1, 1] and window [3, 0] must be at least 1
        ");
        let grouped = ConvGradFilter::new([3, 3], Window::plain(2), 2);
        insta::assert_snapshot!(mistake(grouped, &["f32[2,5,5,1]", "f32[2,3,3,4]"]), @r"
        `conv_grad_filter`: the number of channels, 1, is not a multiple of groups, 2
        ");
        insta::assert_snapshot!(mistake(plain([3, 3]), &["f32[2,5,5,1]", "f32[36]"]), @r"
        `conv_grad_filter` takes images [batch, 1 to 3 spatial axes, channels], not a tensor of shape [36]
        ");
        insta::assert_snapshot!(mistake(plain([3, 3]), &["u8[2,5,5,1]", "u8[2,3,3,4]"]), @r"
        `conv_grad_filter` takes floats, not u8
          help: convert the operand with `cast`
        ");
    }
}
