//! The layer of `GRUCell`.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::recurrent::{KEYWORDS, Recurrence, Steps, recurrent_layer, steps_setters};
use super::{Base, Layer, WeightSpec, layer};
use crate::cells::GRUCell;
use crate::trace::Call;

recurrent_layer! {
    /// Runs a [`GRUCell`] over the steps of a sequence.
    ///
    /// `x: [batch, time, features]`; `y: [batch, units]` is the output of the last step or, with
    /// `return_sequences`, `[batch, time, units]` those of all; with `return_state` the last
    /// states follow. The states begin with `initial_state` of the
    /// [call](crate::model::CallArguments), or with zeros. A masked step changes no state.
    ///
    /// Weights: those of the cell, whose names begin with `gru_cell/`.
    ///
    /// A mistake if the input is no sequence of vectors, or first states do not fit.
    ///
    /// Keras: <https://keras.io/api/layers/recurrent_layers/gru/>
    GRU of GRUCell {
        /// The function of the gates; `sigmoid` by default.
        recurrent_activation: into crate::activations::Activation,
        /// Whether the reset gate multiplies after the product, as cuDNN does it; true by default.
        reset_after: is bool,
    }
}
