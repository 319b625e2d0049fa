//! What comes in.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::trace::Call;

/// `y = x`, of any shape.
///
/// Keras: <https://keras.io/api/layers/core_layers/identity/>
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Identity {
    #[serde(flatten)]
    base: Base,
}

layer!(Identity);

impl Identity {
    /// A layer that gives what it is given.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Layer for Identity {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| x)
    }
}
