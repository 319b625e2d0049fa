//! The gated recurrent unit.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::arguments::columns;
use super::lstm_cell::sigmoid;
use super::{Beginning, Cell, CellStep, Projection, Unit, named_cell, tanh, unit_setters};
use crate::activations::Activation;
use crate::layers::{
    Bias, Kernel, Recurrent, WeightSpec, bias_setters, kernel_setters, recurrent_setters, yes,
};
use crate::setters::setters;
use crate::trace::Call;

named_cell! {
    /// With gates `z = g(x·k_z + b_z + h·r_z)` and `r` likewise: `h' = z ⊙ h + (1 − z) ⊙ h̃`; the
    /// output is `h'`.
    ///
    /// | `reset_after` | |
    /// |---|---|
    /// | true, the default | `h̃ = a(x·k_h + b_h + r ⊙ (h·r_h + b'_h))`; all recurrent products have biases `b'` |
    /// | false | `h̃ = a(x·k_h + b_h + (r ⊙ h)·r_h)` |
    ///
    /// `x: [batch, features]`, `h: [batch, units]`; `kernel: [features, 3·units]` has the columns of
    /// `z`, `r`, `h̃`, and so have `recurrent_kernel: [units, 3·units]` and the bias, `[2, 3·units]`
    /// with the rows `b` and `b'` or, not `reset_after`, `[3·units]`.
    ///
    /// A mistake if a step is no vector.
    ///
    /// Cho et al., "Learning phrase representations using RNN encoder–decoder" (2014). Keras:
    /// `keras.layers.GRUCell`.
    GRUCell {
        #[serde(default = "sigmoid")] recurrent_activation: Activation = sigmoid(),
        #[serde(default = "yes")] reset_after: bool = true,
    }
}

impl GRUCell {
    setters! {
        /// The function of the gates; `sigmoid` by default.
        recurrent_activation: into Activation,
        /// Whether the reset gate multiplies after the product, as cuDNN does it; true by default.
        reset_after: bool,
    }

    unit_setters!();
}

impl Cell for GRUCell {
    fn state_sizes(&self) -> Vec<usize> {
        vec![self.units]
    }

    fn build(&self, input: &Type) -> Result<Vec<WeightSpec>, Mistake> {
        let width = 3 * self.units;
        let bias: &[usize] = if self.reset_after { &[2, width] } else { &[width] };
        self.unit().build(input, 3, bias)
    }

    fn begin(&self, call: &mut Call<'_>, x: &Var) -> Beginning {
        let width = 3 * self.units;
        let bias = self.use_bias.then(|| call.weight("bias"));
        let row = |bias: &Var, row: usize| {
            bias.slice(&[row, 0], &[row + 1, width], &[1, 1]).reshape([width])
        };
        let of_input = bias.as_ref().map(|bias| match self.reset_after {
            true => row(bias, 0),
            false => bias.clone(),
        });
        let Projection { gates, mut shared } = self.unit().project(call, x, 3, of_input.as_ref());
        if let Some(bias) = bias.filter(|_| self.reset_after) {
            let recurrent = row(&bias, 1);
            shared.extend((0..3).map(|gate| {
                (format!("bias/{gate}"), columns(&recurrent, gate * self.units, self.units))
            }));
        }
        Beginning { sequences: gates, shared }
    }

    fn step(&self, step: &CellStep<'_>) -> (Var, Vec<Var>) {
        let before = &step.states[0];
        let h = self.unit().kept(step, before);
        let product = |h: &Var, gate: usize| {
            let product = h.matmul(&step.shared(&format!("recurrent/{gate}")));
            match (step.shared)(&format!("bias/{gate}")) {
                Some(bias) => product + bias,
                None => product,
            }
        };
        let gate = |gate: usize| {
            self.recurrent_activation.apply(&(&step.inputs[gate] + product(&h, gate)))
        };
        let (z, r) = (gate(0), gate(1));
        let recurrent = if self.reset_after { r * product(&h, 2) } else { product(&(r * &h), 2) };
        let new = self.activation.apply(&(&step.inputs[2] + recurrent));
        let h = &z * before + (1.0 - &z) * new;
        (h.clone(), vec![h])
    }

    fn returns_first_state(&self) -> bool {
        true
    }
}
