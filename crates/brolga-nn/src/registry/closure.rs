//! Closures where Keras takes a function.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use brolga_ir::Var;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A closure in a field of an object. It is an error to write it to a config, or to read it from
/// one.
pub struct Closure<F: ?Sized>(Arc<F>);

/// A function of labels and predictions.
pub(crate) type OfTwo = dyn Fn(&Var, &Var) -> Var + Send + Sync;

impl<F: ?Sized> Closure<F> {
    /// The closure, behind a pointer that is shared by the object's clones.
    pub fn new(function: Arc<F>) -> Self {
        Self(function)
    }
}

impl<F: ?Sized> Deref for Closure<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.0
    }
}

impl<F: ?Sized> Clone for Closure<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: ?Sized> fmt::Debug for Closure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("|..|")
    }
}

const MESSAGE: &str = "a function is a part of the program, and no config can hold it\n  \
    help: write a class of your own that has arguments instead, with `layer!`, `loss!`, `metric!` or `object!`, \
    and give it to the registry that reads the config";

impl<F: ?Sized> Serialize for Closure<F> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(MESSAGE))
    }
}

impl<'de, F: ?Sized> Deserialize<'de> for Closure<F> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(MESSAGE))
    }
}

/// What an argument of a type can be given as: a value of the type, what converts into it, or,
/// where Keras takes a function, a closure or a function over traced tensors. `Form` tells which;
/// it is always inferred.
///
/// The parameters of a closure have their types written out:
///
/// ```
/// use brolga_nn::prelude::*;
///
/// fn near(y_true: &Var, y_pred: &Var) -> Var {
///     (y_true - y_pred).abs().lt(&y_true.constant_like(0.5))
/// }
///
/// let squared = Dense::new(4).activation(|x: &Var| x * x);
/// let compile = Compile::new().loss(|y_true: &Var, y_pred: &Var| (y_true - y_pred).abs()).metrics([near]);
/// ```
///
/// | argument | function |
/// |---|---|
/// | an activation | `Fn(&Var) -> Var`: [`activations::Function`](crate::activations::Function) |
/// | a loss | `Fn(&Var, &Var) -> Var`: [`LossFunctionWrapper`](crate::losses::LossFunctionWrapper) |
/// | a metric | `Fn(&Var, &Var) -> Var`: [`MeanMetricWrapper`](crate::metrics::MeanMetricWrapper) |
/// | an initializer | `Fn(&[usize], &[usize]) -> f32`: [`initializers::Function`](crate::initializers::Function) |
pub trait IntoArgument<T, Form> {
    /// The argument.
    fn into_argument(self) -> T;
}

/// The [form](IntoArgument) of values, and of what converts into them.
#[derive(Debug)]
pub struct AsValue;

/// The [form](IntoArgument) of functions.
#[derive(Debug)]
pub struct AsFunction;

impl<T, A: Into<T>> IntoArgument<T, AsValue> for A {
    fn into_argument(self) -> T {
        self.into()
    }
}
