//! The difference of two tensors.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::merging::merged;
use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::trace::Call;

/// `y = x₀ − x₁`, element by element.
///
/// Inputs broadcast to each other; one of a lower rank gets axes of extent 1 behind the batch.
///
/// A mistake if they do not broadcast, or are not two.
///
/// Keras: <https://keras.io/api/layers/merging_layers/subtract/>
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Subtract {
    #[serde(flatten)]
    base: Base,
}

layer!(Subtract);

impl Subtract {
    /// A layer that takes its second input from the first.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Layer for Subtract {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        two("Subtract", inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        merged(call, "Subtract", inputs, |inputs| inputs.iter().cloned().reduce(|a, b| a - b))
    }
}

/// The types of two inputs.
pub(super) fn two<'t>(class: &str, inputs: &'t [Type]) -> Result<[&'t Type; 2], Mistake> {
    match inputs {
        [a, b] => Ok([a, b]),
        _ => {
            let message = match inputs.len() {
                0 => format!("{class} takes two inputs, none was given"),
                count => format!("{class} takes two inputs, given {count}: {}", shapes(inputs)),
            };
            Err(Mistake::new(message).help("call it with a list of two"))
        }
    }
}
