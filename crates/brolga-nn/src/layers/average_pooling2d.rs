//! The average over windows of an image.

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::pooling::pooled;
use super::{Base, Layer, layer};
use crate::config::{Padding, Pair};
use crate::trace::Call;

/// The average of each window; see [`AvgPool`](brolga_ir::ops::AvgPool).
///
/// `x: [batch, height, width, channels]`, `y: [batch, height', width', channels]`. With `"same"`
/// padding what is added counts neither in the sum nor in the number of elements.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AveragePooling2D {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "two")]
    pool_size: Pair,
    #[serde(default)]
    strides: Option<Pair>,
    #[serde(default)]
    padding: Padding,
}

fn two() -> Pair {
    2.into()
}

layer!(AveragePooling2D { pool_size: Count, strides: Count });

/// Windows of 2×2, side by side.
impl Default for AveragePooling2D {
    fn default() -> Self {
        Self::new(two())
    }
}

impl AveragePooling2D {
    /// Windows of this height and width, side by side.
    pub fn new(pool_size: impl Into<Pair>) -> Self {
        let pool_size = pool_size.into();
        Self { base: Base::default(), pool_size, strides: None, padding: Padding::Valid }
    }

    /// Steps between neighbouring windows; the size of the window by default.
    #[must_use]
    pub fn strides(mut self, strides: impl Into<Pair>) -> Self {
        self.strides = Some(strides.into());
        self
    }

    /// `"valid"`, the default, or `"same"`.
    #[must_use]
    pub fn padding(mut self, padding: impl Into<Padding>) -> Self {
        self.padding = padding.into();
        self
    }
}

impl Layer for AveragePooling2D {
    fn base(&self) -> &Base {
        &self.base
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let moves = (self.pool_size, self.strides, &self.padding);
        pooled(call, inputs, "AveragePooling2D", moves, |x, pool| x.avg_pool(pool, false))
    }
}
