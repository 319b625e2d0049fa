//! The fully connected layer.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::weights::{Bias, Kernel, bias_setters, kernel_setters};
use super::{Base, Layer, WeightSpec, layer, shapes, yes};
use crate::activations::Activation;
use crate::setters::setters;
use crate::trace::Call;

/// `y = f(x·kernel + bias)`.
///
/// `x: [batch, .., inputs]`, `kernel: [inputs, units]`, `bias: [units]`, `y: [batch, .., units]`.
///
/// A mistake if there are several inputs, or one without an axis beside the batch.
///
/// Keras: <https://keras.io/api/layers/core_layers/dense/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dense {
    #[serde(flatten)]
    base: Base,
    units: usize,
    #[serde(default)]
    activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(flatten)]
    kernel: Kernel,
    #[serde(flatten)]
    bias: Bias,
}

layer!(Dense { units: Count });

impl Dense {
    /// A layer with this many outputs.
    pub fn new(units: usize) -> Self {
        Self {
            base: Base::default(),
            units,
            activation: Activation::default(),
            use_bias: true,
            kernel: Kernel::default(),
            bias: Bias::default(),
        }
    }

    setters! {
        /// What is applied to the sum; nothing by default.
        activation: into Activation,
        /// Whether there is a bias; true by default.
        use_bias: bool,
    }

    kernel_setters!();
    bias_setters!();
}

impl Layer for Dense {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let width = match inputs {
            [x] if x.shape.rank() >= 2 => x.shape[x.shape.rank() - 1],
            _ => {
                let message = format!("Dense takes (None, .., inputs), given {}", shapes(inputs));
                return Err(Mistake::new(message));
            }
        };
        let bias = self.use_bias.then(|| self.bias.declare("bias", [self.units]));
        let kernel = self.kernel.declare("kernel", [width, self.units]);
        Ok([kernel].into_iter().chain(bias).collect())
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
