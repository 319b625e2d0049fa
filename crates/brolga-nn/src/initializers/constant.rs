//! The same value everywhere.

use brolga_ir::Shape;
use serde::{Deserialize, Serialize};

use super::{Initializer, Random};
use crate::registry::object;

/// Zeros.
///
/// Keras: `keras.initializers.Zeros`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Zeros {}

/// Ones.
///
/// Keras: `keras.initializers.Ones`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Ones {}

/// One value everywhere.
///
/// Keras: `keras.initializers.Constant`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Constant {
    /// The value; 0 by default.
    pub value: f64,
}

object!(Zeros);
object!(Ones);
object!(Constant { value: Finite });

impl Constant {
    /// This value everywhere.
    pub fn new(value: f64) -> Self {
        Self { value }
    }
}

impl Initializer for Zeros {
    fn fill(&self, _: &Shape, _: Random, _: usize, values: &mut [f32]) {
        values.fill(0.0);
    }
}

impl Initializer for Ones {
    fn fill(&self, _: &Shape, _: Random, _: usize, values: &mut [f32]) {
        values.fill(1.0);
    }
}

impl Initializer for Constant {
    fn fill(&self, _: &Shape, _: Random, _: usize, values: &mut [f32]) {
        values.fill(self.value as f32);
    }
}
