//! The fully connected layer.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, WeightSpec, glorot_uniform, layer, shapes, weight_arguments, yes, zeros};
use crate::activations::Activation;
use crate::constraints::Constraint;
use crate::initializers::Initializer;
use crate::registry::{Choice, IntoArgument};
use crate::regularizers::Regularizer;
use crate::trace::Call;

/// `y = f(x·kernel + bias)`.
///
/// `x: [batch, .., inputs]`, `kernel: [inputs, units]`, `bias: [units]`, `y: [batch, .., units]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dense {
    #[serde(flatten)]
    base: Base,
    units: usize,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default = "glorot_uniform")]
    kernel_initializer: Choice<dyn Initializer>,
    #[serde(default = "zeros")]
    bias_initializer: Choice<dyn Initializer>,
    #[serde(default)]
    kernel_regularizer: Option<Choice<dyn Regularizer>>,
    #[serde(default)]
    bias_regularizer: Option<Choice<dyn Regularizer>>,
    #[serde(default)]
    kernel_constraint: Option<Choice<dyn Constraint>>,
    #[serde(default)]
    bias_constraint: Option<Choice<dyn Constraint>>,
}

layer!(Dense { units: Count });

weight_arguments!(Dense {
    "kernel": kernel_regularizer, kernel_constraint;
    "bias": bias_regularizer, bias_constraint;
});

impl Dense {
    /// A layer with this many outputs.
    pub fn new(units: usize) -> Self {
        Self {
            base: Base::default(),
            units,
            activation: Activation::default(),
            use_bias: true,
            kernel_initializer: glorot_uniform(),
            bias_initializer: zeros(),
            kernel_regularizer: None,
            bias_regularizer: None,
            kernel_constraint: None,
            bias_constraint: None,
        }
    }

    /// The function applied to the sum; none by default.
    #[must_use]
    pub fn activation<Form>(mut self, activation: impl IntoArgument<Activation, Form>) -> Self {
        self.activation = activation.into_argument();
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
    pub fn kernel_initializer<Form>(
        mut self,
        initializer: impl IntoArgument<Choice<dyn Initializer>, Form>,
    ) -> Self {
        self.kernel_initializer = initializer.into_argument();
        self
    }

    /// The bias's first values; `zeros` by default.
    #[must_use]
    pub fn bias_initializer<Form>(
        mut self,
        initializer: impl IntoArgument<Choice<dyn Initializer>, Form>,
    ) -> Self {
        self.bias_initializer = initializer.into_argument();
        self
    }
}

impl Layer for Dense {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let width = match inputs {
            [x] if x.shape.rank() >= 2 => x.shape[x.shape.rank() - 1],
            _ => {
                let message = format!("Dense takes (None, .., inputs), given {}", shapes(inputs));
                return Err(Mistake::new(message));
            }
        };
        let kernel = WeightSpec::trainable("kernel", [width, self.units], &self.kernel_initializer)
            .regularizer(&self.kernel_regularizer)
            .constraint(&self.kernel_constraint);
        let mut weights = vec![kernel];
        if self.use_bias {
            let bias = WeightSpec::trainable("bias", [self.units], &self.bias_initializer);
            weights
                .push(bias.regularizer(&self.bias_regularizer).constraint(&self.bias_constraint));
        }
        Ok(weights)
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let kernel = call.weight("kernel");
            let product = if x.shape().rank() == 2 {
                x.matmul(&kernel)
            } else {
                let mut shape = x.shape().to_vec();
                let width = shape.pop().unwrap_or(1);
                let rows = shape.iter().product();
                shape.push(self.units);
                x.reshape([rows, width]).matmul(&kernel).reshape(shape)
            };
            let sum = if self.use_bias { product + call.weight("bias") } else { product };
            call.activate(&self.activation, &sum)
        })
    }
}
