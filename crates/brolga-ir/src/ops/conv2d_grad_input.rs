//! The gradient of a convolution with respect to its images.

use serde::{Deserialize, Serialize};

use super::conv::{ConvDims, Given};
use super::conv2d::{FILTER, one};
use super::elementwise::float;
use super::float::{Float, compute};
use super::window::{IMAGES, Padding, Window, ones, rank_4};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `dx[b, y, x, c] = Σ dy[b, i, j, f] · filter[u, v, c, f]` over all kernel rows `u`, kernel columns `v` and output channels `f` of the group
/// by which [`Conv2d`](super::Conv2d) reads `x[b, y, x, c]` for its result `[b, i, j, f]`.
///
/// `dy: [batch, height, width, filters]` is the cotangent of the result, `filter` as there, and `input` the height and width of the images.
/// Also known as transposed convolution.
///
/// Each element is a chain of fused multiply-adds (`dy · filter + chain`) in ascending (u, v, f), starting from +0; taps by which no output
/// reads the element are skipped. `bf16` and `f16` accumulate in f32 and round at the end. Integers have no convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2dGradInput {
    /// Height and width of the images.
    pub input: [usize; 2],
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

impl Conv2dGradInput {
    /// The gradient of a convolution that moves like this over images of this height and width.
    pub fn new(input: [usize; 2], window: Window, groups: usize) -> Self {
        let Window { strides, padding, dilation } = window;
        Self { input, strides, padding, dilation, groups }
    }

    /// How the filter moves.
    pub fn window(&self) -> Window {
        Window { strides: self.strides, padding: self.padding, dilation: self.dilation }
    }

    /// The extents for operands of these shapes.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn dims(&self, dy: &Shape, filter: &Shape) -> Result<ConvDims, Mistake> {
        let op = Self::NAME;
        let [batch, height, width, given] = rank_4(op, IMAGES, dy)?;
        let [kernel_height, kernel_width, taken, filters] = rank_4(op, FILTER, filter)?;
        if given != filters {
            return Err(Mistake::new(format!(
                "`{op}`: the cotangent {dy} has {given} channels, the filter {filter} makes {filters}"
            )));
        }
        let channels = taken.checked_mul(self.groups).ok_or_else(|| {
            Mistake::new(format!("`{op}`: {} groups of {taken} channels are too many", self.groups))
        })?;
        let dims = Given {
            batch,
            input: self.input,
            channels,
            kernel: [kernel_height, kernel_width],
            filters,
            groups: self.groups,
            window: self.window(),
        }
        .dims(op)?;
        dims.expect_output(op, [height, width])?;
        Ok(dims)
    }
}

impl Operation for Conv2dGradInput {
    fn family(&self) -> Family<'_> {
        Family::Contraction { cotangent: Some(0) }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [dy, filter] = expect_operands(Self::NAME, operands)?;
        let dtype = float(Self::NAME, &[dy.dtype, filter.dtype])?;
        let dims = self.dims(&dy.shape, &filter.shape)?;
        let [height, width] = dims.input;
        let shape = [dims.batch, height, width, dims.channels];
        Ok(Types::from_elem(Type::new(dtype, shape), 1))
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
        let [rows, columns] = dims.input;
        let extents = [dims.batch, rows, columns, dims.groups, dims.group_channels()];
        w.each(&extents, |w, at| {
            let zero = w.zero(w.dtype(dx));
            let sum = w.variable(zero);
            dims.window.each_reader(w, &at[1..3], dims.kernel, dims.output, |w, tap, output| {
                w.repeat(dims.group_filters(), |w, f| {
                    let filters = [at[3].clone(), f];
                    let dy = w.load(dy, dims.result_index(w, &at[0], &output, &filters));
                    let weight = w.load(filter, dims.weight_index(w, &tap, &at[4], &filters));
                    w.update(sum, |w, sum| w.multiply_add(dy, weight, sum));
                });
            });
            let sum = w.get(sum);
            w.store(dx, w.at(&extents, at), sum);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (dy, filter, cotangent) = (&node.operands[0], &node.operands[1], node.cotangent());
        let (window, groups) = (self.window(), self.groups);
        let kernel = [filter.shape()[0], filter.shape()[1]];
        Ok(vec![
            node.wants(0).then(|| cotangent.conv2d(filter, window, groups)),
            node.wants(1).then(|| cotangent.conv2d_grad_filter(dy, kernel, window, groups)),
        ])
    }
}

fn transposed<T: Float>(dims: &ConvDims, dy: &[T], filter: &[T]) -> Vec<T> {
    let mut dx = vec![T::ZERO; dims.input_elements()];
    if dims.is_void() {
        return dx;
    }
    let (channels, filters) = (dims.group_channels(), dims.group_filters());
    let ([height, width], [rows, cols]) = (dims.input, dims.output);
    let [kernel_rows, kernel_cols] = dims.kernel;
    for (place, dx) in dx.chunks_exact_mut(dims.channels).enumerate() {
        let (image, y, x) = (place / width / height, place / width % height, place % width);
        for (u, row) in dims.window.readers(0, y, kernel_rows, rows) {
            for (v, col) in dims.window.readers(1, x, kernel_cols, cols) {
                let dy = dims.result(dy, image, row, col);
                for (group, dx) in dx.chunks_exact_mut(channels).enumerate() {
                    let dy = &dy[group * filters..][..filters];
                    for (c, dx) in dx.iter_mut().enumerate() {
                        let weights = &filter[dims.weights([u, v], c) + group * filters..];
                        let terms = dy.iter().zip(weights);
                        *dx = terms.fold(*dx, |chain, (&dy, &w)| dy.fma(w, chain));
                    }
                }
            }
        }
    }
    dx
}

impl Var {
    /// The gradient of a convolution with respect to its images of height and width `input`, for this
    /// cotangent; see [`Conv2dGradInput`].
    #[track_caller]
    #[must_use]
    pub fn conv2d_grad_input(
        &self,
        filter: &Var,
        input: [usize; 2],
        window: Window,
        groups: usize,
    ) -> Var {
        self.binary(Conv2dGradInput::new(input, window, groups), filter)
    }
}

impl Draw for Conv2dGradInput {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let (images, dtype) = (pen.images(), pen.dtype());
        let conv = pen.convolution(&images);
        let dy = pen.value(dtype, conv.result());
        let filter = pen.value(dtype, conv.filter());
        let op = Self::new([images[1], images[2]], conv.window, conv.groups);
        Some((op, vec![dy, filter]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::conv::tests::{at, cases, pairs};
    use super::*;
    use crate::ops::checks::{assert_adjoint, cast, f32s, fraction, mistake, run, whole};
    use crate::types::DType;

    fn op(dims: &ConvDims) -> Conv2dGradInput {
        Conv2dGradInput::new(dims.input, dims.window, dims.groups)
    }

    fn plain(input: [usize; 2]) -> Conv2dGradInput {
        Conv2dGradInput::new(input, Window::default(), 1)
    }

    /// The definition, one element after the other.
    fn directly(dims: &ConvDims, dy: &[f32], w: &[f32]) -> Vec<f32> {
        let mut dx = Vec::new();
        for b in 0..dims.batch {
            for pixel in pairs(dims.input) {
                for c in 0..dims.channels {
                    let (group, channel) = (c / dims.group_channels(), c % dims.group_channels());
                    let mut sum = 0.0f32;
                    for [u, v] in pairs(dims.kernel) {
                        for [i, j] in pairs(dims.output).filter(|&o| dims.reads(o, [u, v], pixel)) {
                            for f in (0..dims.filters).filter(|&f| dims.group(f) == group) {
                                let dy = at(dims.y(), dy, [b, i, j, f]);
                                sum = dy.mul_add(at(dims.w(), w, [u, v, channel, f]), sum);
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
            (dims, dy, w) in cases().prop_flat_map(|d| (Just(d), fraction(d.y()), fraction(d.w())))
        ) {
            let dx = run(op(&dims), &[&dy, &w]);
            let (Some(dy), Some(w)) = (dy.as_f32(), w.as_f32()) else { unreachable!() };
            prop_assert_eq!(dx, f32s(dims.x(), &directly(&dims, dy, w)));
        }

        #[test]
        fn gradients_are_adjoint(
            (dims, dy, w, cotangent) in cases()
                .prop_flat_map(|d| (Just(d), whole(d.y()), whole(d.w()), whole(d.x())))
        ) {
            assert_adjoint(op(&dims), &[&dy, &w], &cotangent);
        }
    }

    #[test]
    fn pixels_that_nothing_reads_are_plus_zero() {
        let window = Window { strides: [3, 3], ..Window::default() };
        let dy = f32s([1, 1, 2, 1], &[-1.0, f32::NAN]);
        let w = f32s([1, 1, 1, 1], &[f32::INFINITY]);
        let dx = run(Conv2dGradInput::new([1, 5], window, 1), &[&dy, &w]);
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
        `conv2d_grad_input`: the cotangent [2,3,3,4] has 4 channels, the filter [3,3,1,3] makes 3
        ");
        insta::assert_snapshot!(mistake(plain([5, 6]), &["f32[2,3,3,4]", "f32[3,3,1,4]"]), @r"
        `conv2d_grad_input`: a 3×3 filter turns 5×6 images into 3×4 ones, but the cotangent is 3×3
        ");
        insta::assert_snapshot!(mistake(plain([2, 5]), &["f32[2,3,3,4]", "f32[3,3,1,4]"]), @r"
        `conv2d_grad_input`: a window of height 3 is larger than its input of height 2
          help: make the window smaller, the input larger, or use padding
        ");
        insta::assert_snapshot!(mistake(plain([5, 5]), &["f32[2,3,3,4]", "f32[4]"]), @r"
        `conv2d_grad_input` takes a filter [height, width, channels / groups, filters], not a tensor of shape [4]
        ");
        let many = Conv2dGradInput::new([5, 5], Window::default(), usize::MAX);
        insta::assert_snapshot!(mistake(many, &["f32[2,3,3,4]", "f32[3,3,2,4]"]), @r"
        `conv2d_grad_input`: 18446744073709551615 groups of 2 channels are too many
        ");
        insta::assert_snapshot!(mistake(plain([5, 5]), &["i32[2,3,3,4]", "i32[3,3,1,4]"]), @r"
        `conv2d_grad_input` takes floats, not i32
          help: convert the operand with `cast`
        ");
    }
}
