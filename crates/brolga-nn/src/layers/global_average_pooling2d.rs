//! The average over a whole image.

use brolga_ir::{Mistake, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer, shapes};
use crate::trace::Call;

/// The average of each channel: `[batch, height, width, channels]` to `[batch, channels]`, or with
/// `keepdims` to `[batch, 1, 1, channels]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GlobalAveragePooling2D {
    #[serde(flatten)]
    base: Base,
    #[serde(default)]
    keepdims: bool,
}

layer!(GlobalAveragePooling2D);

impl GlobalAveragePooling2D {
    /// The average of each channel.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether height and width stay, with extent 1; false by default.
    #[must_use]
    pub fn keepdims(mut self, keepdims: bool) -> Self {
        self.keepdims = keepdims;
        self
    }
}

impl Layer for GlobalAveragePooling2D {
    fn base(&self) -> &Base {
        &self.base
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            if x.shape().rank() != 4 {
                let message = format!(
                    "GlobalAveragePooling2D takes images (None, height, width, channels), given {}",
                    shapes(&[x.ty().clone()])
                );
                return call.tracer().fail(Mistake::new(message));
            }
            x.reduce_mean(&[1, 2], self.keepdims)
        })
    }
}
