//! Optimizer, loss and metrics of a model.

use std::sync::Arc;

use brolga_ir::Mistake;
use brolga_runtime::{Backend, Options, VectorIsa};

use crate::error::NnError;
use crate::losses::Loss;
use crate::metrics::{Accuracy, Metric};
use crate::optimizers::{self, Optimizer};
use crate::registry::Choice;

/// The arguments of [`Model::compile`](super::Model::compile), with Keras's defaults.
///
/// ```
/// use brolga_nn::Compile;
/// use brolga_nn::optimizers::Adam;
///
/// let by_name = Compile::new().optimizer("adam").loss("mse").metrics(["mae"]);
/// let by_value = Compile::new().optimizer(Adam::new(3e-4)).loss("sparse_categorical_crossentropy");
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Compile {
    optimizer: Choice<dyn Optimizer>,
    loss: Option<Choice<dyn Loss>>,
    metrics: Vec<Choice<dyn Metric>>,
    options: Options,
}

impl Default for Compile {
    fn default() -> Self {
        Self {
            optimizer: "rmsprop".into(),
            loss: None,
            metrics: vec![],
            options: Options::default(),
        }
    }
}

impl Compile {
    /// RMSprop, no loss, no metrics, all cores.
    pub fn new() -> Self {
        Self::default()
    }

    /// How weights follow their gradients: `"adam"`, or `Adam::new(1e-3)`; `"rmsprop"` by default.
    pub fn optimizer(mut self, optimizer: impl Into<Choice<dyn Optimizer>>) -> Self {
        self.optimizer = optimizer.into();
        self
    }

    /// The loss, which training minimises: `"mse"`, or `MeanSquaredError::new()`.
    pub fn loss(mut self, loss: impl Into<Choice<dyn Loss>>) -> Self {
        self.loss = Some(loss.into());
        self
    }

    /// The metrics, which are reported besides the loss: `["accuracy"]`. Appends to those given
    /// before.
    pub fn metrics<M: Into<Choice<dyn Metric>>>(
        mut self,
        metrics: impl IntoIterator<Item = M>,
    ) -> Self {
        self.metrics.extend(metrics.into_iter().map(Into::into));
        self
    }

    /// How many threads compute; by default as many as the process may use. It changes no bit of
    /// any result.
    pub fn threads(mut self, threads: usize) -> Self {
        self.options.threads = threads;
        self
    }

    /// The most bytes that the programs of the model may take together, its states and the copy of
    /// them that a training keeps included; by default what the machine grants, which is a
    /// limit in any case.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.options.memory_limit = Some(bytes);
        self
    }

    /// The backend: native code by default. It changes no bit of any result.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.options.backend = backend;
        self
    }

    /// The vector instruction set of native code: by default the widest that the machine has. It
    /// changes no bit of any result.
    pub fn isa(mut self, isa: VectorIsa) -> Self {
        self.options.isa = Some(isa);
        self
    }

    /// Whether each kernel is timed.
    pub fn profile(mut self, profile: bool) -> Self {
        self.options.profile = profile;
        self
    }

    pub(crate) fn resolve(self) -> Result<(Compiled, Options), NnError> {
        let compiled = Compiled {
            optimizer: self.optimizer.resolve()?,
            loss: self.loss.map(|loss| loss.resolve()).transpose()?,
            metrics: self.metrics.iter().map(metric).collect::<Result<_, _>>()?,
        };
        optimizers::check(&*compiled.optimizer)?;
        compiled.check_names()?;
        Ok((compiled, self.options))
    }
}

/// A metric and the name under which it is reported: a name that the user wrote stays.
fn metric(choice: &Choice<dyn Metric>) -> Result<(String, Arc<dyn Metric>), NnError> {
    match choice {
        Choice::Named(name) if matches!(name.to_lowercase().as_str(), "accuracy" | "acc") => {
            Ok((name.clone(), Arc::new(Accuracy::new())))
        }
        Choice::Named(name) => Ok((name.clone(), choice.resolve()?)),
        Choice::Object(metric) => Ok((crate::metrics::name(&**metric), choice.resolve()?)),
    }
}

/// The parts that a model was compiled with.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// How weights follow their gradients.
    pub optimizer: Arc<dyn Optimizer>,
    /// The loss, which training minimises.
    pub loss: Option<Arc<dyn Loss>>,
    /// The metrics, by the names under which they are reported.
    pub metrics: Vec<(String, Arc<dyn Metric>)>,
}

impl Compiled {
    /// Fails if two numbers would be reported under one name.
    fn check_names(&self) -> Result<(), NnError> {
        for (index, (name, metric)) in self.metrics.iter().enumerate() {
            let message = if self.metrics[..index].iter().any(|(other, _)| other == name) {
                format!("compile: two metrics have the name `{name}`")
            } else if name == "loss" {
                "compile: a metric has the name `loss`, under which the loss is reported".to_owned()
            } else {
                continue;
            };
            let help = format!(
                "leave one of them out, or give it a name of its own: {}::new().name(\"..\")",
                metric.class_name()
            );
            return Err(Mistake::new(message).help(help).into());
        }
        Ok(())
    }

    pub(crate) fn loss(&self, method: &'static str) -> Result<&dyn Loss, NnError> {
        self.loss.as_deref().ok_or(NnError::NotCompiled { method, missing: "loss" })
    }
}
