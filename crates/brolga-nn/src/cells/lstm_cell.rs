//! The cell with long short-term memory.

use brolga_ir::{Mistake, Shape, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Beginning, Cell, CellStep, Projection, Unit, named_cell, tanh, unit_setters};
use crate::activations::Activation;
use crate::initializers::{Initializer, Random};
use crate::layers::{
    Bias, Kernel, Recurrent, WeightSpec, bias_setters, kernel_setters, recurrent_setters, yes,
};
use crate::registry::Choice;
use crate::setters::setters;
use crate::trace::Call;

pub(super) fn sigmoid() -> Activation {
    crate::activations::Sigmoid::default().into()
}

named_cell! {
    /// With gates `i = g(x·kᵢ + bᵢ + h·rᵢ)`, `f`, `o` likewise, and `c̃ = a(x·k_c + b_c + h·r_c)`:
    /// `c' = f ⊙ c + i ⊙ c̃`, `h' = o ⊙ a(c')`; the output is `h'`.
    ///
    /// `x: [batch, features]`, the states `h` and `c: [batch, units]`; `kernel: [features, 4·units]`
    /// has the columns of `i`, `f`, `c̃`, `o`, and so have `recurrent_kernel: [units, 4·units]` and
    /// `bias: [4·units]`.
    ///
    /// A mistake if a step is no vector.
    ///
    /// Hochreiter and Schmidhuber, "Long short-term memory" (1997). Keras: `keras.layers.LSTMCell`.
    LSTMCell {
        #[serde(default = "sigmoid")] recurrent_activation: Activation = sigmoid(),
        #[serde(default = "yes")] unit_forget_bias: bool = true,
    }
}

impl LSTMCell {
    setters! {
        /// The function of the gates; `sigmoid` by default.
        recurrent_activation: into Activation,
        /// Whether the bias of the forget gate begins at 1, whatever its initializer; true by
        /// default.
        unit_forget_bias: bool,
    }

    unit_setters!();
}

impl Cell for LSTMCell {
    fn state_sizes(&self) -> Vec<usize> {
        vec![self.units; 2]
    }

    fn build(&self, input: &Type) -> Result<Vec<WeightSpec>, Mistake> {
        let mut weights = self.unit().build(input, 4, &[4 * self.units])?;
        if self.unit_forget_bias
            && let Some(bias) = weights.get_mut(2)
        {
            let others = bias.initializer.clone();
            bias.initializer = UnitForgetBias::of(self.units, others).into();
        }
        Ok(weights)
    }

    fn begin(&self, call: &mut Call<'_>, x: &Var) -> Beginning {
        let bias = self.use_bias.then(|| call.weight("bias"));
        let Projection { gates, shared } = self.unit().project(call, x, 4, bias.as_ref());
        Beginning { sequences: gates, shared }
    }

    fn step(&self, step: &CellStep<'_>) -> (Var, Vec<Var>) {
        let h = self.unit().kept(step, &step.states[0]);
        let sum =
            |gate: usize| &step.inputs[gate] + h.matmul(&step.shared(&format!("recurrent/{gate}")));
        let gate = |gate: usize| self.recurrent_activation.apply(&sum(gate));
        let (i, f, new, o) = (gate(0), gate(1), self.activation.apply(&sum(2)), gate(3));
        let c = f * &step.states[1] + i * new;
        let h = o * self.activation.apply(&c);
        (h.clone(), vec![h, c])
    }

    fn returns_first_state(&self) -> bool {
        true
    }
}

/// The first values of a bias whose second quarter, that of the forget gate, is 1.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UnitForgetBias {
    units: usize,
    others: Choice<dyn Initializer>,
}

crate::registry::object!(UnitForgetBias);

impl UnitForgetBias {
    /// Of a bias whose other quarters begin with these values.
    pub(crate) fn of(units: usize, others: Choice<dyn Initializer>) -> Self {
        Self { units, others }
    }
}

impl Initializer for UnitForgetBias {
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        match self.others.resolve() {
            Ok(others) => others.check(shape),
            Err(error) => Err(error.into_mistake()),
        }
    }

    fn divisible(&self) -> bool {
        self.others.resolve().is_ok_and(|others| others.divisible())
    }

    fn fill(&self, shape: &Shape, random: Random, start: usize, values: &mut [f32]) {
        // `check` has found the initializer.
        if let Ok(others) = self.others.resolve() {
            others.fill(shape, random, start, values);
        }
        let forget = self.units..2 * self.units;
        let places = (start..).zip(values).filter(|(place, _)| forget.contains(place));
        places.for_each(|(_, value)| *value = 1.0);
    }
}
