//! A metric by a function.

use std::any::type_name;
use std::sync::Arc;

use brolga_ir::Var;
use serde::{Deserialize, Serialize};

use super::{Direction, Metric, mean_statistics, metric};
use crate::registry::{AsFunction, Choice, Closure, IntoArgument, OfTwo};
use crate::trace::Prediction;

/// The mean of a function of the user's own over the samples: of the labels and the prediction, it
/// gives a value for each sample, or for each element.
/// [`Compile::metrics`](crate::Compile::metrics) makes one of a function too.
///
/// ```
/// use brolga_nn::metrics::MeanMetricWrapper;
/// use brolga_nn::prelude::*;
///
/// let near = MeanMetricWrapper::new(|y_true, y_pred| {
///     let error = (y_true - y_pred).abs();
///     error.lt(&error.constant_like(0.5))
/// });
/// let compile = Compile::new().loss("mse").metrics([near.name("near")]);
/// ```
///
/// It is reported under its name; by default under that of the function, as in Keras, or `closure`.
/// Truth values count as 0 and 1. No config can hold the function.
///
/// Keras: <https://keras.io/api/metrics/base_metric/>, `MeanMetricWrapper`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MeanMetricWrapper {
    name: Option<String>,
    function: Closure<OfTwo>,
    #[serde(skip)]
    direction: Option<Direction>,
}

metric!(MeanMetricWrapper);

impl MeanMetricWrapper {
    /// The mean of what the function computes of `y_true` and `y_pred`.
    pub fn new<F: Fn(&Var, &Var) -> Var + Send + Sync + 'static>(function: F) -> Self {
        let name = Some(function_name(type_name::<F>()).to_owned());
        Self { name, function: Closure::new(Arc::new(function)), direction: None }
    }

    /// Which values are better, as callbacks ask; not known by default.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }
}

/// The name of a function by that of its type, such as `model::near` or `model::main::{{closure}}`.
fn function_name(path: &str) -> &str {
    let last = path.rsplit("::").next().unwrap_or(path);
    let is_name = last.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_name { last } else { "closure" }
}

impl Metric for MeanMetricWrapper {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn direction(&self) -> Option<Direction> {
        self.direction
    }

    fn statistics(&self, y_true: &Var, y_pred: &Prediction, weight: Option<&Var>) -> Vec<Var> {
        mean_statistics(&(*self.function)(y_true, &y_pred.output), weight)
    }
}

impl<F: Fn(&Var, &Var) -> Var + Send + Sync + 'static> IntoArgument<Choice<dyn Metric>, AsFunction>
    for F
{
    fn into_argument(self) -> Choice<dyn Metric> {
        MeanMetricWrapper::new(self).into()
    }
}
