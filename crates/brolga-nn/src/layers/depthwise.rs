//! What the depthwise convolutions of sequences and images share.

use brolga_ir::ops::window::Window;
use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::convolution::{finish, one};
use super::images::{images, images_of};
use super::weights::{Bias, Depthwise, bias_setters, depthwise_setters};
use super::{Base, Layer, WeightSpec, yes};
use crate::activations::Activation;
use crate::config::{Extents, Padding};
use crate::registry::Object;
use crate::setters::setters;
use crate::trace::Call;

/// [`DepthwiseConv1D`](super::DepthwiseConv1D) and [`DepthwiseConv2D`](super::DepthwiseConv2D): a
/// convolution of each channel by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DepthwiseConvolution<const AXES: usize> {
    #[serde(flatten)]
    pub(super) base: Base,
    pub(super) kernel_size: Extents<AXES>,
    #[serde(default = "one")]
    pub(super) strides: Extents<AXES>,
    #[serde(default)]
    padding: Padding,
    #[serde(default = "one_filter")]
    pub(super) depth_multiplier: usize,
    #[serde(default = "one")]
    pub(super) dilation_rate: Extents<AXES>,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(flatten)]
    depthwise: Depthwise,
    #[serde(flatten)]
    bias: Bias,
}

/// [`layer!`](super::layer) for a depthwise convolution.
macro_rules! depthwise_layer {
    ($class:ident) => {
        $crate::layers::layer!($class {
            kernel_size: Count,
            strides: Count,
            depth_multiplier: Count,
            dilation_rate: Count,
        });
    };
}
pub(super) use depthwise_layer;

/// The default number of filters of a channel.
pub(super) fn one_filter() -> usize {
    1
}

impl<const AXES: usize> DepthwiseConvolution<AXES> {
    /// A convolution with a filter for each channel, whose window has this size.
    pub fn new(kernel_size: impl Into<Extents<AXES>>) -> Self {
        Self {
            base: Base::default(),
            kernel_size: kernel_size.into(),
            strides: one(),
            padding: Padding::Valid,
            depth_multiplier: 1,
            dilation_rate: one(),
            activation: Activation::default(),
            use_bias: true,
            depthwise: Depthwise::default(),
            bias: Bias::default(),
        }
    }

    setters! {
        /// Steps between neighbouring places of the window; 1 by default.
        strides: into Extents<AXES>,
        /// `"valid"`, the default, or `"same"`.
        padding: into Padding,
        /// The number of filters of each channel; 1 by default.
        depth_multiplier: usize,
        /// Distance between neighbouring taps of the window; 1 by default.
        dilation_rate: into Extents<AXES>,
        /// What is applied to the sum; nothing by default.
        activation: into Activation,
        /// Whether there is a bias; true by default.
        use_bias: bool,
    }

    depthwise_setters!();
    bias_setters!();
}

impl<const AXES: usize> Layer for DepthwiseConvolution<AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let (_, channels) = images::<AXES>(self.class_name(), inputs)?;
        let shape = kernel_shape(self.kernel_size, [channels, self.depth_multiplier]);
        let filters = channels.saturating_mul(self.depth_multiplier);
        let bias = self.use_bias.then(|| self.bias.declare("bias", [filters]));
        Ok([self.depthwise.declare("kernel", shape)].into_iter().chain(bias).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let moves = (self.strides, &self.padding, self.dilation_rate);
            match depthwise(self.class_name(), &x, &call.weight("kernel"), moves) {
                Ok(y) => finish(call, y, self.use_bias, &self.activation),
                Err(mistake) => call.tracer().fail(mistake),
            }
        })
    }
}

/// The shape of a kernel of this size and these last axes.
pub(super) fn kernel_shape<const AXES: usize>(size: Extents<AXES>, last: [usize; 2]) -> Vec<usize> {
    size.0.into_iter().chain(last).collect()
}

/// The convolution of each channel by itself: `kernel: [spatial.., channels, multiplier]`.
pub(super) fn depthwise<const AXES: usize>(
    class: &str,
    x: &Var,
    kernel: &Var,
    (strides, padding, dilation): (Extents<AXES>, &Padding, Extents<AXES>),
) -> Result<Var, Mistake> {
    let (extents, channels) = images_of::<AXES>(class, x)?;
    // After a mistake the kernel is void, and so is what is computed of it.
    let Some((size, &[_, multiplier])) = kernel.shape().split_last_chunk::<2>() else {
        return Ok(kernel.clone());
    };
    let Ok(window) = <[usize; AXES]>::try_from(size) else { return Ok(kernel.clone()) };
    let padding = padding.amounts(extents, window, strides, dilation)?;
    let filter = kernel.reshape(kernel_shape(Extents(window), [1, channels * multiplier]));
    Ok(x.conv(&filter, Window::new(strides, padding, dilation), channels))
}
