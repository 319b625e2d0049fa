//! An activation as a layer of its own.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::activations;
use crate::registry::IntoArgument;
use crate::trace::Call;

/// `y = f(x)` with an [activation](crate::activations): `Activation::new("relu")`. `y` has the
/// shape of `x`.
///
/// Keras: <https://keras.io/api/layers/core_layers/activation/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Activation {
    #[serde(flatten)]
    base: Base,
    activation: activations::Activation,
}

layer!(Activation);

impl Activation {
    /// A layer that applies this function.
    pub fn new<Form>(activation: impl IntoArgument<activations::Activation, Form>) -> Self {
        Self { base: Base::default(), activation: activation.into_argument() }
    }
}

impl activations::Activation {
    /// The layer that applies an activation, so that `Activation` of the prelude is both what
    /// `activation` takes and Keras's layer.
    ///
    /// ```
    /// use brolga_nn::prelude::*;
    ///
    /// let mut model = Sequential::new();
    /// model.add(Dense::new(10).activation("relu"));
    /// model.add(Dense::new(10));
    /// model.add(Activation::new("softmax").name("probabilities"));
    /// ```
    #[expect(
        clippy::new_ret_no_self,
        reason = "Keras has the layer and the function under one name"
    )]
    pub fn new<Form>(activation: impl IntoArgument<Self, Form>) -> Activation {
        Activation::new(activation)
    }
}

impl Layer for Activation {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| call.activate(&self.activation, &x))
    }
}
