//! Convolution of images with one, two or three spatial axes.

use serde::{Deserialize, Serialize};

use super::conv_dims::{ConvDims, Convolution, convolution_attributes, filter, one};
use super::elementwise::float;
use super::float::{Float, compute};
use super::window::{Padding, Spatial, Window, images};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y[b, o.., f] = Σ x[b, o·s + u·d − p.., c] · filter[u.., c, f]` over the taps `u..` of the
/// filter and input channels `c` (a correlation, as everywhere in deep learning); the index of each
/// spatial axis has its own output `o`, tap `u`, stride `s`, dilation `d` and padding `p`.
///
/// Images are channels-last: `x: [batch, width, channels]`, `[batch, height, width, channels]` or
/// `[batch, depth, height, width, channels]`; filters likewise:
/// `[width, channels / groups, filters]` and so on. Attributes have one value for each spatial
/// axis. With groups, the filters `g·F/G ..` see the channels `g·C/G ..` alone.
///
/// Each element is a chain of fused multiply-adds in ascending (u.., c), starting from +0. Taps
/// that fall into the padding are skipped, not multiplied by zero: infinite weights give no NaN
/// there. `bf16` and `f16` accumulate in f32 and round at the end. Integers have no convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Attributes", into = "Attributes")]
pub struct Conv {
    /// The steps of the filter, and groups.
    pub conv: Convolution,
}

convolution_attributes!(Conv {});

impl Conv {
    /// A convolution that moves like this.
    pub fn new(window: Window, groups: usize) -> Self {
        Self { conv: Convolution { window, groups } }
    }

    /// The extents for operands of these shapes.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn dims(&self, x: &Shape, filter: &Shape) -> Result<ConvDims, Mistake> {
        let op = Self::NAME;
        let (kernel, taken, filters) = self::filter(op, filter)?;
        let dims = ConvDims::new(op, &self.conv, images(op, x)?, (kernel, filters))?;
        if dims.group_channels() == taken {
            return Ok(dims);
        }
        let in_groups = match self.conv.groups {
            1 => String::new(),
            groups => format!(" in each of {groups} groups"),
        };
        Err(Mistake::new(format!(
            "`{op}`: the images {x} have {} channels{in_groups}, the filter {filter} takes {taken}",
            dims.group_channels()
        ))
        .help("the filter's last extent but one is the number of channels divided by groups"))
    }
}

impl Operation for Conv {
    fn family(&self) -> Family<'_> {
        Family::Contraction { cotangent: None }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x, filter] = expect_operands(Self::NAME, operands)?;
        let dtype = float(Self::NAME, &[x.dtype, filter.dtype])?;
        let dims = self.dims(&x.shape, &filter.shape)?;
        Ok(Types::from_elem(Type::new(dtype, dims.output_shape()), 1))
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
        let axes = dims.input.len();
        let mut extents = vec![dims.batch];
        extents.extend(dims.output.iter().chain(&[dims.groups, dims.group_filters()]));
        w.each(&extents, |w, at| {
            let zero = w.zero(w.dtype(y));
            let sum = w.variable(zero);
            let ([image, output @ ..], filters) = at.split_at(axes + 1) else {
                unreachable!("images have a batch")
            };
            dims.window.each_tap(w, output, [&dims.kernel, &dims.input], |w, tap, pixel| {
                w.repeat(dims.group_channels(), |w, channel| {
                    let channels = [&filters[0], &channel];
                    let pixel = w.load(x, dims.image_index(w, image, pixel, channels));
                    let weight = w.load(filter, dims.weight_index(w, tap, &channel, filters));
                    w.update(sum, |w, sum| w.multiply_add(pixel, weight, sum));
                });
            });
            let sum = w.get(sum);
            w.store(y, w.at(&extents, at), sum);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, filter, dy) = (&node.operands[0], &node.operands[1], node.cotangent());
        let Convolution { window, groups } = self.conv;
        let dims = self.dims(x.shape(), filter.shape())?;
        Ok(vec![
            node.wants(0).then(|| dy.conv_grad_input(filter, dims.input, window, groups)),
            node.wants(1).then(|| x.conv_grad_filter(dy, dims.kernel, window, groups)),
        ])
    }
}

fn convolve<T: Float>(dims: &ConvDims, x: &[T], filter: &[T]) -> Vec<T> {
    let mut y = vec![T::ZERO; dims.output_shape().elements()];
    if dims.is_void() {
        return y;
    }
    let (channels, filters) = (dims.group_channels(), dims.group_filters());
    let taps = dims.taps_by_output();
    for (index, y) in y.chunks_exact_mut(dims.filters).enumerate() {
        let (image, output) = (index / taps.len(), index % taps.len());
        for &(tap, pixel) in &taps[output] {
            let pixel = dims.pixel(x, image, pixel);
            for (group, y) in y.chunks_exact_mut(filters).enumerate() {
                for (c, &x) in pixel[group * channels..][..channels].iter().enumerate() {
                    let weights = &filter[dims.weights(tap, c) + group * filters..];
                    for (y, &w) in y.iter_mut().zip(weights) {
                        *y = x.fma(w, *y);
                    }
                }
            }
        }
    }
    y
}

impl Var {
    /// The convolution of these images with a filter; see [`Conv`].
    ///
    /// ```
    /// use brolga_ir::ops::window::Window;
    /// use brolga_ir::{Tensor, Tracer, Type, interpret};
    ///
    /// let t = Tracer::new("edges");
    /// let x = t.input("x", Type::f32([1, 1, 4, 1]));
    /// let w = t.input("w", Type::f32([1, 2, 1, 1]));
    /// t.output(&x.conv(&w, Window::plain(2), 1));
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
    pub fn conv(&self, filter: &Var, window: Window, groups: usize) -> Var {
        self.binary(Conv::new(window, groups), filter)
    }
}

impl Draw for Conv {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.drawn_images();
        let conv = pen.convolution(x.shape());
        let filter = pen.value(x.dtype(), conv.filter());
        Some((Self::new(conv.window, conv.groups), vec![x, filter]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::conv_dims::tests::{all, at, cases};
    use super::*;
    use crate::ops::checks::{assert_adjoint, cast, f32s, fraction, mistake, run, whole};
    use crate::types::DType;

    fn conv(
        strides: [usize; 2],
        padding: [[usize; 2]; 2],
        dilation: [usize; 2],
        groups: usize,
    ) -> Conv {
        Conv::new(Window::new(strides, padding, dilation), groups)
    }

    fn plain() -> Conv {
        Conv::new(Window::plain(2), 1)
    }

    /// The definition, one element after the other.
    fn directly(dims: &ConvDims, x: &[f32], w: &[f32]) -> Vec<f32> {
        let mut y = Vec::new();
        for b in 0..dims.batch {
            for out in all(dims.output) {
                for f in 0..dims.filters {
                    let mut sum = 0.0f32;
                    for tap in all(dims.kernel) {
                        for pixel in all(dims.input).filter(|p| dims.reads(&out, &tap, p)) {
                            for c in 0..dims.group_channels() {
                                let channel = dims.group(f) * dims.group_channels() + c;
                                let x = at(&dims.input_shape(), x, &[&[b], &pixel, &[channel]]);
                                sum = x.mul_add(at(&dims.filter_shape(), w, &[&tap, &[c, f]]), sum);
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
            (dims, x, w) in cases().prop_flat_map(|d| (Just(d), fraction(d.input_shape()), fraction(d.filter_shape())))
        ) {
            let y = run(Conv::new(dims.window, dims.groups), &[&x, &w]);
            let (Some(x), Some(w)) = (x.as_f32(), w.as_f32()) else { unreachable!() };
            prop_assert_eq!(y, f32s(dims.output_shape(), &directly(&dims, x, w)));
        }

        #[test]
        fn gradients_are_adjoint(
            (dims, x, w, dy) in cases()
                .prop_flat_map(|d| (Just(d), whole(d.input_shape()), whole(d.filter_shape()), whole(d.output_shape())))
        ) {
            assert_adjoint(Conv::new(dims.window, dims.groups), &[&x, &w], &dy);
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
    fn wrong_shapes_and_types_are_mistakes() {
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5]", "f32[3,3,1,4]"]), @r"
        `conv` takes images [batch, 1 to 3 spatial axes, channels], not a tensor of shape [2,5]
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5,1]", "f32[3,3]"]), @r"
        `conv` takes a filter [1 to 3 spatial axes, channels / groups, filters], not a tensor of shape [3,3]
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5]", "f32[3,1,4]"]), @r"
        `conv`: images of 1 spatial axes need as many values in window [3], strides [1, 1], padding [[0, 0], [0, 0]] and dilation [1, 1]
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5,3]", "f32[3,3,1,4]"]), @r"
        `conv`: the images [2,5,5,3] have 3 channels, the filter [3,3,1,4] takes 1
          help: the filter's last extent but one is the number of channels divided by groups
        ");
        insta::assert_snapshot!(mistake(plain(), &["i32[2,5,5,1]", "i32[3,3,1,4]"]), @r"
        `conv` takes floats, not i32
          help: convert the operand with `cast`
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5,1]", "f64[3,3,1,4]"]), @r"
        `conv`: the operands have different element types, f32 and f64
          help: convert one of them with `cast`
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5,1]"]), @r"
        `conv` takes 2 operands, not 1
        ");
    }

    #[test]
    fn wrong_groups_and_windows_are_mistakes() {
        let grouped = conv([1, 1], [[0, 0]; 2], [1, 1], 2);
        insta::assert_snapshot!(mistake(grouped, &["f32[2,5,5,4]", "f32[3,3,4,4]"]), @r"
        `conv`: the images [2,5,5,4] have 2 channels in each of 2 groups, the filter [3,3,4,4] takes 4
          help: the filter's last extent but one is the number of channels divided by groups
        ");
        insta::assert_snapshot!(mistake(grouped, &["f32[2,5,5,3]", "f32[3,3,1,4]"]), @r"
        `conv`: the number of channels, 3, is not a multiple of groups, 2
        ");
        insta::assert_snapshot!(mistake(grouped, &["f32[2,5,5,2]", "f32[3,3,1,3]"]), @r"
        `conv`: the number of filters, 3, is not a multiple of groups, 2
        ");
        let none = conv([1, 1], [[0, 0]; 2], [1, 1], 0);
        insta::assert_snapshot!(mistake(none, &["f32[2,5,5,2]", "f32[3,3,1,3]"]), @r"
        `conv`: groups must be at least 1
        ");
        let still = conv([1, 0], [[0, 0]; 2], [1, 1], 1);
        insta::assert_snapshot!(mistake(still, &["f32[2,5,5,1]", "f32[3,3,1,3]"]), @r"
        `conv`: strides [1, 0], dilation [1, 1] and window [3, 3] must be at least 1
        ");
        insta::assert_snapshot!(mistake(plain(), &["f32[2,5,5,1]", "f32[3,6,1,4]"]), @r"
        `conv`: a window of width 6 is larger than its input of width 5
          help: make the window smaller, the input larger, or use padding
        ");
        let wide = conv([1, 1], [[1, 1], [0, 0]], [4, 1], 1);
        insta::assert_snapshot!(mistake(wide, &["f32[2,5,5,1]", "f32[3,3,1,4]"]), @r"
        `conv`: a window of height 9 (dilated from 3) is larger than its input of height 5 + 2 of padding
          help: make the window smaller, the input larger, or use padding
        ");
        let endless = conv([1, 1], [[usize::MAX, 1], [0, 0]], [1, 1], 1);
        insta::assert_snapshot!(mistake(endless, &["f32[2,5,5,1]", "f32[3,3,1,4]"]), @r"
        `conv`: padding 18446744073709551615 + 1 or a window of 3 with dilation 1 is too large
        ");
        let large = conv([1, 1], [[1 << 60, 0], [0, 0]], [1, 1], 1);
        insta::assert_snapshot!(mistake(large, &["f32[2,5,5,1]", "f32[3,3,1,4]"]), @r"
        `conv`: a tensor of type f32[2,1152921504606846979,3,4] is larger than the limit of 64 TiB
        ");
    }
}
