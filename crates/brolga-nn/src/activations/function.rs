use std::sync::Arc;

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Activation, ActivationFunction};
use crate::registry::{AsFunction, Closure, IntoArgument, object};

/// A function of the user's own as an activation. `activation(|x: &Var| ..)` of a layer makes one
/// too.
///
/// ```
/// use brolga_nn::activations::Function;
/// use brolga_nn::prelude::*;
///
/// let layer = Dense::new(8).activation(Function::new(|x| x * (x * 1.702).sigmoid()));
/// ```
///
/// No config can hold it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Function {
    function: Closure<dyn Fn(&Var) -> Var + Send + Sync>,
}

object!(Function);

impl Function {
    /// The activation that computes what the function writes down.
    pub fn new(function: impl Fn(&Var) -> Var + Send + Sync + 'static) -> Self {
        Self { function: Closure::new(Arc::new(function)) }
    }
}

impl ActivationFunction for Function {
    fn apply(&self, x: &Var) -> Var {
        (*self.function)(x)
    }
}

impl<F: Fn(&Var) -> Var + Send + Sync + 'static> IntoArgument<Activation, AsFunction> for F {
    fn into_argument(self) -> Activation {
        Function::new(self).into()
    }
}
