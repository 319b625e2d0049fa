//! Models: layers, what they are compiled with, their state, and training.

mod averages;
mod batch;
mod cause;
mod checks;
mod compile;
mod config;
mod cut;
mod evaluate;
mod feed;
mod fit;
mod functional;
mod objective;
mod on_batch;
mod optimize;
mod pass;
mod prefetch;
mod record;
mod run;
mod sequential;
mod session;
mod step;
mod supply;
mod totals;
mod train_step;
mod trainer;
mod watch;
mod weights;

use std::path::Path;

use brolga_ir::{Graph, Type};
use brolga_runtime::Options;
use ndarray::ArrayD;

pub use compile::{Compile, Compiled, Reported};
pub use evaluate::{Evaluate, Predict};
pub use fit::Fit;
pub use functional::{
    Apply, CallArguments, Functional, IntoArguments, IntoSymbolic, Shared, Symbolic, Wiring,
};
pub use on_batch::OnBatch;
pub use sequential::{Sequential, Stack};
pub use session::{Kind, Session};
pub use train_step::{
    StepModel, StepOptimizer, StepTrace, TrainStep, Trainee, ValueAndGrad, Variable, value_and_grad,
};

pub use crate::head::Head;
pub use crate::network::{Built, BuiltLayer, Network, Port, Weight, call};
pub use crate::nonfinite::{Cause, During, LoopStep, NonFinite};
pub use crate::states::{ITERATIONS, LEARNING_RATE, SEED, STEP};

pub(crate) use objective::Objective;
use step::Plan;
use totals::Totals;

use crate::error::NnError;
use crate::outline::Outline;
use crate::report::{self, Summary};
use crate::warning::Warning;

/// A network of layers that can be trained.
///
/// Programs are compiled when they are first needed, one for each size of batch, and kept.
/// Everything random (first weights, dropout, shuffling) follows from one seed, 0 unless
/// [`Model::seed`] sets another, so that a training gives the same bits each time.
#[derive(Debug)]
pub struct Model<N> {
    network: N,
    seed: u64,
    options: Options,
    compiled: Option<Compiled>,
    built: Option<Built>,
    session: Option<Session>,
    /// Whether layers or optimizer are others than those the session was made for.
    changed: bool,
    /// Loss and metrics of the steps made one by one since they were last reset.
    totals: Option<Totals>,
}

/// A model taken apart: what programs are traced from, and what they run on.
type Parts<'a> = (Plan<'a>, &'a Options, &'a mut Session);

impl<N: Network> Model<N> {
    /// A model of these layers.
    pub fn of(network: N) -> Self {
        let (seed, options) = (0, Options::default());
        let (compiled, built, session, totals) = (None, None, None, None);
        Self { network, seed, options, compiled, built, session, changed: false, totals }
    }

    /// Lets everything random follow this seed instead of 0. Weights that have values already keep
    /// them.
    ///
    /// # Errors
    /// None where the model is as it was left by other methods.
    pub fn seed(&mut self, seed: u64) -> Result<(), NnError> {
        self.seed = seed;
        self.session.as_mut().map_or(Ok(()), |session| session.reseed(seed))
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        self.network.name()
    }

    /// The network.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// The network, to be changed: weights of layers that stay keep their values.
    pub(crate) fn network_mut(&mut self) -> &mut N {
        self.built = None;
        self.changed = true;
        &mut self.network
    }

    /// Decides how the model is trained: optimizer, loss, metrics. Weights keep their values; the
    /// optimizer starts anew.
    ///
    /// # Errors
    /// If a name does not exist, the layers do not fit together, or the machine does not grant the
    /// memory for weights and optimizer.
    pub fn compile(&mut self, compile: Compile) -> Result<(), NnError> {
        let (compiled, options) = compile.resolve()?;
        self.compiled = Some(compiled);
        self.options = options;
        self.changed = true;
        self.reset_metrics();
        if let Some(built) = self.built.take() {
            // Layers may have been frozen since.
            let inputs: Vec<Type> = built.inputs.into_iter().map(|port| port.ty).collect();
            self.built = Some(self.network.build(Some(&inputs))?);
        }
        match self.ready("compile", None) {
            // The first array given to `fit` tells the shape.
            Err(NnError::NotBuilt { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok((plan, _, session)) => {
                match plan.objectives("compile") {
                    Ok(objectives) => {
                        let found = checks::of_outputs(&plan.built.outputs, &objectives);
                        found.into_iter().for_each(|warning| session.warn(warning));
                        session.check_memory()
                    }
                    // It can predict.
                    Err(NnError::NotCompiled { .. }) => session.check_memory(),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Lets training change the weights of all layers or not, from the next
    /// [`compile`](Model::compile) on: Keras's `model.trainable = False`. Layers that belong to
    /// other models too are frozen there as well. One layer is frozen by
    /// [`Layer::set_trainable`](crate::layers::Layer::set_trainable) of `get_layer`.
    pub fn set_trainable(&mut self, trainable: bool) {
        self.network.set_trainable(trainable);
    }

    /// Whether weights have values yet.
    pub(crate) fn has_values(&self) -> bool {
        self.session.as_ref().is_some_and(Session::has_values)
    }

    /// The network without weights.
    pub fn into_network(self) -> N {
        self.network
    }

    /// The parts that the model was compiled with.
    pub fn compiled(&self) -> Option<&Compiled> {
        self.compiled.as_ref()
    }

    /// The warnings so far, of the model as it is compiled: signs that it does not learn what it is
    /// meant to. See [`Warning`].
    pub fn warnings(&self) -> &[Warning] {
        self.session.as_ref().map_or(&[], Session::warnings)
    }

    /// Builds the model for samples of this shape, if its first layer does not say the shape
    /// itself.
    ///
    /// # Errors
    /// If a layer does not fit its input, or the machine does not grant the memory for the weights.
    /// A model that is only too large is built, and can be looked at.
    pub fn build(&mut self, sample_shape: &[usize]) -> Result<(), NnError> {
        self.ready("build", Some(&[Type::f32(sample_shape)]))?.2.check_memory()
    }

    /// Layers, weights and types, where the model is built.
    pub fn built(&self) -> Option<&Built> {
        self.built.as_ref()
    }

    /// Builds what is not built, and makes the session anew if something has changed.
    fn ready(
        &mut self,
        method: &'static str,
        inputs: Option<&[Type]>,
    ) -> Result<Parts<'_>, NnError> {
        let built = match self.built.take() {
            Some(built) => built,
            None => self.network.build(inputs).map_err(|error| error.in_method(method))?,
        };
        let built = &*self.built.insert(built);
        let plan = Plan { network: &self.network, built, compiled: self.compiled.as_ref() };
        let session = match self.session.take() {
            Some(session) if !self.changed => session,
            old => {
                let mut session = Session::new(&plan, self.seed)?;
                old.map_or(Ok(()), |old| session.inherit(old))?;
                session
            }
        };
        self.changed = false;
        Ok((plan, &self.options, self.session.insert(session)))
    }

    /// State and programs, to look at or to change.
    ///
    /// # Errors
    /// If the model is not built and its first layer does not say the shape of its input.
    pub fn session(&mut self) -> Result<&mut Session, NnError> {
        Ok(self.ready("session", None)?.2)
    }

    /// The model's name, its layers and what connects them, and what is built of them.
    pub(crate) fn outline(
        &mut self,
        method: &'static str,
    ) -> Result<(&str, Outline, &Built), NnError> {
        let (plan, ..) = self.ready(method, None)?;
        Ok((plan.network.name(), plan.network.outline(), plan.built))
    }

    /// The layers of the model with shapes and sizes; of a model that is not built, their names
    /// alone.
    ///
    /// # Errors
    /// If the layers do not fit together, or there are none.
    pub fn summarize(&mut self) -> Result<Summary, NnError> {
        match self.ready("summary", None) {
            Ok((plan, _, session)) => {
                let name = plan.network.name();
                let outline = &plan.network.outline();
                Ok(Summary::of_built(name, outline, plan.built, session.optimizer_size()))
            }
            Err(NnError::NotBuilt { .. }) => {
                Ok(Summary::of_unbuilt(self.network.name(), self.network.layer_names()))
            }
            Err(error) => Err(error),
        }
    }

    /// Prints Keras's table of the layers, the shapes of what they give, and how many weights they
    /// have.
    ///
    /// # Errors
    /// As [`Model::summarize`].
    pub fn summary(&mut self) -> Result<(), NnError> {
        report::print(self.summarize()?.line_length(report::line_length()));
        Ok(())
    }

    /// The graph of the loss and the metrics of a batch, with the layers as in training: what
    /// [`Model::trace`] differentiates.
    ///
    /// # Errors
    /// If the model is not compiled or not built.
    pub fn trace_loss(&mut self, batch: usize) -> Result<Graph, NnError> {
        self.ready("trace_loss", None)?.0.loss(batch, false)
    }

    /// The graph of a program for this size of batch, as it is before the passes of the compiler.
    ///
    /// # Errors
    /// If the model is not built, or not compiled where the program needs a loss.
    pub fn trace(&mut self, kind: Kind, batch: usize) -> Result<Graph, NnError> {
        let (plan, ..) = self.ready("trace", None)?;
        session::trace(&plan, session::Key { kind, batch, weighted: false })
    }

    /// The record of a program for this size of batch: all stages of the compiler down to the
    /// machine code and the memory plan. Nothing runs, and no weight is allocated.
    ///
    /// # Errors
    /// As [`Model::trace`], or if the program cannot be compiled.
    pub fn record(&mut self, kind: Kind, batch: usize) -> Result<brolga_record::Program, NnError> {
        let (plan, options, session) = self.ready("record", None)?;
        session.record(&plan, options, session::Key { kind, batch, weighted: false })
    }

    /// The number of weights' elements.
    ///
    /// # Errors
    /// If the model is not built.
    pub fn count_params(&mut self) -> Result<usize, NnError> {
        let (plan, ..) = self.ready("count_params", None)?;
        Ok(plan.built.learned().map(|weight| weight.ty.shape.elements()).sum())
    }

    /// The values of all weights; see [`Session::get_weights`].
    ///
    /// # Errors
    /// If the model is not built.
    pub fn get_weights(&mut self) -> Result<Vec<ArrayD<f32>>, NnError> {
        self.ready("get_weights", None)?.2.get_weights()
    }

    /// Sets the values of all weights; see [`Session::set_weights`].
    ///
    /// # Errors
    /// If they do not fit the model, or it is not built.
    pub fn set_weights(&mut self, weights: &[ArrayD<f32>]) -> Result<(), NnError> {
        self.ready("set_weights", None)?.2.set_weights(weights)
    }

    /// Lets the states that stateful layers carry from batch to batch be zeros again; see
    /// [`Session::reset_states`].
    ///
    /// # Errors
    /// If the model is not built.
    pub fn reset_states(&mut self) -> Result<(), NnError> {
        self.ready("reset_states", None)?.2.reset_states(None)
    }

    /// As [`Model::reset_states`], of one layer: Keras's `layer.reset_state()`.
    ///
    /// # Errors
    /// If the layer carries no states, or the model is not built.
    pub fn reset_state(&mut self, layer: &str) -> Result<(), NnError> {
        self.ready("reset_state", None)?.2.reset_states(Some(layer))
    }

    /// Writes the weights; see [`Session::save_weights`].
    ///
    /// # Errors
    /// If the file cannot be written, or the model is not built.
    pub fn save_weights(&mut self, path: impl AsRef<Path>) -> Result<(), NnError> {
        self.ready("save_weights", None)?.2.save_weights(path)
    }

    /// Reads weights; see [`Session::load_weights`].
    ///
    /// # Errors
    /// If the file cannot be read or does not fit the model, or it is not built.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<(), NnError> {
        self.ready("load_weights", None)?.2.load_weights(path)
    }

    /// Writes everything the model keeps between steps; see [`Session::save_state`].
    ///
    /// # Errors
    /// If the file cannot be written, or the model is not built.
    pub fn save_state(&mut self, path: impl AsRef<Path>) -> Result<(), NnError> {
        self.ready("save_state", None)?.2.save_state(path)
    }

    /// Reads everything the model keeps between steps; see [`Session::load_state`].
    ///
    /// # Errors
    /// If the file cannot be read or does not fit the model, or it is not built.
    pub fn load_state(&mut self, path: impl AsRef<Path>) -> Result<(), NnError> {
        self.ready("load_state", None)?.2.load_state(path)
    }
}

fn not_compiled(method: &'static str) -> NnError {
    NnError::NotCompiled { method, missing: "optimizer and no loss" }
}
