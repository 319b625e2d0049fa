//! Training, evaluation and prediction of a model.

use std::collections::HashMap;
use std::thread::{self, Scope};

use ndarray::ArrayD;

use super::batch::Samples;
use super::cut::Cut;
use super::evaluate::{Evaluate, Predict};
use super::fit::Fit;
use super::pass::Pass;
use super::supply::{Asked, Batches, Fitting, Opened, Supply, refuse};
use super::trainer::{self, Trainer, check_arguments};
use super::{Model, checks, not_compiled};
use crate::arguments::{self, Argument, Range};
use crate::arrays::{Arrays, IntoArrays};
use crate::dataset::{IntoSource, Source};
use crate::error::NnError;
use crate::history::{History, Logs};
use crate::network::Network;
use crate::report::Progress;

impl<N: Network> Model<N> {
    /// Trains the model and returns what each epoch reported.
    ///
    /// `x` are arrays, or a [`Dataset`](crate::Dataset), of whose batches the labels are a part;
    /// then `y` is `()`.
    ///
    /// Keras: <https://keras.io/api/models/model_training_apis/#fit-method>
    ///
    /// # Errors
    /// If the model is not compiled, data do not fit the model or the loss, a program needs more
    /// memory than is allowed, or a number becomes NaN or infinite. Where a step went wrong, the
    /// weights are those before it. Once the first epoch has begun the error is
    /// [`NnError::Training`], which carries the history so far. Of a dataset also if it gives an
    /// error, panics, has no batches or other ones than its first, or if an argument was given that
    /// is for arrays alone: `batch_size`, `sample_weight`, `validation_split`.
    pub fn fit<'a>(
        &mut self,
        x: impl IntoSource<'a>,
        y: impl IntoArrays<'a>,
        mut fit: Fit<'a>,
    ) -> Result<History, NnError> {
        let given = (x.into_source(), y.into_arrays(), fit.sample_weight.take());
        if self.compiled.is_none() {
            return Err(not_compiled("fit"));
        }
        self.reset_metrics();
        check_arguments(&fit)?;
        let validation = fit.validation_data.take();
        let class_weight = std::mem::take(&mut fit.class_weight);
        thread::scope(|scope| {
            let steps = ("steps_per_epoch", fit.steps_per_epoch);
            let given = Opened::new(scope, given, Asked { what: "fit", steps })?;
            let steps = ("validation_steps", fit.validation_steps);
            let asked = Asked { what: "validation", steps };
            let validation =
                validation.map(|given| Opened::new(scope, given, asked)).transpose()?;
            trainer::check_sources(&fit, &given, validation.as_ref())?;
            let (plan, options, session) = self.ready("fit", Some(&given.types()))?;
            let (built, objectives) = (plan.built, &plan.objectives("fit")?);
            let all = Fitting { built, objectives, class_weight: None, method: "fit", prefix: "" };
            let validating = Fitting { prefix: "validation ", ..all };
            let new = |given| Supply::new(given, validating, fit.validation_batches());
            let validation = validation.map(new).transpose()?;
            let whole;
            let sources = match given {
                Opened::Arrays(given) => {
                    whole = all.samples(given)?;
                    Sources::of_arrays(&whole, validation, all, (&fit, &class_weight))?
                }
                dataset => {
                    let training = Fitting { class_weight: Some(&class_weight), ..all };
                    let supply = Supply::new(dataset, training, Batches::default())?;
                    Sources { supply, validation, is_split: false, unseen: None }
                }
            };
            let classes = class_weight.keys().copied();
            let found = checks::of_training(&plan, objectives, &fit, (&sources, classes));
            found.into_iter().for_each(|warning| session.warn(warning));
            let Sources { supply, validation, .. } = sources;
            Trainer { plan, objectives, options, session, supply, validation }.run(fit)
        })
    }

    /// Loss and metrics of these samples: arrays, or a [`Dataset`](crate::Dataset) and `()` in
    /// place of the labels.
    ///
    /// Keras: <https://keras.io/api/models/model_training_apis/#evaluate-method>
    ///
    /// # Errors
    /// If the model is not compiled or not built, data do not fit the model or the loss, or the
    /// loss is NaN or infinite; of a dataset as [`Model::fit`].
    pub fn evaluate<'a>(
        &mut self,
        x: impl IntoSource<'a>,
        y: impl IntoArrays<'a>,
    ) -> Result<Logs, NnError> {
        self.evaluate_with(x, y, Evaluate::new())
    }

    /// As [`Model::evaluate`], with other arguments.
    ///
    /// # Errors
    /// As [`Model::evaluate`].
    pub fn evaluate_with<'a>(
        &mut self,
        x: impl IntoSource<'a>,
        y: impl IntoArrays<'a>,
        evaluate: Evaluate<'a>,
    ) -> Result<Logs, NnError> {
        let Evaluate { batches, sample_weight, mut callbacks, verbose } = evaluate;
        let given = (x.into_source(), y.into_arrays(), sample_weight);
        self.reset_metrics();
        thread::scope(|scope| {
            let (plan, options, session) = self.ready("evaluate", None)?;
            let objectives = &plan.objectives("evaluate")?;
            let given = opened(scope, given, "evaluate", batches)?;
            let (built, method) = (plan.built, "evaluate");
            let fitting = Fitting { built, objectives, class_weight: None, method, prefix: "" };
            let supply = &mut Supply::new(given, fitting, batches)?;
            session.show(verbose);
            let progress = &mut Progress::new(verbose, session.compilations().len());
            let callbacks = &mut callbacks[..];
            let pass = Pass { plan: &plan, options, session, progress, callbacks };
            pass.measure(objectives, supply)
        })
    }

    /// The model's output for these samples: arrays, or a [`Dataset`](crate::Dataset), of which
    /// labels are not looked at.
    ///
    /// Keras: <https://keras.io/api/models/model_training_apis/#predict-method>
    ///
    /// # Errors
    /// If the model is not built or has several outputs, or the samples do not fit it; of a dataset
    /// as [`Model::fit`].
    pub fn predict<'a>(&mut self, x: impl IntoSource<'a>) -> Result<ArrayD<f32>, NnError> {
        self.predict_with(x, Predict::new())
    }

    /// As [`Model::predict`], with other arguments.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub fn predict_with<'a>(
        &mut self,
        x: impl IntoSource<'a>,
        predict: Predict<'a>,
    ) -> Result<ArrayD<f32>, NnError> {
        self.ready("predict", None)?.0.built.output()?;
        Ok(self.predict_all_with(x, predict)?.swap_remove(0))
    }

    /// The outputs of a model of several for these samples, in their order.
    ///
    /// # Errors
    /// If the model is not built, or the samples do not fit it.
    pub fn predict_all<'a>(&mut self, x: impl IntoSource<'a>) -> Result<Vec<ArrayD<f32>>, NnError> {
        self.predict_all_with(x, Predict::new())
    }

    /// As [`Model::predict_all`], with other arguments.
    ///
    /// # Errors
    /// As [`Model::predict_all`].
    pub fn predict_all_with<'a>(
        &mut self,
        x: impl IntoSource<'a>,
        Predict { batches, mut callbacks, verbose }: Predict<'a>,
    ) -> Result<Vec<ArrayD<f32>>, NnError> {
        let given = (x.into_source(), ().into_arrays(), None);
        thread::scope(|scope| {
            let (plan, options, session) = self.ready("predict", None)?;
            let given = opened(scope, given, "predict", batches)?;
            let supply = &mut Supply::new(given, Fitting::inputs(plan.built), batches)?;
            session.show(verbose);
            let progress = &mut Progress::new(verbose, session.compilations().len());
            let callbacks = &mut callbacks[..];
            Pass { plan: &plan, options, session, progress, callbacks }.predict(supply)
        })
    }
}

/// Opens what an evaluation or a prediction is given.
fn opened<'scope, 'a>(
    scope: &'scope Scope<'scope, 'a>,
    given: (Source<'a>, Arrays<'a>, Option<Arrays<'a>>),
    method: &'static str,
    Batches { size, steps }: Batches,
) -> Result<Opened<'scope, 'a>, NnError> {
    let batch_size = Argument::new("batch_size", &size, Range::Count);
    arguments::check(method, &[batch_size, Argument::new("steps", &steps, Range::Count)])?;
    let opened = Opened::new(scope, given, Asked { what: method, steps: ("steps", steps) })?;
    if opened.is_dataset() && size.is_some() {
        return Err(refuse(method, "batch_size", BATCH_SIZE));
    }
    Ok(opened)
}

/// What to do instead of giving a size of batches.
pub(super) const BATCH_SIZE: &str =
    "leave it out: the dataset decides how many samples a batch has";

/// What a training is made on.
pub(super) struct Sources<'scope, 'a, 'm> {
    pub(super) supply: Supply<'scope, 'a, 'm>,
    pub(super) validation: Option<Supply<'scope, 'a, 'm>>,
    /// Whether the validation has the last part of the arrays.
    pub(super) is_split: bool,
    /// Of arrays, the classes that have a weight, but no sample.
    pub(super) unseen: Option<Vec<i64>>,
}

impl<'scope, 'a: 'm, 'm> Sources<'scope, 'a, 'm> {
    /// Arrays, of which the validation gets a part if it has no data of its own.
    fn of_arrays(
        whole: &'m Samples<'a>,
        validation: Option<Supply<'scope, 'a, 'm>>,
        Fitting { built, objectives, method, .. }: Fitting<'m>,
        (fit, class_weight): (&Fit<'_>, &HashMap<i64, f64>),
    ) -> Result<Self, NnError> {
        let share = if validation.is_some() { 0.0 } else { fit.validation_split };
        let (mut samples, split) = whole.split(share)?;
        let unseen = samples.weigh_classes(objectives, &built.outputs, class_weight, method)?;
        let batches = Batches { size: fit.batch_size, steps: fit.steps_per_epoch };
        let is_split = split.is_some();
        let split = split.map(|part| Supply::Arrays(Cut::new(part, fit.validation_batches())));
        let supply = Supply::Arrays(Cut::new(samples, batches));
        Ok(Self { supply, validation: validation.or(split), is_split, unseen: Some(unseen) })
    }
}
