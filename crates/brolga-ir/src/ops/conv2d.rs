//! Two-dimensional convolution.

use serde::{Deserialize, Serialize};

use super::conv::{ConvDims, Given};
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

/// `y[b, i, j, f] = Σ x[b, i·sₕ + u·dₕ − pₕ, j·s_w + v·d_w − p_w, c] · filter[u, v, c, f]` over kernel row `u`, kernel column `v`, input
/// channel `c` (a correlation, as everywhere in deep learning).
///
/// Images are NHWC, `x: [batch, height, width, channels]`; filters HWIO, `[height, width, channels / groups, filters]`. With groups, the
/// filters `g·F/G ..` see the channels `g·C/G ..` alone.
///
/// Each element is a chain of fused multiply-adds in ascending (u, v, c), starting from +0. Taps that fall into the padding are skipped, not
/// multiplied by zero: infinite weights give no NaN there. `bf16` and `f16` accumulate in f32 and round at the end. Integers have no
/// convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2d {
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

/// The number of groups where none is given.
pub(super) fn one() -> usize {
    1
}

/// What [`rank_4`] says of filters.
pub(super) const FILTER: &str = "a filter [height, width, channels / groups, filters]";

impl Conv2d {
    /// A convolution that moves like this.
    pub fn new(window: Window, groups: usize) -> Self {
        let Window { strides, padding, dilation } = window;
        Self { strides, padding, dilation, groups }
    }

    /// How the filter moves.
    pub fn window(&self) -> Window {
        Window { strides: self.strides, padding: self.padding, dilation: self.dilation }
    }

    /// The extents for operands of these shapes.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn dims(&self, x: &Shape, filter: &Shape) -> Result<ConvDims, Mistake> {
        let op = Self::NAME;
        let [batch, height, width, channels] = rank_4(op, IMAGES, x)?;
        let [kernel_height, kernel_width, taken, filters] = rank_4(op, FILTER, filter)?;
        let (groups, window) = (self.groups, self.window());
        let dims = Given {
            batch,
            input: [height, width],
            channels,
            kernel: [kernel_height, kernel_width],
            filters,
            groups,
            window,
        }
        .dims(op)?;
        if dims.group_channels() != taken {
            let in_groups =
                if groups > 1 { format!(" in each of {groups} groups") } else { String::new() };
            return Err(Mistake::new(format!(
                "`{op}`: the images {x} have {} channels{in_groups}, the filter {filter} takes {taken}",
                dims.group_channels()
            ))
            .help("the filter's third extent is the number of channels divided by groups"));
        }
        Ok(dims)
    }
}

impl Operation for Conv2d {
    fn family(&self) -> Family<'_> {
        Family::Contraction { cotangent: None }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x, filter] = expect_operands(Self::NAME, operands)?;
        let dtype = float(Self::NAME, &[x.dtype, filter.dtype])?;
        let dims = self.dims(&x.shape, &filter.shape)?;
        let [height, width] = dims.output;
        let shape = [dims.batch, height, width, dims.filters];
        Ok(Types::from_elem(Type::new(dtype, shape), 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (x, filter) = (operands[0], operands[1]);
        let dims = self.dims(x.shape(), filter.shape()).expect("the type rule has accepted them");
        let data = compute(
            [x, filter],
            |[x, filter]| convolve(&dims, x, filter),
            |[x, filter]| convolve(&dims, x, filter),
        );
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (x, filter, y) = (operands[0], operands[1], results[0]);
        let dims =
            self.dims(&w.shape(x), &w.shape(filter)).expect("the type rule has accepted them");
        let [rows, columns] = dims.output;
        let extents = [dims.batch, rows, columns, dims.groups, dims.group_filters()];
        w.each(&extents, |w, at| {
            let zero = w.zero(w.dtype(y));
            let sum = w.variable(zero);
            dims.window.each_tap(w, &at[1..3], dims.kernel, dims.input, |w, tap, pixel| {
                w.repeat(dims.group_channels(), |w, channel| {
                    let pixel = w.load(x, dims.image_index(w, &at[0], &pixel, &at[3], &channel));
                    let weight = w.load(filter, dims.weight_index(w, &tap, &channel, &at[3..]));
                    w.update(sum, |w, sum| w.multiply_add(pixel, weight, sum));
                });
            });
            let sum = w.get(sum);
            w.store(y, w.at(&extents, at), sum);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, filter, dy) = (&node.operands[0], &node.operands[1], node.cotangent());
        let (window, groups) = (self.window(), self.groups);
        let input = [x.shape()[1], x.shape()[2]];
        let kernel = [filter.shape()[0], filter.shape()[1]];
        Ok(vec![
            node.wants(0).then(|| dy.conv2d_grad_input(filter, input, window, groups)),
            node.wants(1).then(|| x.conv2d_grad_filter(dy, kernel, window, groups)),
        ])
    }
}

fn convolve<T: Float>(dims: &ConvDims, x: &[T], filter: &[T]) -> Vec<T> {
    let mut y = vec![T::ZERO; dims.output_elements()];
    if dims.is_void() {
        return y;
    }
    let (channels, filters) = (dims.group_channels(), dims.group_filters());
    let ([height, width], [rows, cols]) = (dims.output, dims.input);
    let [kernel_rows, kernel_cols] = dims.kernel;
    for (place, y) in y.chunks_exact_mut(dims.filters).enumerate() {
        let (image, i, j) = (place / width / height, place / width % height, place % width);
        for (u, row) in dims.window.taps(0, i, kernel_rows, rows) {
            for (v, col) in dims.window.taps(1, j, kernel_cols, cols) {
                let pixel = dims.pixel(x, image, row, col);
                for (group, y) in y.chunks_exact_mut(filters).enumerate() {
                    for (c, &x) in pixel[group * channels..][..channels].iter().enumerate() {
                        let weights = &filter[dims.weights([u, v], c) + group * filters..];
                        for (y, &w) in y.iter_mut().zip(weights) {
                            *y = x.fma(w, *y);
                        }
                    }
                }
            }
        }
    }
    y
}

impl Var {
    /// The convolution of these images with a filter; see [`Conv2d`].
    ///
    /// ```
    /// use brolga_ir::ops::window::Window;
    /// use brolga_ir::{Tensor, Tracer, Type, interpret};
    ///
    /// let t = Tracer::new("edges");
    /// let x = t.input("x", Type::f32([1, 1, 4, 1]));
    /// let w = t.input("w", Type::f32([1, 2, 1, 1]));
    /// t.output(&x.conv2d(&w, Window::default(), 1));
    /// let graph = t.finish()?;
    ///
    /// let x = Tensor::f32([1, 1, 4, 1], vec![1.0, 1.0, 5.0, 5.0]).ok_or("four elements")?;
    /// let w = Tensor::f32([1, 2, 1, 1], vec![-1.0, 1.0]).ok_or("two elements")?;
    /// let y = interpret(&graph, &[x, w])?;
    /// assert_eq!(y[0].as_f32(), Some([0.0, 4.0, 0.0].as_slice()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn conv2d(&self, filter: &Var, window: Window, groups: usize) -> Var {
        self.binary(Conv2d::new(window, groups), filter)
    }
}

impl Draw for Conv2d {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|shape| shape.rank() == 4, Pen::images);
        let conv = pen.convolution(x.shape());
        let filter = pen.value(x.dtype(), conv.filter());
        Some((Self::new(conv.window, conv.groups), vec![x, filter]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::conv::tests::{at, cases, pairs};
    use super::*;
    use crate::ops::checks::{assert_adjoint, cast, f32s, fraction, mistake, run, whole};
    use crate::types::DType;

    fn conv(strides: [usize; 2], padding: Padding, dilation: [usize; 2], groups: usize) -> Conv2d {
        Conv2d { strides, padding, dilation, groups }
    }

    fn plain() -> Conv2d {
        Conv2d::new(Window::default(), 1)
    }

    /// The definition, one element after the other.
    fn directly(dims: &ConvDims, x: &[f32], w: &[f32]) -> Vec<f32> {
        let mut y = Vec::new();
        for b in 0..dims.batch {
            for out in pairs(dims.output) {
                for f in 0..dims.filters {
                    let mut sum = 0.0f32;
                    for [u, v] in pairs(dims.kernel) {
                        for pixel in pairs(dims.input).filter(|&p| dims.reads(out, [u, v], p)) {
                            for c in 0..dims.group_channels() {
                                let channel = dims.group(f) * dims.group_channels() + c;
                                let x = at(dims.x(), x, [b, pixel[0], pixel[1], channel]);
                                sum = x.mul_add(at(dims.w(), w, [u, v, c, f]), sum);
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
        y
    }

    proptest! {
        #[test]
        fn each_element_is_the_chain_of_the_definition(
            (dims, x, w) in cases().prop_flat_map(|d| (Just(d), fraction(d.x()), fraction(d.w())))
        ) {
            let y = run(Conv2d::new(dims.window, dims.groups), &[&x, &w]);
            let (Some(x), Some(w)) = (x.as_f32(), w.as_f32()) else { unreachable!() };
            prop_assert_eq!(y, f32s(dims.y(), &directly(&dims, x, w)));
        }

        #[test]
        fn gradients_are_adjoint(
            (dims, x, w, dy) in cases()
                .prop_flat_map(|d| (Just(d), whole(d.x()), whole(d.w()), whole(d.y())))
        ) {
            assert_adjoint(Conv2d::new(dims.window, dims.groups), &[&x, &w], &dy);
        }
    }

    #[test]
    fn padding_is_skipped() {
        let x = f32s([1, 1, 2, 1], &[1.0, 2.0]);
        let w = f32s([1, 3, 1, 1], &[f32::INFINITY, 1.0, f32::NAN]);
        let op = conv([1, 1], [[0, 0], [0, 1]], [1, 1], 1);
        assert_eq!(run(op, &[&x, &w]), f32s([1, 1, 1, 1], &[f32::INFINITY]));
        let op = conv([1, 1], [[0, 0], [2, 2]], [1, 1], 1);
        let y = run(op, &[&x, &w]);
        let nan = f32::NAN;
        assert_eq!(y, f32s([1, 1, 4, 1], &[nan, nan, f32::INFINITY, f32::INFINITY]));
    }

    #[test]
    fn a_window_in_the_padding_alone_gives_plus_zero() {
        let op = conv([2, 2], [[2, 2]; 2], [1, 1], 1);
        let x = f32s([1, 1, 1, 1], &[-1.0]);
        let y = run(op, &[&x, &f32s([1, 1, 1, 1], &[1.0])]);
        assert_eq!(y, f32s([1, 3, 3, 1], &[0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn a_chain_starts_at_plus_zero() {
        let y = run(plain(), &[&f32s([1, 1, 1, 1], &[-0.0]), &f32s([1, 1, 1, 1], &[1.0])]);
        assert_eq!(y, f32s([1, 1, 1, 1], &[0.0]));
    }

    #[test]
    fn halves_are_rounded_once_at_the_end() {
        // In bf16, 256 + 1 is 256; in f32, 256 + 1 + 1 is 258.
        let (x, w) = (f32s([1, 1, 1, 3], &[256.0, 1.0, 1.0]), f32s([1, 1, 3, 1], &[1.0; 3]));
        for dtype in [DType::BF16, DType::F16, DType::F32, DType::F64] {
            let y = run(plain(), &[&cast(&x, dtype), &cast(&w, dtype)]);
            assert_eq!(y, Tensor::full(&Type::new(dtype, [1, 1, 1, 1]), 258.0));
        }
    }

    #[test]
    fn nothing_gives_nothing_and_no_channel_gives_zeros() {
        let y = run(plain(), &[&f32s([0, 5, 5, 2], &[]), &f32s([1, 1, 2, 3], &[1.0; 6])]);
        assert_eq!(y, f32s([0, 5, 5, 3], &[]));
        let y = run(plain(), &[&f32s([1, 2, 1, 0], &[]), &f32s([2, 1, 0, 2], &[])]);
        assert_eq!(y, f32s([1, 1, 1, 2], &[0.0; 2]));
    }

    #[test]
    fn mistakes() {
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5]", "f32[3,3,1,4]"]), @r"
        `conv2d` takes images [batch, height, width, channels], not a tensor of shape [2,5,5]
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5,1]", "f32[3,3]"]), @r"
        `conv2d` takes a filter [height, width, channels / groups, filters], not a tensor of shape [3,3]
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5,3]", "f32[3,3,1,4]"]), @r"
        `conv2d`: the images [2,5,5,3] have 3 channels, the filter [3,3,1,4] takes 1
          help: the filter's third extent is the number of channels divided by groups
        ");
        let grouped = conv([1, 1], [[0, 0]; 2], [1, 1], 2);
        insta::assert_snapshot!(mistake(grouped, &["f32[2,5,5,4]", "f32[3,3,4,4]"]), @r"
        `conv2d`: the images [2,5,5,4] have 2 channels in each of 2 groups, the filter [3,3,4,4] takes 4
          help: the filter's third extent is the number of channels divided by groups
        ");
        insta::assert_snapshot!(mistake(grouped, &["f32[2,5,5,3]", "f32[3,3,1,4]"]), @r"
        `conv2d`: the number of channels, 3, is not a multiple of groups, 2
        ");
        insta::assert_snapshot!(mistake(grouped, &["f32[2,5,5,2]", "f32[3,3,1,3]"]), @r"
        `conv2d`: the number of filters, 3, is not a multiple of groups, 2
        ");
        let none = conv([1, 1], [[0, 0]; 2], [1, 1], 0);
        insta::assert_snapshot!(mistake(none, &["f32[2,5,5,2]", "f32[3,3,1,3]"]), @r"
        `conv2d`: groups must be at least 1
        ");
        let still = conv([1, 0], [[0, 0]; 2], [1, 1], 1);
        insta::assert_snapshot!(mistake(still, &["f32[2,5,5,1]", "f32[3,3,1,3]"]), @r"
        `conv2d`: strides [1, 0], dilation [1, 1] and window [3, 3] must be at least 1
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5,1]", "f32[3,6,1,4]"]), @r"
        `conv2d`: a window of width 6 is larger than its input of width 5
          help: make the window smaller, the input larger, or use padding
        ");
        let wide = conv([1, 1], [[1, 1], [0, 0]], [4, 1], 1);
        insta::assert_snapshot!(mistake(wide, &["f32[2,5,5,1]", "f32[3,3,1,4]"]), @r"
        `conv2d`: a window of height 9 (dilated from 3) is larger than its input of height 5 + 2 of padding
          help: make the window smaller, the input larger, or use padding
        ");
        let endless = conv([1, 1], [[usize::MAX, 1], [0, 0]], [1, 1], 1);
        insta::assert_snapshot!(mistake(endless, &["f32[2,5,5,1]", "f32[3,3,1,4]"]), @r"
        `conv2d`: padding 18446744073709551615 + 1 or a window of 3 with dilation 1 is too large
        ");
        let large = conv([1, 1], [[1 << 60, 0], [0, 0]], [1, 1], 1);
        insta::assert_snapshot!(mistake(large, &["f32[2,5,5,1]", "f32[3,3,1,4]"]), @r"
        `conv2d`: a tensor of type f32[2,1152921504606846979,3,4] is larger than the limit of 64 TiB
        ");
        insta::assert_snapshot!(mistake(plain(), &["i32[2,5,5,1]", "i32[3,3,1,4]"]), @r"
        `conv2d` takes floats, not i32
          help: convert the operand with `cast`
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5,1]", "f64[3,3,1,4]"]), @r"
        `conv2d`: the operands have different element types, f32 and f64
          help: convert one of them with `cast`
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5,1]"]), @r"
        `conv2d` takes 2 operands, not 1
        ");
    }
}
