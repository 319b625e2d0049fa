//! A function as a layer.

use std::sync::Arc;

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::registry::Closure;
use crate::trace::Call;

/// A function of the user's own as a layer without weights.
///
/// ```
/// use brolga_nn::prelude::*;
///
/// let mut model = Sequential::new();
/// model.add(Input::new([8]));
/// model.add(Lambda::new(|x| x * x + 1.0).name("square_plus_one"));
///
/// let [a, b] = [(); 2].map(|()| Input::new([8]).tensor());
/// let gap = Lambda::list(|x| vec![(&x[0] - &x[1]).abs()]).on([&a, &b]);
/// # let _ = gap;
/// ```
///
/// The first axis of the tensors is the batch, which the function keeps. It is differentiated and
/// fused like our layers. It knows nothing but its inputs: weights, random numbers and training are
/// for a [class of one's own](Layer). No config can hold it.
///
/// Keras: <https://keras.io/api/layers/core_layers/lambda/>, without `output_shape` and `arguments`,
/// which shapes that are known and captured variables make needless; `supports_masking` takes the
/// place of `mask`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lambda {
    #[serde(flatten)]
    base: Base,
    function: Closure<Function>,
}

layer!(Lambda);

/// A function of a list of tensors.
type OfList = dyn Fn(&[Var]) -> Vec<Var> + Send + Sync;

/// A function of a list of tensors, or of one.
enum Function {
    One(Box<dyn Fn(&Var) -> Var + Send + Sync>),
    List(Box<OfList>),
}

impl Lambda {
    /// The layer that computes what the function writes down of its input.
    pub fn new(function: impl Fn(&Var) -> Var + Send + Sync + 'static) -> Self {
        Self::of(Function::One(Box::new(function)))
    }

    /// The layer that computes what the function writes down of its inputs, one or several, and
    /// gives one or several tensors.
    pub fn list(function: impl Fn(&[Var]) -> Vec<Var> + Send + Sync + 'static) -> Self {
        Self::of(Function::List(Box::new(function)))
    }

    fn of(function: Function) -> Self {
        Self { base: Base::default(), function: Closure::new(Arc::new(function)) }
    }
}

impl Layer for Lambda {
    fn base(&self) -> &Base {
        &self.base
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        match &*self.function {
            Function::One(function) => call.map(inputs, |_, x| function(&x)),
            Function::List(function) => function(inputs),
        }
    }
}
