//! What the depthwise convolutions of sequences and images share.

use brolga_ir::ops::window::Window;
use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::convolution::{finish, one};
use super::images::{images, images_of};
use super::setters::setters;
use super::{Base, Layer, WeightSpec, glorot_uniform, yes, zeros};
use crate::activations::Activation;
use crate::config::{Extents, Padding};
use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::registry::{Choice, Object};
use crate::regularizers::Regularizer;
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
    #[serde(default = "glorot_uniform")]
    depthwise_initializer: Choice<dyn Initializer>,
    #[serde(default = "zeros")]
    bias_initializer: Choice<dyn Initializer>,
    #[serde(default)]
    depthwise_regularizer: Option<Choice<dyn Regularizer>>,
    #[serde(default)]
    depthwise_constraint: Option<Choice<dyn Constraint>>,
    #[serde(default)]
    bias_regularizer: Option<Choice<dyn Regularizer>>,
    #[serde(default)]
    bias_constraint: Option<Choice<dyn Constraint>>,
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
            depthwise_initializer: glorot_uniform(),
            bias_initializer: zeros(),
            depthwise_regularizer: None,
            depthwise_constraint: None,
            bias_regularizer: None,
            bias_constraint: None,
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
        /// The kernel's first values; `glorot_uniform` by default.
        depthwise_initializer: into Choice<dyn Initializer>,
        /// The bias's first values; `zeros` by default.
        bias_initializer: into Choice<dyn Initializer>,
        /// The regularizer of the depthwise kernel, whose term is added to the loss; none by default.
        depthwise_regularizer: some Choice<dyn Regularizer>,
        /// The constraint of the depthwise kernel, applied after each update; none by default.
        depthwise_constraint: some Choice<dyn Constraint>,
        /// The regularizer of the bias, whose term is added to the loss; none by default.
        bias_regularizer: some Choice<dyn Regularizer>,
        /// The constraint of the bias, applied after each update; none by default.
        bias_constraint: some Choice<dyn Constraint>,
    }
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
        let mut weights = vec![
            WeightSpec::trainable("kernel", shape, &self.depthwise_initializer)
                .regularizer(&self.depthwise_regularizer)
                .constraint(&self.depthwise_constraint),
        ];
        if self.use_bias {
            let filters = channels.saturating_mul(self.depth_multiplier);
            weights.push(
                WeightSpec::trainable("bias", [filters], &self.bias_initializer)
                    .regularizer(&self.bias_regularizer)
                    .constraint(&self.bias_constraint),
            );
        }
        Ok(weights)
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
