//! Two-dimensional convolution.

use serde::{Deserialize, Serialize};

use super::conv::{ConvDims, Given};
use super::elementwise::float;
use super::float::{Float, compute};
use super::window::{IMAGES, Padding, Window, ones, rank_4};
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
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
        let op = "conv2d";
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
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x, filter] = expect_operands("conv2d", operands)?;
        let dtype = float("conv2d", &[x.dtype, filter.dtype])?;
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

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (x, filter, dy) = (&node.operands[0], &node.operands[1], node.cotangent());
        let (window, groups) = (self.window(), self.groups);
        let input = [x.shape()[1], x.shape()[2]];
        let kernel = [filter.shape()[0], filter.shape()[1]];
        Ok(vec![
            Some(dy.conv2d_grad_input(filter, input, window, groups)),
            Some(x.conv2d_grad_filter(dy, kernel, window, groups)),
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
