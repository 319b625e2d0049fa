//! The layer of `LSTMCell`.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::recurrent::{KEYWORDS, Recurrence, Steps, recurrent_layer, steps_setters};
use super::{Base, Layer, WeightSpec, layer};
use crate::cells::LSTMCell;
use crate::trace::Call;

recurrent_layer! {
    /// Runs a [`LSTMCell`] over the steps of a sequence.
    ///
    /// `x: [batch, time, features]`; `y: [batch, units]` is the output of the last step or, with
    /// `return_sequences`, `[batch, time, units]` those of all; with `return_state` the last
    /// states follow. The states begin with `initial_state` of the
    /// [call](crate::model::CallArguments), or with zeros. A masked step changes no state.
    ///
    /// Weights: those of the cell, whose names begin with `lstm_cell/`.
    ///
    /// A mistake if the input is no sequence of vectors, or first states do not fit.
    ///
    /// Keras: <https://keras.io/api/layers/recurrent_layers/lstm/>
    LSTM of LSTMCell {
        /// The function of the gates; `sigmoid` by default.
        recurrent_activation: into crate::activations::Activation,
        /// Whether the bias of the forget gate begins at 1, whatever its initializer; true by
        /// default.
        unit_forget_bias: is bool,
    }
}
