//! What the separable convolutions of sequences and images share.

use brolga_ir::ops::window::Window;
use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::convolution::{finish, one};
use super::depthwise::{depthwise, kernel_shape, one_filter};
use super::images::images;
use super::weights::{
    Bias, Depthwise, Pointwise, bias_setters, depthwise_setters, pointwise_setters,
};
use super::{Base, Layer, WeightSpec, yes};
use crate::activations::Activation;
use crate::config::{Extents, Padding};
use crate::registry::Object;
use crate::setters::setters;
use crate::trace::Call;

/// [`SeparableConv1D`](super::SeparableConv1D) and [`SeparableConv2D`](super::SeparableConv2D): a
/// convolution of each channel by itself, and one of all channels with a window of extent 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeparableConvolution<const AXES: usize> {
    #[serde(flatten)]
    pub(super) base: Base,
    pub(super) filters: usize,
    pub(super) kernel_size: Extents<AXES>,
    #[serde(default = "one")]
    pub(super) strides: Extents<AXES>,
    #[serde(default)]
    padding: Padding,
    #[serde(default = "one")]
    pub(super) dilation_rate: Extents<AXES>,
    #[serde(default = "one_filter")]
    pub(super) depth_multiplier: usize,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(flatten)]
    depthwise: Depthwise,
    #[serde(flatten)]
    pointwise: Pointwise,
    #[serde(flatten)]
    bias: Bias,
}

/// [`layer!`](super::layer) for a separable convolution.
macro_rules! separable_layer {
    ($class:ident) => {
        $crate::layers::layer!($class {
            filters: Count,
            kernel_size: Count,
            strides: Count,
            dilation_rate: Count,
            depth_multiplier: Count,
        });
    };
}
pub(super) use separable_layer;

impl<const AXES: usize> SeparableConvolution<AXES> {
    /// A convolution with this many filters, whose window has this size.
    pub fn new(filters: usize, kernel_size: impl Into<Extents<AXES>>) -> Self {
        Self {
            base: Base::default(),
            filters,
            kernel_size: kernel_size.into(),
            strides: one(),
            padding: Padding::Valid,
            dilation_rate: one(),
            depth_multiplier: 1,
            activation: Activation::default(),
            use_bias: true,
            depthwise: Depthwise::default(),
            pointwise: Pointwise::default(),
            bias: Bias::default(),
        }
    }

    setters! {
        /// Steps between neighbouring places of the window; 1 by default.
        strides: into Extents<AXES>,
        /// `"valid"`, the default, or `"same"`.
        padding: into Padding,
        /// Distance between neighbouring taps of the window; 1 by default.
        dilation_rate: into Extents<AXES>,
        /// The number of outputs of each channel's own convolution; 1 by default.
        depth_multiplier: usize,
        /// What is applied to the sum; nothing by default.
        activation: into Activation,
        /// Whether there is a bias; true by default.
        use_bias: bool,
    }

    depthwise_setters!();
    pointwise_setters!();
    bias_setters!();
}

impl<const AXES: usize> Layer for SeparableConvolution<AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let (_, channels) = images::<AXES>(self.class_name(), inputs)?;
        let multiplied = channels.saturating_mul(self.depth_multiplier);
        let own = kernel_shape(self.kernel_size, [channels, self.depth_multiplier]);
        let across = kernel_shape(Extents::<AXES>::from(1), [multiplied, self.filters]);
        let mut weights = vec![
            self.depthwise.declare("depthwise_kernel", own),
            self.pointwise.declare("pointwise_kernel", across),
        ];
        weights.extend(self.use_bias.then(|| self.bias.declare("bias", [self.filters])));
        Ok(weights)
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let moves = (self.strides, &self.padding, self.dilation_rate);
            match depthwise(self.class_name(), &x, &call.weight("depthwise_kernel"), moves) {
                Ok(own) => {
                    let y = own.conv(&call.weight("pointwise_kernel"), Window::plain(AXES), 1);
                    finish(call, y, self.use_bias, &self.activation)
                }
                Err(mistake) => call.tracer().fail(mistake),
            }
        })
    }
}
