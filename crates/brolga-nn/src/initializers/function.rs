//! First values by a function.

use std::sync::Arc;

use brolga_ir::Shape;
use serde::{Deserialize, Serialize};

use super::{Initializer, Random};
use crate::registry::{AsFunction, Choice, Closure, IntoArgument, object};

/// A function of the user's own as an initializer: of the indices of an element, and of the shape
/// of the weight. `kernel_initializer(|index: &[usize], shape: &[usize]| ..)` of a layer makes one
/// too.
///
/// ```
/// use brolga_nn::initializers::Function;
/// use brolga_nn::prelude::*;
///
/// // A kernel of ones in its upper left triangle.
/// let triangle = Function::new(|index, _| if index[0] <= index[1] { 1.0 } else { 0.0 });
/// let layer = Dense::new(8).kernel_initializer(triangle);
/// ```
///
/// Several threads write parts of one weight at a time, so a value follows from the arguments
/// alone. Keras's functions return the whole tensor. Random numbers are for a class of one's own,
/// whose [`Initializer::fill`] is given them. No config can hold the function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Function {
    function: Closure<OfIndex>,
}

/// The value at an index in a shape.
type OfIndex = dyn Fn(&[usize], &[usize]) -> f32 + Send + Sync;

object!(Function);

impl Function {
    /// The initializer whose elements the function gives for their indices and the shape.
    pub fn new(function: impl Fn(&[usize], &[usize]) -> f32 + Send + Sync + 'static) -> Self {
        Self { function: Closure::new(Arc::new(function)) }
    }
}

impl Initializer for Function {
    fn fill(&self, shape: &Shape, _: Random, start: usize, values: &mut [f32]) {
        let mut index = vec![0; shape.rank()];
        for (offset, value) in (start..).zip(values) {
            let mut rest = offset;
            for (index, &extent) in index.iter_mut().zip(shape.iter()).rev() {
                (*index, rest) = (rest % extent, rest / extent);
            }
            *value = (*self.function)(&index, shape);
        }
    }
}

impl<F: Fn(&[usize], &[usize]) -> f32 + Send + Sync + 'static>
    IntoArgument<Choice<dyn Initializer>, AsFunction> for F
{
    fn into_argument(self) -> Choice<dyn Initializer> {
        Function::new(self).into()
    }
}
