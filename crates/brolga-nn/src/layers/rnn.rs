//! The layer of any cell.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::recurrent::{KEYWORDS, Recurrence, Steps, steps_setters};
use super::{Base, Layer, WeightSpec, layer};
use crate::cells::Cell;
use crate::error::NnError;
use crate::registry::Choice;
use crate::trace::Call;

/// Runs a [cell](crate::cells::Cell) over the steps of a sequence: `RNN::new(LSTMCell::new(8))`, or
/// several, one after the other: `RNN::new(vec![GRUCell::new(8), GRUCell::new(4)])`.
///
/// `x: [batch, time, ..]`; `y: [batch, units]` is the output of the last step or, with
/// `return_sequences`, `[batch, time, units]` those of all; with `return_state` the last states
/// follow. The states begin with `initial_state` of the [call](crate::model::CallArguments), or with
/// zeros. A masked step changes no state.
///
/// Weights: those of the cell, whose names begin with the cell's class, as `lstm_cell/kernel`.
///
/// A mistake if the input is no sequence, or first states do not fit.
///
/// Keras: <https://keras.io/api/layers/recurrent_layers/rnn/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RNN {
    #[serde(flatten)]
    base: Base,
    #[serde(flatten)]
    steps: Steps,
    cell: Choice<dyn Cell>,
}

layer!(RNN);

impl RNN {
    /// A layer that runs this cell, or these cells.
    pub fn new(cell: impl Into<Choice<dyn Cell>>) -> Self {
        Self { base: Base::default(), steps: Steps::default(), cell: cell.into() }
    }

    steps_setters!();

    fn recurrence(&self) -> Result<Recurrence<'_>, Mistake> {
        Recurrence::of("RNN", &self.cell, &self.steps).map_err(NnError::into_mistake)
    }
}

impl Layer for RNN {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn keywords(&self) -> &'static [&'static str] {
        &KEYWORDS
    }

    fn recurrent(&self) -> Option<Recurrence<'_>> {
        self.recurrence().ok()
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        self.recurrence()?.build(inputs)
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        match self.recurrence() {
            Ok(recurrence) => recurrence.call(call, inputs),
            Err(mistake) => vec![call.tracer().fail(mistake)],
        }
    }
}
