//! Two-dimensional convolution.

use brolga_ir::ops::window::Window;
use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, WeightSpec, glorot_uniform, layer, shapes, yes, zeros};
use crate::activations::Activation;
use crate::config::{Padding, Pair};
use crate::initializers::Initializer;
use crate::registry::Choice;
use crate::trace::Call;

/// `y = f(x ∗ kernel + bias)`; see [`Conv`](brolga_ir::ops::Conv) for the convolution.
///
/// `x: [batch, height, width, channels]`, `kernel: [height, width, channels / groups, filters]`,
/// `bias: [filters]`, `y: [batch, height', width', filters]`, where `padding` tells how many
/// positions the window takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Conv2D {
    #[serde(flatten)]
    base: Base,
    filters: usize,
    kernel_size: Pair,
    #[serde(default = "one")]
    strides: Pair,
    #[serde(default)]
    padding: Padding,
    #[serde(default = "one")]
    dilation_rate: Pair,
    #[serde(default = "one_group")]
    groups: usize,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default = "glorot_uniform")]
    kernel_initializer: Choice<dyn Initializer>,
    #[serde(default = "zeros")]
    bias_initializer: Choice<dyn Initializer>,
}

fn one() -> Pair {
    1.into()
}

fn one_group() -> usize {
    1
}

layer!(Conv2D {
    filters: Count,
    kernel_size: Count,
    strides: Count,
    dilation_rate: Count,
    groups: Count,
});

impl Conv2D {
    /// A convolution with this many filters, whose window has this height and width.
    pub fn new(filters: usize, kernel_size: impl Into<Pair>) -> Self {
        Self {
            base: Base::default(),
            filters,
            kernel_size: kernel_size.into(),
            strides: one(),
            padding: Padding::Valid,
            dilation_rate: one(),
            groups: 1,
            activation: Activation::Linear,
            use_bias: true,
            kernel_initializer: glorot_uniform(),
            bias_initializer: zeros(),
        }
    }

    /// Steps between neighbouring positions of the window; 1 by default.
    #[must_use]
    pub fn strides(mut self, strides: impl Into<Pair>) -> Self {
        self.strides = strides.into();
        self
    }

    /// `"valid"`, the default, or `"same"`.
    #[must_use]
    pub fn padding(mut self, padding: impl Into<Padding>) -> Self {
        self.padding = padding.into();
        self
    }

    /// Distance between neighbouring taps of the window; 1 by default.
    #[must_use]
    pub fn dilation_rate(mut self, dilation_rate: impl Into<Pair>) -> Self {
        self.dilation_rate = dilation_rate.into();
        self
    }

    /// Into how many independent parts channels and filters are divided; 1 by default.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// The function applied to the sum; none by default.
    #[must_use]
    pub fn activation(mut self, activation: impl Into<Activation>) -> Self {
        self.activation = activation.into();
        self
    }

    /// Whether there is a bias; true by default.
    #[must_use]
    pub fn use_bias(mut self, use_bias: bool) -> Self {
        self.use_bias = use_bias;
        self
    }

    /// The kernel's first values; `glorot_uniform` by default.
    #[must_use]
    pub fn kernel_initializer(mut self, initializer: impl Into<Choice<dyn Initializer>>) -> Self {
        self.kernel_initializer = initializer.into();
        self
    }

    /// The bias's first values; `zeros` by default.
    #[must_use]
    pub fn bias_initializer(mut self, initializer: impl Into<Choice<dyn Initializer>>) -> Self {
        self.bias_initializer = initializer.into();
        self
    }
}

impl Layer for Conv2D {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let channels = match inputs {
            [x] if x.shape.rank() == 4 => x.shape[3],
            _ => {
                let message = format!(
                    "Conv2D takes images (None, height, width, channels), given {}",
                    shapes(inputs)
                );
                return Err(Mistake::new(message).help(
                    "images without a channel axis need one of extent 1: Input::new([28, 28, 1])",
                ));
            }
        };
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
        let Pair([height, width]) = self.kernel_size;
        let shape = [height, width, channels / self.groups, self.filters];
        let mut weights = vec![WeightSpec::trainable("kernel", shape, &self.kernel_initializer)];
        if self.use_bias {
            weights.push(WeightSpec::trainable("bias", [self.filters], &self.bias_initializer));
        }
        Ok(weights)
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let kernel = call.weight("kernel");
            let &[_, height, width, _] = &x.shape()[..] else { return x };
            let (strides, dilation) = (self.strides.0, self.dilation_rate.0);
            match self.padding.amounts([height, width], self.kernel_size.0, strides, dilation) {
                Ok(padding) => {
                    let y = x.conv(&kernel, Window::new(strides, padding, dilation), self.groups);
                    let sum = if self.use_bias { y + call.weight("bias") } else { y };
                    call.activate(&self.activation, &sum)
                }
                Err(mistake) => call.tracer().fail(mistake),
            }
        })
    }
}
