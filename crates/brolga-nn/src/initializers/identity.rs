//! The identity matrix.

use brolga_ir::{Mistake, Shape};
use serde::{Deserialize, Serialize};

use super::{Initializer, Random};
use crate::registry::object;

/// `gain` on the diagonal of a matrix, 0 elsewhere.
///
/// The weight must be a matrix, which need not be square.
///
/// Keras: `keras.initializers.Identity`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// The factor of the matrix; 1 by default.
    pub gain: f64,
}

object!(Identity { gain: Finite });

impl Default for Identity {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Initializer for Identity {
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        match **shape {
            [_, _] => Ok(()),
            _ => Err(Mistake::new(format!("Identity initializes matrices, not shape {shape}"))
                .help("use Orthogonal for weights of more axes")),
        }
    }

    fn fill(&self, shape: &Shape, _: Random, start: usize, values: &mut [f32]) {
        let columns = shape.last().copied().unwrap_or(1).max(1);
        for (index, value) in (start..).zip(values) {
            *value = if index / columns == index % columns { self.gain as f32 } else { 0.0 };
        }
    }
}
