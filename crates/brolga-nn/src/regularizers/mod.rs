//! Regularizers, one file each: terms of the loss that keep tensors small or apart.
//!
//! As `kernel_regularizer` and its kin they are given a weight that is trained, as
//! `activity_regularizer` each output of a layer. A new regularizer is a new file and one line in
//! the list below.

use std::sync::Arc;

use brolga_ir::{Mistake, Shape, Var};

use crate::registry::{Choice, Object, classes, snake_case};

classes! {
    "regularizer" Regularizer(snake_case) of "keras.regularizers" {
        l1: L1,
        l1l2: L1L2,
        l2: L2,
        orthogonal_regularizer: OrthogonalRegularizer,
    }
}

pub use orthogonal_regularizer::Vectors;

/// A term of the loss that is computed from one tensor.
pub trait Regularizer: Object {
    /// Fails for a shape that the regularizer does not take.
    ///
    /// # Errors
    /// The mistake, with the shape that is expected.
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        let _ = shape;
        Ok(())
    }

    /// The term: one number of the tensor's type.
    fn penalty(&self, x: &Var) -> Var;
}

impl<T: Regularizer + 'static> From<T> for Choice<dyn Regularizer> {
    fn from(regularizer: T) -> Self {
        Self::Object(Arc::new(regularizer))
    }
}

/// The sum of all elements.
fn sum(x: &Var) -> Var {
    x.reduce_sum(&(0..x.shape().rank()).collect::<Vec<_>>(), false)
}

#[cfg(test)]
mod tests;
