//! The fully connected cell.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Beginning, Cell, CellStep, Projection, Unit, named_cell, tanh, unit_setters};
use crate::activations::Activation;
use crate::layers::{
    Bias, Kernel, Recurrent, WeightSpec, bias_setters, kernel_setters, recurrent_setters, yes,
};
use crate::trace::Call;

named_cell! {
    /// `h' = f(x·kernel + bias + h·recurrent_kernel)`; the output is `h'`.
    ///
    /// `x: [batch, features]`, `h: [batch, units]`, `kernel: [features, units]`,
    /// `recurrent_kernel: [units, units]`, `bias: [units]`.
    ///
    /// A mistake if a step is no vector.
    ///
    /// Keras: `keras.layers.SimpleRNNCell`.
    SimpleRNNCell {}
}

impl SimpleRNNCell {
    unit_setters!();
}

impl Cell for SimpleRNNCell {
    fn state_sizes(&self) -> Vec<usize> {
        vec![self.units]
    }

    fn build(&self, input: &Type) -> Result<Vec<WeightSpec>, Mistake> {
        self.unit().build(input, 1, &[self.units])
    }

    fn begin(&self, call: &mut Call<'_>, x: &Var) -> Beginning {
        let bias = self.use_bias.then(|| call.weight("bias"));
        let Projection { gates, shared } = self.unit().project(call, x, 1, bias.as_ref());
        Beginning { sequences: gates, shared }
    }

    fn step(&self, step: &CellStep<'_>) -> (Var, Vec<Var>) {
        let h = self.unit().kept(step, &step.states[0]);
        let sum = &step.inputs[0] + h.matmul(&step.shared("recurrent/0"));
        let h = self.activation.apply(&sum);
        (h.clone(), vec![h])
    }

    fn returns_first_state(&self) -> bool {
        true
    }
}
