//! Optimizer, loss and metrics of a model.

use std::path::PathBuf;
use std::sync::Arc;

use brolga_record::Sink;
use brolga_runtime::{Backend, Options, VectorIsa};

use crate::arguments::{self, Argument, Range};
use crate::error::NnError;
use crate::losses::Loss;
use crate::metrics::{FittingAccuracy, Metric};
use crate::optimizers::{self, Optimizer};
use crate::registry::{Choice, IntoArgument};

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
    losses: Vec<(Option<String>, Choice<dyn Loss>)>,
    loss_weights: Vec<(String, f64)>,
    metrics: Vec<Asked>,
    steps_per_execution: usize,
    warnings: bool,
    record: Option<Arc<Sink>>,
    options: Options,
}

/// A metric that was asked for.
#[derive(Debug, Clone)]
struct Asked {
    output: Option<String>,
    metric: Choice<dyn Metric>,
    weighted: bool,
}

impl Default for Compile {
    fn default() -> Self {
        Self {
            optimizer: "rmsprop".into(),
            losses: vec![],
            loss_weights: vec![],
            metrics: vec![],
            steps_per_execution: 1,
            warnings: true,
            record: None,
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

    /// The loss, which training minimises: `"mse"`, or `MeanSquaredError::new()`. A model of
    /// several outputs has it for each of them.
    pub fn loss<Form>(mut self, loss: impl IntoArgument<Choice<dyn Loss>, Form>) -> Self {
        self.losses.push((None, loss.into_argument()));
        self
    }

    /// The loss of the output of this name. Outputs without a loss are not trained.
    pub fn output_loss<Form>(
        mut self,
        output: impl Into<String>,
        loss: impl IntoArgument<Choice<dyn Loss>, Form>,
    ) -> Self {
        self.losses.push((Some(output.into()), loss.into_argument()));
        self
    }

    /// The factors of the losses of outputs in the total loss; 1 by default.
    pub fn loss_weights<N: Into<String>>(
        mut self,
        weights: impl IntoIterator<Item = (N, f64)>,
    ) -> Self {
        self.loss_weights.extend(weights.into_iter().map(|(name, weight)| (name.into(), weight)));
        self
    }

    /// The metrics, which are reported besides the loss, of each output: `["accuracy"]`. Appends to
    /// those given before.
    pub fn metrics<M: IntoArgument<Choice<dyn Metric>, Form>, Form>(
        self,
        metrics: impl IntoIterator<Item = M>,
    ) -> Self {
        self.ask(None, metrics, false)
    }

    /// The metrics of the output of this name.
    pub fn output_metrics<M: IntoArgument<Choice<dyn Metric>, Form>, Form>(
        self,
        output: impl Into<String>,
        metrics: impl IntoIterator<Item = M>,
    ) -> Self {
        self.ask(Some(output.into()), metrics, false)
    }

    /// As [`Compile::metrics`], where samples count as much as they do in the loss: by
    /// `sample_weight` and `class_weight`. In other metrics all samples count alike.
    pub fn weighted_metrics<M: IntoArgument<Choice<dyn Metric>, Form>, Form>(
        self,
        metrics: impl IntoIterator<Item = M>,
    ) -> Self {
        self.ask(None, metrics, true)
    }

    fn ask<M: IntoArgument<Choice<dyn Metric>, Form>, Form>(
        mut self,
        output: Option<String>,
        metrics: impl IntoIterator<Item = M>,
        weighted: bool,
    ) -> Self {
        self.metrics.extend(metrics.into_iter().map(|metric| Asked {
            output: output.clone(),
            metric: metric.into_argument(),
            weighted,
        }));
        self
    }

    /// How many steps, of training, evaluation or prediction, are made between two calls of
    /// callbacks; 1 by default. `on_batch_begin` is called before, and `on_batch_end` after so many
    /// steps, with the number of the first and of the last of them, and so are the hooks of the
    /// other methods; what is left at the end of an epoch is a smaller group of steps. It changes
    /// no bit of any result, and hardly the speed: a step is one program, which is started without
    /// the detour that makes larger groups quicker elsewhere.
    pub fn steps_per_execution(mut self, steps: usize) -> Self {
        self.steps_per_execution = steps;
        self
    }

    /// Whether [warnings](crate::Warning) are written to the standard error; true by default.
    /// [`Model::warnings`](super::Model::warnings) has them in any case. The variable
    /// `BROLGA_WARNINGS=ignore` turns them off for the whole process.
    pub fn warnings(mut self, written: bool) -> Self {
        self.warnings = written;
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

    /// Writes a record of each program that the model compiles to this file: all stages of the
    /// compiler, which the command `brolga` reads (`docs/record.md`). The variable `BROLGA_RECORD`
    /// does the same for all models of a process.
    pub fn record(mut self, path: impl Into<PathBuf>) -> Self {
        self.record = Some(Arc::new(Sink::new(path)));
        self
    }

    pub(crate) fn resolve(self) -> Result<(Compiled, Options), NnError> {
        let loss = |(output, loss): (Option<String>, Choice<dyn Loss>)| {
            Ok::<_, NnError>((output, loss.resolve()?))
        };
        for (_, weight) in &self.loss_weights {
            let weight = Argument::new("loss_weights", weight, Range::AtLeast(0.0));
            arguments::check("compile", &[weight])?;
        }
        let steps = Argument::new("steps_per_execution", &self.steps_per_execution, Range::Count);
        arguments::check("compile", &[steps])?;
        let compiled = Compiled {
            optimizer: self.optimizer.resolve()?,
            losses: self.losses.into_iter().map(loss).collect::<Result<_, _>>()?,
            loss_weights: self.loss_weights,
            metrics: self.metrics.iter().map(reported).collect::<Result<_, _>>()?,
            steps_per_execution: self.steps_per_execution,
            warnings: self.warnings,
            record: self.record,
        };
        optimizers::check(&*compiled.optimizer)?;
        Ok((compiled, self.options))
    }
}

fn reported(Asked { output, metric, weighted }: &Asked) -> Result<Reported, NnError> {
    let (name, metric) = self::metric(metric)?;
    Ok(Reported { output: output.clone(), name, metric, weighted: *weighted })
}

/// A metric and the name under which it is reported: a name that the user wrote stays.
fn metric(choice: &Choice<dyn Metric>) -> Result<(String, Arc<dyn Metric>), NnError> {
    match choice {
        Choice::Named(name) if matches!(name.to_lowercase().as_str(), "accuracy" | "acc") => {
            Ok((name.clone(), Arc::new(FittingAccuracy)))
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
    /// The losses, whose weighted sum training minimises: each of one output, or of all.
    pub losses: Vec<(Option<String>, Arc<dyn Loss>)>,
    /// The weights of outputs' losses in the sum, where they are not 1.
    pub loss_weights: Vec<(String, f64)>,
    /// The metrics.
    pub metrics: Vec<Reported>,
    /// How many steps are made between two calls of callbacks.
    pub steps_per_execution: usize,
    /// Whether warnings are written to the standard error.
    pub warnings: bool,
    /// The file that programs are recorded to.
    pub record: Option<Arc<Sink>>,
}

/// A metric that a model was compiled with.
#[derive(Debug, Clone)]
pub struct Reported {
    /// The output that it is of; `None`: all outputs.
    pub output: Option<String>,
    /// The name under which it is reported, after that of the output if there are several.
    pub name: String,
    /// The metric.
    pub metric: Arc<dyn Metric>,
    /// Whether samples count as much as they do in the loss.
    pub weighted: bool,
}
