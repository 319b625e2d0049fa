//! Inputs brought into another range.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, WeightSpec, layer};
use crate::config::PerChannel;
use crate::trace::Call;

/// `x · scale + offset`, in training and inference alike: `Rescaling::new(1.0 / 255.0)` brings
/// bytes into 0 to 1.
///
/// Arrays of bytes can be given to `fit` as they are: they are copied batch by batch, and rescaled
/// as a part of the program.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/image_preprocessing/rescaling/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rescaling {
    #[serde(flatten)]
    base: Base,
    scale: PerChannel,
    #[serde(default = "zero")]
    offset: PerChannel,
}

fn zero() -> PerChannel {
    PerChannel::One(0.0)
}

layer!(Rescaling { scale: Finite, offset: Finite });

impl Rescaling {
    /// A multiplication by this number, or by one for each channel.
    pub fn new(scale: impl Into<PerChannel>) -> Self {
        Self { base: Base::default(), scale: scale.into(), offset: zero() }
    }

    /// The number added then; 0 by default.
    pub fn offset(mut self, offset: impl Into<PerChannel>) -> Self {
        self.offset = offset.into();
        self
    }
}

impl Layer for Rescaling {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        for input in inputs {
            self.scale.check("scale", input)?;
            self.offset.check("offset", input)?;
        }
        Ok(vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| {
            let scaled = &x * self.scale.constant(&x);
            if self.offset == zero() { scaled } else { scaled + self.offset.constant(&x) }
        })
    }
}
