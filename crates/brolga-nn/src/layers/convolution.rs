//! What the convolutions of sequences, images and volumes share.

use brolga_ir::ops::window::Window;
use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::images::{images, images_of};
use super::weights::{Bias, Kernel, bias_setters, kernel_setters};
use super::{Base, Layer, WeightSpec, yes};
use crate::activations::Activation;
use crate::config::{Extents, Padding};
use crate::registry::Object;
use crate::setters::setters;
use crate::trace::Call;

/// [`Conv1D`](super::Conv1D), [`Conv2D`](super::Conv2D) and [`Conv3D`](super::Conv3D): a
/// convolution over `AXES` spatial axes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Convolution<const AXES: usize> {
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
    #[serde(default = "one_group")]
    pub(super) groups: usize,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(flatten)]
    kernel: Kernel,
    #[serde(flatten)]
    bias: Bias,
}

/// [`layer!`](super::layer) for a convolution.
macro_rules! convolution_layer {
    ($class:ident) => {
        $crate::layers::layer!($class {
            filters: Count,
            kernel_size: Count,
            strides: Count,
            dilation_rate: Count,
            groups: Count,
        });
    };
}
pub(super) use convolution_layer;

/// The default of strides and dilations.
pub(super) fn one<const AXES: usize>() -> Extents<AXES> {
    1.into()
}

fn one_group() -> usize {
    1
}

impl<const AXES: usize> Convolution<AXES> {
    /// A convolution with this many filters, whose window has this size.
    pub fn new(filters: usize, kernel_size: impl Into<Extents<AXES>>) -> Self {
        Self {
            base: Base::default(),
            filters,
            kernel_size: kernel_size.into(),
            strides: one(),
            padding: Padding::Valid,
            dilation_rate: one(),
            groups: 1,
            activation: Activation::default(),
            use_bias: true,
            kernel: Kernel::default(),
            bias: Bias::default(),
        }
    }

    setters! {
        /// Steps between neighbouring places of the window; 1 by default.
        strides: into Extents<AXES>,
        /// `"valid"`, the default, or `"same"`; of sequences also `"causal"`.
        padding: into Padding,
        /// Distance between neighbouring taps of the window; 1 by default.
        dilation_rate: into Extents<AXES>,
        /// Into how many independent parts channels and filters are divided; 1 by default.
        groups: usize,
        /// What is applied to the sum; nothing by default.
        activation: into Activation,
        /// Whether there is a bias; true by default.
        use_bias: bool,
    }

    kernel_setters!();
    bias_setters!();

    /// How the filter moves over an input.
    fn window(&self, class: &str, x: &Var) -> Result<Window, Mistake> {
        let (extents, _) = images_of::<AXES>(class, x)?;
        let (strides, dilation) = (self.strides, self.dilation_rate);
        let padding = if AXES == 1 {
            self.padding.causal_amounts(
                extents,
                self.kernel_size.into(),
                strides.into(),
                dilation.into(),
            )
        } else {
            self.padding.amounts(extents, self.kernel_size, strides, dilation)
        };
        Ok(Window::new(strides, padding?, dilation))
    }
}

impl<const AXES: usize> Layer for Convolution<AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let (_, channels) = images::<AXES>(self.class_name(), inputs)?;
        let divides = |n: usize| self.groups > 0 && n.is_multiple_of(self.groups);
        if !divides(channels) || !divides(self.filters) {
            let message = format!(
                "{} groups cannot share {channels} channels and {} filters evenly",
                self.groups, self.filters
            );
            return Err(
                Mistake::new(message).help("both must be multiples of the number of groups")
            );
        }
        let mut shape = self.kernel_size.0.to_vec();
        shape.extend([channels / self.groups, self.filters]);
        let bias = self.use_bias.then(|| self.bias.declare("bias", [self.filters]));
        Ok([self.kernel.declare("kernel", shape)].into_iter().chain(bias).collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.window(self.class_name(), &x) {
            Ok(window) => {
                let y = x.conv(&call.weight("kernel"), window, self.groups);
                finish(call, y, self.use_bias, &self.activation)
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}

/// What follows the sum of a layer: its bias, if it has one, and its activation.
pub(super) fn finish(
    call: &mut Call<'_>,
    sum: Var,
    use_bias: bool,
    activation: &Activation,
) -> Var {
    let sum = if use_bias { sum + call.weight("bias") } else { sum };
    call.activate(activation, &sum)
}
