//! What the transposed convolutions of sequences, images and volumes share.

use brolga_ir::ops::window::{Spatial, Window};
use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::convolution::{finish, one};
use super::depthwise::kernel_shape;
use super::images::{images, images_of};
use super::weights::{Bias, Kernel, bias_setters, kernel_setters};
use super::{Base, Layer, WeightSpec, yes};
use crate::activations::Activation;
use crate::config::{Extents, Padding, span};
use crate::registry::Object;
use crate::setters::setters;
use crate::trace::Call;

/// [`Conv1DTranspose`](super::Conv1DTranspose), [`Conv2DTranspose`](super::Conv2DTranspose) and
/// [`Conv3DTranspose`](super::Conv3DTranspose): the gradient of a convolution with respect to its
/// images, as a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TransposedConvolution<const AXES: usize> {
    #[serde(flatten)]
    pub(super) base: Base,
    pub(super) filters: usize,
    pub(super) kernel_size: Extents<AXES>,
    #[serde(default = "one")]
    pub(super) strides: Extents<AXES>,
    #[serde(default)]
    padding: Padding,
    #[serde(default)]
    output_padding: Option<Extents<AXES>>,
    #[serde(default = "one")]
    pub(super) dilation_rate: Extents<AXES>,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(flatten)]
    kernel: Kernel,
    #[serde(flatten)]
    bias: Bias,
}

/// [`layer!`](super::layer) for a transposed convolution.
macro_rules! transposed_layer {
    ($class:ident) => {
        $crate::layers::layer!($class {
            filters: Count,
            kernel_size: Count,
            strides: Count,
            dilation_rate: Count,
        });
    };
}
pub(super) use transposed_layer;

impl<const AXES: usize> TransposedConvolution<AXES> {
    /// A transposed convolution with this many filters, whose window has this size.
    pub fn new(filters: usize, kernel_size: impl Into<Extents<AXES>>) -> Self {
        Self {
            base: Base::default(),
            filters,
            kernel_size: kernel_size.into(),
            strides: one(),
            padding: Padding::Valid,
            output_padding: None,
            dilation_rate: one(),
            activation: Activation::default(),
            use_bias: true,
            kernel: Kernel::default(),
            bias: Bias::default(),
        }
    }

    setters! {
        /// How far the windows of neighbouring inputs lie apart; 1 by default.
        strides: into Extents<AXES>,
        /// `"valid"`, the default, or `"same"`.
        padding: into Padding,
        /// Distance between neighbouring taps of the window; 1 by default.
        dilation_rate: into Extents<AXES>,
        /// What is applied to the sum; nothing by default.
        activation: into Activation,
        /// Whether there is a bias; true by default.
        use_bias: bool,
    }

    kernel_setters!();
    bias_setters!();

    setters! {
        /// What is added behind the smallest output, less than `strides`; by default what the class
        /// says of the output's extents.
        output_padding: some Extents<AXES>,
    }

    /// The output's spatial extents, and how the filter moves over them in the convolution of which
    /// this is the gradient.
    fn geometry(&self, input: &Spatial<usize>) -> Result<(Spatial<usize>, Window), Mistake> {
        // The amounts are those of a convolution; that there is such a padding is what counts here.
        self.padding.amounts(*input, self.kernel_size, self.strides, self.dilation_rate)?;
        let (mut output, mut padding) = (*input, Spatial::splat(AXES, [0, 0]));
        for axis in 0..AXES {
            let own = Axis {
                stride: self.strides.0[axis],
                span: span(self.kernel_size.0[axis], self.dilation_rate.0[axis]),
                output_padding: self.output_padding.map(|extents| extents.0[axis]),
            };
            let fitted = own.fit(input[axis], self.padding == Padding::Same);
            (output[axis], padding[axis]) = fitted.ok_or_else(|| {
                Mistake::new(format!(
                    "the output of an input of {input} under a window of {} with padding `{}` is empty or too large",
                    Spatial::from(self.kernel_size),
                    String::from(self.padding.clone())
                ))
                .help("choose another kernel_size, strides or padding, or another input")
            })?;
        }
        Ok((output, Window::new(self.strides, padding, self.dilation_rate)))
    }
}

/// One axis of a transposed convolution.
struct Axis {
    stride: usize,
    span: usize,
    output_padding: Option<usize>,
}

impl Axis {
    /// The output's extent, and the padding of the convolution that takes it to the input's; `None`
    /// if the output would be empty.
    ///
    /// Without padding an input covers `(input − 1)·stride + span` outputs. `"same"` padding takes
    /// as much off both sides as leaves `input·stride`, or
    /// `(input − 1)·stride + span mod 2 + output_padding` where that is given; what would be added
    /// instead is behind the last window and gets nothing.
    fn fit(&self, input: usize, same: bool) -> Option<(usize, [usize; 2])> {
        let Self { stride, span, output_padding } = *self;
        let moved = input.checked_sub(1)?.checked_mul(stride)?;
        let output = match (same, output_padding) {
            (false, None) => moved.checked_add(span.max(stride))?,
            (false, Some(more)) => moved.checked_add(span)?.checked_add(more)?,
            (true, None) => moved.checked_add(stride)?,
            (true, Some(more)) => moved.checked_add(span % 2)?.checked_add(more)?,
        };
        // How far the output reaches beyond the input's last place: at most `span − 1` of it is
        // before the first.
        let reach = output.checked_add(span)?.checked_sub(moved)?.checked_sub(2)?;
        let front = if same { reach.div_ceil(2).min(span - 1) } else { span - 1 };
        let before = span - 1 - front;
        let after = (span - 1).saturating_sub(reach - front);
        (output > 0).then_some((output, [before, after]))
    }
}

impl<const AXES: usize> Layer for TransposedConvolution<AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let (_, channels) = images::<AXES>(self.class_name(), inputs)?;
        if let Some(more) = self.output_padding
            && more.0.iter().zip(self.strides.0).any(|(&more, stride)| more >= stride)
        {
            let message = format!(
                "output_padding {:?} is not smaller than strides {:?}",
                more.0, self.strides.0
            );
            return Err(Mistake::new(message)
                .help("more of it would be outputs that no window reaches: leave it out, or make the strides larger"));
        }
        let shape = kernel_shape(self.kernel_size, [self.filters, channels]);
        let bias = self.use_bias.then(|| self.bias.declare("bias", [self.filters]));
        Ok([self.kernel.declare("kernel", shape)].into_iter().chain(bias).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let geometry = images_of::<AXES>(self.class_name(), &x)
                .and_then(|(input, _)| self.geometry(&input));
            match geometry {
                Ok((output, window)) => {
                    let y = x.conv_grad_input(&call.weight("kernel"), output, window, 1);
                    finish(call, y, self.use_bias, &self.activation)
                }
                Err(mistake) => call.tracer().fail(mistake),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The extents of the class's table; a convolution takes each output back to the input.
    #[test]
    fn outputs_are_those_whose_convolution_gives_the_input() {
        let mut checked = 0;
        for (input, span, stride) in triples(1..6, 1..6, 1..5) {
            let paddings = std::iter::once(None).chain((0..stride).map(Some));
            for (output_padding, same) in paddings.flat_map(|p| [(p, false), (p, true)]) {
                let moved = (input - 1) * stride;
                let expected = match (same, output_padding) {
                    (false, None) => moved + span.max(stride),
                    (false, Some(more)) => moved + span + more,
                    (true, None) => input * stride,
                    (true, Some(more)) => moved + span % 2 + more,
                };
                let fitted = Axis { stride, span, output_padding }.fit(input, same);
                let Some((output, padding)) = fitted else {
                    assert_eq!(expected, 0);
                    continue;
                };
                assert_eq!(output, expected);
                let window = Window::new([stride], [padding], [1]);
                let back = window.output("conv", [output], [span]).expect("the window fits");
                assert_eq!(back, [input], "{span} {stride} {output_padding:?} {same}");
                checked += 1;
            }
        }
        assert!(checked > 500);
    }

    fn triples(
        a: std::ops::Range<usize>,
        b: std::ops::Range<usize>,
        c: std::ops::Range<usize>,
    ) -> impl Iterator<Item = (usize, usize, usize)> {
        a.flat_map(move |a| {
            let c = c.clone();
            b.clone().flat_map(move |b| c.clone().map(move |c| (a, b, c)))
        })
    }
}
