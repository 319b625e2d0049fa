//! The gradient of a convolution with respect to its images.

use serde::{Deserialize, Serialize};

use super::conv_dims::{ConvDims, Convolution, convolution_attributes, filter, one};
use super::elementwise::float;
use super::float::{Float, compute};
use super::window::{Padding, Spatial, Window, images, spatial};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `dx[b, p.., c] = Σ dy[b, o.., f] · filter[u.., c, f]` over all taps `u..` and output channels
/// `f` of the group with which [`Conv`](super::Conv) reads `x[b, p.., c]` for its result
/// `[b, o.., f]`.
///
/// `dy: [batch, spatial.., filters]` is the cotangent of the result, `filter` as there, and `input`
/// the spatial extents of the images. Also known as transposed convolution.
///
/// Each element is a chain of fused multiply-adds (`dy · filter + chain`) in ascending (u.., f),
/// starting from +0; taps with which no output reads the element are skipped. `bf16` and `f16`
/// accumulate in f32 and round at the end. Integers have no convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Attributes", into = "Attributes")]
pub struct ConvGradInput {
    /// Spatial extents of the images.
    pub input: Spatial<usize>,
    /// The convolution's attributes.
    pub conv: Convolution,
}

convolution_attributes!(ConvGradInput { input });

impl ConvGradInput {
    /// The gradient of a convolution that moves like this over images of these spatial extents.
    pub fn new(input: impl Into<Spatial<usize>>, window: Window, groups: usize) -> Self {
        Self { input: input.into(), conv: Convolution { window, groups } }
    }

    /// The extents for operands of these shapes.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn dims(&self, dy: &Shape, filter: &Shape) -> Result<ConvDims, Mistake> {
        let (op, groups) = (Self::NAME, self.conv.groups);
        let (batch, output, given) = images(op, dy)?;
        let (kernel, taken, filters) = self::filter(op, filter)?;
        if given != filters {
            return Err(Mistake::new(format!(
                "`{op}`: the cotangent {dy} has {given} channels, the filter {filter} makes {filters}"
            )));
        }
        let channels = taken.checked_mul(groups).ok_or_else(|| {
            Mistake::new(format!("`{op}`: {groups} groups of {taken} channels are too many"))
        })?;
        let images = (batch, self.input, channels);
        let dims = ConvDims::new(op, &self.conv, images, (kernel, filters))?;
        dims.expect_output(op, &output)?;
        Ok(dims)
    }
}

impl Operation for ConvGradInput {
    fn family(&self) -> Family<'_> {
        Family::Contraction { cotangent: Some(0) }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [dy, filter] = expect_operands(Self::NAME, operands)?;
        let dtype = float(Self::NAME, &[dy.dtype, filter.dtype])?;
        let dims = self.dims(&dy.shape, &filter.shape)?;
        Ok(Types::from_elem(Type::new(dtype, dims.input_shape()), 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (dy, filter) = (operands[0], operands[1]);
        let dims = self.dims(dy.shape(), filter.shape()).expect("the type rule has accepted them");
        let data = compute(
            [dy, filter],
            |[dy, filter]| transposed(&dims, dy, filter),
            |[dy, filter]| transposed(&dims, dy, filter),
        );
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (dy, filter, dx) = (operands[0], operands[1], results[0]);
        let dims =
            self.dims(&w.shape(dy), &w.shape(filter)).expect("the type rule has accepted them");
        let axes = dims.input.len();
        let mut extents = vec![dims.batch];
        extents.extend(dims.input.iter().chain(&[dims.groups, dims.group_channels()]));
        w.each(&extents, |w, at| {
            let zero = w.zero(w.dtype(dx));
            let sum = w.variable(zero);
            let (image, pixel) = (&at[0], &at[1..=axes]);
            let (group, channel) = (&at[axes + 1], &at[axes + 2]);
            dims.window.each_reader(w, pixel, [&dims.kernel, &dims.output], |w, tap, output| {
                w.repeat(dims.group_filters(), |w, f| {
                    let filters = [group.clone(), f];
                    let dy = w.load(dy, dims.result_index(w, image, output, &filters));
                    let weight = w.load(filter, dims.weight_index(w, tap, channel, &filters));
                    w.update(sum, |w, sum| w.multiply_add(dy, weight, sum));
                });
            });
            let sum = w.get(sum);
            w.store(dx, w.at(&extents, at), sum);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (dy, filter, cotangent) = (&node.operands[0], &node.operands[1], node.cotangent());
        let Convolution { window, groups } = self.conv;
        let dims = self.dims(dy.shape(), filter.shape())?;
        Ok(vec![
            node.wants(0).then(|| cotangent.conv(filter, window, groups)),
            node.wants(1).then(|| cotangent.conv_grad_filter(dy, dims.kernel, window, groups)),
        ])
    }
}

fn transposed<T: Float>(dims: &ConvDims, dy: &[T], filter: &[T]) -> Vec<T> {
    let mut dx = vec![T::ZERO; dims.input_shape().elements()];
    if dims.is_void() {
        return dx;
    }
    let (channels, filters) = (dims.group_channels(), dims.group_filters());
    let taps = dims.taps_by_input();
    for (index, dx) in dx.chunks_exact_mut(dims.channels).enumerate() {
        let (image, pixel) = (index / taps.len(), index % taps.len());
        for &(tap, output) in &taps[pixel] {
            let dy = dims.result(dy, image, output);
            for (group, dx) in dx.chunks_exact_mut(channels).enumerate() {
                let dy = &dy[group * filters..][..filters];
                for (c, dx) in dx.iter_mut().enumerate() {
                    let weights = &filter[dims.weights(tap, c) + group * filters..];
                    let terms = dy.iter().zip(weights);
                    *dx = terms.fold(*dx, |chain, (&dy, &w)| dy.fma(w, chain));
                }
            }
        }
    }
    dx
}

impl Var {
    /// The gradient of a convolution with respect to its images of spatial extents `input`, for
    /// this cotangent; see [`ConvGradInput`].
    #[track_caller]
    #[must_use]
    pub fn conv_grad_input(
        &self,
        filter: &Var,
        input: impl Into<Spatial<usize>>,
        window: Window,
        groups: usize,
    ) -> Var {
        self.binary(ConvGradInput::new(input, window, groups), filter)
    }
}

impl Draw for ConvGradInput {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let (images, dtype) = (pen.images(), pen.dtype());
        let drawn = pen.convolution(&images);
        let dy = pen.value(dtype, drawn.result());
        let filter = pen.value(dtype, drawn.filter());
        let op = Self::new(spatial(&images), drawn.window, drawn.groups);
        Some((op, vec![dy, filter]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::conv_dims::tests::{all, at, cases};
    use super::*;
    use crate::ops::checks::{assert_adjoint, cast, f32s, fraction, mistake, run, whole};
    use crate::types::DType;

    fn op(dims: &ConvDims) -> ConvGradInput {
        ConvGradInput::new(dims.input, dims.window, dims.groups)
    }

    fn plain(input: [usize; 2]) -> ConvGradInput {
        ConvGradInput::new(input, Window::plain(2), 1)
    }

    /// The definition, one element after the other.
    fn directly(dims: &ConvDims, dy: &[f32], w: &[f32]) -> Vec<f32> {
        let mut dx = Vec::new();
        for b in 0..dims.batch {
            for pixel in all(dims.input) {
                for c in 0..dims.channels {
                    let (group, channel) = (c / dims.group_channels(), c % dims.group_channels());
                    let mut sum = 0.0f32;
                    for tap in all(dims.kernel) {
                        for out in all(dims.output).filter(|o| dims.reads(o, &tap, &pixel)) {
                            for f in (0..dims.filters).filter(|&f| dims.group(f) == group) {
                                let dy = at(&dims.output_shape(), dy, &[&[b], &out, &[f]]);
                                sum = dy.mul_add(
                                    at(&dims.filter_shape(), w, &[&tap, &[channel, f]]),
                                    sum,
                                );
                            }
                        }
                    }
                    dx.push(sum);
                }
            }
        }
        dx
    }

    proptest! {
        #[test]
        fn each_element_is_the_chain_of_the_definition(
            (dims, dy, w) in cases().prop_flat_map(|d| (Just(d), fraction(d.output_shape()), fraction(d.filter_shape())))
        ) {
            let dx = run(op(&dims), &[&dy, &w]);
            let (Some(dy), Some(w)) = (dy.as_f32(), w.as_f32()) else { unreachable!() };
            prop_assert_eq!(dx, f32s(dims.input_shape(), &directly(&dims, dy, w)));
        }

        #[test]
        fn gradients_are_adjoint(
            (dims, dy, w, cotangent) in cases()
                .prop_flat_map(|d| (Just(d), whole(d.output_shape()), whole(d.filter_shape()), whole(d.input_shape())))
        ) {
            assert_adjoint(op(&dims), &[&dy, &w], &cotangent);
        }
    }

    #[test]
    fn pixels_that_nothing_reads_are_plus_zero() {
        let window = Window::new([3, 3], [[0, 0]; 2], [1, 1]);
        let dy = f32s([1, 1, 2, 1], &[-1.0, f32::NAN]);
        let w = f32s([1, 1, 1, 1], &[f32::INFINITY]);
        let dx = run(ConvGradInput::new([1, 5], window, 1), &[&dy, &w]);
        assert_eq!(dx, f32s([1, 1, 5, 1], &[f32::NEG_INFINITY, 0.0, 0.0, f32::NAN, 0.0]));
    }

    #[test]
    fn halves_are_rounded_once_at_the_end() {
        let (dy, w) = (f32s([1, 1, 1, 3], &[256.0, 1.0, 1.0]), f32s([1, 1, 1, 3], &[1.0; 3]));
        for dtype in [DType::BF16, DType::F16, DType::F32, DType::F64] {
            let dx = run(plain([1, 1]), &[&cast(&dy, dtype), &cast(&w, dtype)]);
            assert_eq!(dx, Tensor::full(&Type::new(dtype, [1, 1, 1, 1]), 258.0));
        }
    }

    #[test]
    fn mistakes() {
        insta::assert_snapshot!(mistake(plain([5, 5]), &["f32[2,3,3,4]", "f32[3,3,1,3]"]), @r"
        `conv_grad_input`: the cotangent [2,3,3,4] has 4 channels, the filter [3,3,1,3] makes 3
        ");
        insta::assert_snapshot!(mistake(plain([5, 6]), &["f32[2,3,3,4]", "f32[3,3,1,4]"]), @r"
        `conv_grad_input`: a 3×3 filter turns 5×6 images into 3×4 ones, but the cotangent is 3×3
        ");
        insta::assert_snapshot!(mistake(plain([2, 5]), &["f32[2,3,3,4]", "f32[3,3,1,4]"]), @r"
        `conv_grad_input`: a window of height 3 is larger than its input of height 2
          help: make the window smaller, the input larger, or use padding
        ");
        insta::assert_snapshot!(mistake(plain([5, 5]), &["f32[2,3,3,4]", "f32[4]"]), @r"
        `conv_grad_input` takes a filter [1 to 3 spatial axes, channels / groups, filters], not a tensor of shape [4]
        ");
        let many = ConvGradInput::new([5, 5], Window::plain(2), usize::MAX);
        insta::assert_snapshot!(mistake(many, &["f32[2,3,3,4]", "f32[3,3,2,4]"]), @r"
        `conv_grad_input`: 18446744073709551615 groups of 2 channels are too many
        ");
        insta::assert_snapshot!(mistake(plain([5, 5]), &["i32[2,3,3,4]", "i32[3,3,1,4]"]), @r"
        `conv_grad_input` takes floats, not i32
          help: convert the operand with `cast`
        ");
    }
}
