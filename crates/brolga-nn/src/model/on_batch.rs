//! Single steps, for a loop over batches of one's own.

use std::collections::HashMap;

use brolga_ir::Type;
use brolga_runtime::Options;
use ndarray::ArrayD;

use super::batch::Given;
use super::cut::Cut;
use super::evaluate::Predict;
use super::objective::Objective;
use super::pass::Pass;
use super::session::Session;
use super::step::Plan;
use super::supply::{Batches, Fitting, Supply};
use super::totals::Totals;
use super::trainer::Trainer;
use super::{Model, not_compiled};
use crate::arrays::{Arrays, IntoArrays};
use crate::data::Data;
use crate::error::NnError;
use crate::history::Logs;
use crate::network::Network;
use crate::report::{Progress, Verbose};

/// The arguments of [`Model::train_on_batch_with`] and [`Model::test_on_batch_with`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct OnBatch<'a> {
    sample_weight: Option<Arrays<'a>>,
    class_weight: HashMap<i64, f64>,
}

impl<'a> OnBatch<'a> {
    /// All samples alike.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much the loss of each sample counts; all the same by default.
    pub fn sample_weight(mut self, sample_weight: impl IntoArrays<'a>) -> Self {
        self.sample_weight = Some(sample_weight.into_arrays());
        self
    }

    /// How much the samples of each class count: pairs of class number and weight, which multiplies
    /// that of the sample; 1 for classes that are not named.
    pub fn class_weight(mut self, weights: impl IntoIterator<Item = (i64, f64)>) -> Self {
        self.class_weight = weights.into_iter().collect();
        self
    }
}

impl<N: Network> Model<N> {
    /// Makes one step of training on all these samples.
    ///
    /// Returns loss and metrics over all batches since [`Model::reset_metrics`], `fit`, `evaluate`
    /// or `compile`, this one included, as Keras does: the loss is the mean over their samples. A
    /// program is compiled for each size of batch, when it is first needed.
    ///
    /// Keras: <https://keras.io/api/models/model_training_apis/#trainonbatch-method>
    ///
    /// # Errors
    /// As [`Model::fit`]. If a number becomes NaN or infinite, the weights are those before the
    /// step, of which each step takes a copy.
    pub fn train_on_batch<'a>(
        &mut self,
        x: impl IntoArrays<'a>,
        y: impl IntoArrays<'a>,
    ) -> Result<Logs, NnError> {
        self.train_on_batch_with(x, y, OnBatch::new())
    }

    /// As [`Model::train_on_batch`], with weights of samples or classes.
    ///
    /// # Errors
    /// As [`Model::train_on_batch`].
    pub fn train_on_batch_with<'a>(
        &mut self,
        x: impl IntoArrays<'a>,
        y: impl IntoArrays<'a>,
        arguments: OnBatch<'a>,
    ) -> Result<Logs, NnError> {
        if self.compiled.is_none() {
            return Err(not_compiled("train_on_batch"));
        }
        let batch =
            Batch { method: "train_on_batch", x: x.into_arrays(), y: y.into_arrays(), arguments };
        let types: Vec<Type> = batch.x.iter().map(|x| Type::f32(x.sample_shape())).collect();
        self.on_batch(
            batch,
            Some(&types),
            |Step { plan, objectives, options, session, supply }, totals| {
                Trainer { plan, objectives, options, session, supply, validation: None }
                    .one_step(totals)
            },
        )
    }

    /// Loss and metrics of these samples, computed as one batch.
    ///
    /// Returns them over all batches since they were last reset, as [`Model::train_on_batch`],
    /// whose batches count too.
    ///
    /// Keras: <https://keras.io/api/models/model_training_apis/#testonbatch-method>
    ///
    /// # Errors
    /// As [`Model::evaluate`].
    pub fn test_on_batch<'a>(
        &mut self,
        x: impl IntoArrays<'a>,
        y: impl IntoArrays<'a>,
    ) -> Result<Logs, NnError> {
        self.test_on_batch_with(x, y, OnBatch::new())
    }

    /// As [`Model::test_on_batch`], with weights of samples or classes.
    ///
    /// # Errors
    /// As [`Model::evaluate`].
    pub fn test_on_batch_with<'a>(
        &mut self,
        x: impl IntoArrays<'a>,
        y: impl IntoArrays<'a>,
        arguments: OnBatch<'a>,
    ) -> Result<Logs, NnError> {
        let batch =
            Batch { method: "test_on_batch", x: x.into_arrays(), y: y.into_arrays(), arguments };
        self.on_batch(
            batch,
            None,
            |Step { plan, objectives, options, session, mut supply }, totals| {
                let progress = &mut Progress::silent();
                Pass { plan: &plan, options, session, progress, callbacks: &mut [] }.measure_into(
                    objectives,
                    &mut supply,
                    totals,
                )?;
                Ok(())
            },
        )
    }

    /// The model's output for these samples, computed as one batch.
    ///
    /// Keras: <https://keras.io/api/models/model_training_apis/#predictonbatch-method>
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn predict_on_batch<'a>(&mut self, x: impl IntoArrays<'a>) -> Result<ArrayD<f32>, NnError> {
        let x = x.into_arrays();
        let samples = x.iter().map(Data::samples).max().unwrap_or(0);
        self.predict_with(x, Predict::new().batch_size(samples.max(1)).verbose(Verbose::Silent))
    }

    /// Lets loss and metrics of single steps begin anew.
    pub fn reset_metrics(&mut self) {
        self.totals = None;
    }

    /// Makes a step that adds to the totals, and reports them. A step that fails adds nothing.
    fn on_batch(
        &mut self,
        Batch { method, x, y, arguments }: Batch<'_>,
        inputs: Option<&[Type]>,
        step: impl FnOnce(Step<'_>, &mut Totals) -> Result<(), NnError>,
    ) -> Result<Logs, NnError> {
        let before = self.totals.clone();
        let (plan, options, session) = self.ready(method, inputs)?;
        let objectives = &plan.objectives(method)?;
        let mut totals = before.unwrap_or_else(|| Totals::new(objectives));
        let given = Given { x, y, sample_weight: arguments.sample_weight };
        let class_weight = Some(&arguments.class_weight);
        let fitting = Fitting { built: plan.built, objectives, class_weight, method, prefix: "" };
        let samples = fitting.samples(given)?;
        let batches = Batches { size: Some(samples.len()), steps: None };
        let supply = Supply::Arrays(Cut::new(samples, batches));
        step(Step { plan, objectives, options, session, supply }, &mut totals)?;
        let mut logs = Logs::new();
        totals.report(objectives, "", &mut logs);
        self.totals = Some(totals);
        Ok(logs)
    }
}

/// What a user gives for a step.
struct Batch<'a> {
    method: &'static str,
    x: Arrays<'a>,
    y: Arrays<'a>,
    arguments: OnBatch<'a>,
}

/// A step about to run.
struct Step<'a> {
    plan: Plan<'a>,
    objectives: &'a [Objective],
    options: &'a Options,
    session: &'a mut Session,
    supply: Supply<'a, 'a, 'a>,
}
