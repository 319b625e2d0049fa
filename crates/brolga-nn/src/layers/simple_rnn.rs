//! The layer of `SimpleRNNCell`.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::recurrent::{KEYWORDS, Recurrence, Steps, recurrent_layer, steps_setters};
use super::{Base, Layer, WeightSpec, layer};
use crate::cells::SimpleRNNCell;
use crate::trace::Call;

recurrent_layer! {
    /// Runs a [`SimpleRNNCell`] over the steps of a sequence.
    ///
    /// `x: [batch, time, features]`; `y: [batch, units]` is the output of the last step or, with
    /// `return_sequences`, `[batch, time, units]` those of all; with `return_state` the last
    /// states follow. The states begin with `initial_state` of the
    /// [call](crate::model::CallArguments), or with zeros. A masked step changes no state.
    ///
    /// Weights: those of the cell, whose names begin with `simple_rnn_cell/`.
    ///
    /// A mistake if the input is no sequence of vectors, or first states do not fit.
    ///
    /// Keras: <https://keras.io/api/layers/recurrent_layers/simple_rnn/>
    SimpleRNN of SimpleRNNCell {
    }
}
