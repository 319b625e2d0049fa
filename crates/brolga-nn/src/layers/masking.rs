//! Steps that do not count.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::masks::any_last;
use crate::setters::setters;
use crate::trace::Call;

/// Masks each step of which all features are `mask_value`: the mask is `any(x ≠ mask_value)` along
/// the last axis, and masked steps become 0.
///
/// `x: [batch, .., features]`, mask `[batch, ..]`; `y` has the shape of `x`.
///
/// A mistake if samples have no axis.
///
/// Keras: <https://keras.io/api/layers/core_layers/masking/>
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Masking {
    #[serde(flatten)]
    base: Base,
    #[serde(default)]
    mask_value: f64,
}

layer!(Masking { mask_value: Finite });

impl Masking {
    /// Masks steps of zeros.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The number that all features of a masked step are; 0 by default.
        mask_value: f64,
    }
}

impl Layer for Masking {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        match inputs {
            [x] if x.shape.rank() > 1 => Ok(vec![]),
            _ => {
                let message =
                    format!("Masking takes steps with features, given {}", shapes(inputs));
                Err(Mistake::new(message)
                    .help("a sample needs an axis: Input::new([steps, features])"))
            }
        }
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let mask = any_last(&x.ne(&x.constant_like(self.mask_value)));
            let shape: Vec<usize> = mask.shape().iter().copied().chain([1]).collect();
            let y = mask.reshape(shape).select(&x, &x.constant_like(0.0));
            call.set_mask(&y, Some(&mask));
            y
        })
    }
}
