//! Loss and metrics of a trained model, and its predictions.

use brolga_ir::Mistake;
use brolga_runtime::{Options, RuntimeError};
use ndarray::{ArrayD, IxDyn};

use super::batch::{Samples, feed, inputs};
use super::objective::Objective;
use super::session::{Key, Kind, Session, trace};
use super::step::Plan;
use super::totals::Totals;
use crate::arguments::{self, Argument, Range};
use crate::arrays::{Arrays, IntoArrays};
use crate::error::NnError;
use crate::history::Logs;
use crate::network::Port;
use crate::nonfinite::{During, NonFinite};
use crate::report::{Progress, Verbose};

/// The arguments of [`Model::evaluate_with`](super::Model::evaluate_with), with Keras's defaults.
#[derive(Debug, Clone)]
#[must_use]
pub struct Evaluate<'a> {
    pub(crate) batches: Batches,
    pub(crate) sample_weight: Option<Arrays<'a>>,
    pub(crate) verbose: Verbose,
}

impl Default for Evaluate<'_> {
    fn default() -> Self {
        Self { batches: Batches::default(), sample_weight: None, verbose: Verbose::Auto }
    }
}

impl<'a> Evaluate<'a> {
    /// Batches of 32, all samples alike.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of samples that are computed at once; 32 by default. The last batch takes what is
    /// left.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batches.size = batch_size;
        self
    }

    /// The most batches that are computed; by default as many as the samples fill.
    pub fn steps(mut self, steps: usize) -> Self {
        self.batches.steps = Some(steps);
        self
    }

    /// How much the loss of each sample counts; all the same by default.
    pub fn sample_weight(mut self, sample_weight: impl IntoArrays<'a>) -> Self {
        self.sample_weight = Some(sample_weight.into_arrays());
        self
    }

    /// How much is shown: 0, 1, 2, true or false; by default a bar in a terminal, a line elsewhere.
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }
}

/// The arguments of [`Model::predict_with`](super::Model::predict_with), with Keras's defaults.
#[derive(Debug, Clone)]
#[must_use]
pub struct Predict {
    pub(crate) batches: Batches,
    pub(crate) verbose: Verbose,
}

impl Default for Predict {
    fn default() -> Self {
        Self { batches: Batches::default(), verbose: Verbose::Auto }
    }
}

impl Predict {
    /// Batches of 32.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of samples that are computed at once; 32 by default. The last batch takes what is
    /// left.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batches.size = batch_size;
        self
    }

    /// The most batches that are computed; by default as many as the samples fill.
    pub fn steps(mut self, steps: usize) -> Self {
        self.batches.steps = Some(steps);
        self
    }

    /// How much is shown: 0, 1, 2, true or false; by default a bar in a terminal, a line elsewhere.
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }
}

/// How samples are cut into batches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batches {
    /// The samples of each but the last one.
    pub(crate) size: usize,
    /// The most that there are.
    pub(crate) steps: Option<usize>,
}

/// All samples in batches of 32.
impl Default for Batches {
    fn default() -> Self {
        Self { size: 32, steps: None }
    }
}

impl Batches {
    /// How many of so many samples are in a batch.
    pub(crate) fn count(self, samples: usize) -> usize {
        self.steps.map_or(samples, |steps| samples.min(steps.saturating_mul(self.size)))
    }

    /// The sizes that the batches of so many samples have: that of most, and that of the last if it
    /// is smaller.
    pub(crate) fn sizes(self, samples: usize) -> impl Iterator<Item = usize> {
        let samples = self.count(samples);
        let full = self.size.min(samples);
        [full, samples % full.max(1)].into_iter().filter(|&batch| batch > 0)
    }
}

/// A pass over samples that leaves the weights as they are.
pub(crate) struct Pass<'a> {
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) options: &'a Options,
    pub(crate) session: &'a mut Session,
    pub(crate) batches: Batches,
    pub(crate) progress: &'a mut Progress,
}

impl Pass<'_> {
    /// Loss and metrics of these samples.
    pub(crate) fn measure(
        self,
        objectives: &[Objective],
        samples: &Samples<'_>,
    ) -> Result<Logs, NnError> {
        self.measure_into(objectives, samples, &mut Totals::new(objectives))
    }

    /// As [`Pass::measure`], with what was measured before.
    pub(crate) fn measure_into(
        mut self,
        objectives: &[Objective],
        samples: &Samples<'_>,
        totals: &mut Totals,
    ) -> Result<Logs, NnError> {
        let weighted = samples.weighted();
        let count = self.begin(Kind::Evaluate, samples.len(), weighted)?;
        let mut logs = Logs::new();
        let order = in_order(count)?;
        for (step, batch) in order.chunks(self.batches.size).enumerate() {
            let key = Key { kind: Kind::Evaluate, batch: batch.len(), weighted };
            let (program, state) = self.session.ready(self.plan, self.options, key)?;
            samples.run(&mut program.executable, state, batch)?;
            let loss = totals.add(&program.executable, batch.len())?;
            if !loss.is_finite() {
                samples.check_finite(batch)?;
                let graph = trace(self.plan, key)?;
                let cause = samples.cause(&graph, self.session.state_mut()?, batch)?;
                let what = format!("the loss is {loss}");
                let found = NonFinite { during: During::Evaluation, step: step + 1, what, cause };
                return Err(NnError::NonFinite(Box::new(found)));
            }
            totals.report(objectives, "", &mut logs);
            self.progress.step(step + 1, &logs);
        }
        self.progress.finish(&logs);
        Ok(logs)
    }

    /// The model's outputs for these samples.
    pub(crate) fn predict(mut self, x: Arrays<'_>) -> Result<Vec<ArrayD<f32>>, NnError> {
        let built = self.plan.built;
        let arrays = inputs(built, x, "")?;
        let samples = arrays.first().map_or(0, |(_, data)| data.samples());
        let samples = self.begin(Kind::Predict, samples, false)?;
        let room = |port: &Port| {
            let count = samples.saturating_mul(port.ty.shape.elements());
            brolga_memory::with_capacity(count).map_err(RuntimeError::from)
        };
        let mut values: Vec<Vec<f32>> = built.outputs.iter().map(room).collect::<Result<_, _>>()?;
        let logs = Logs::new();
        let order = in_order(samples)?;
        for (step, batch) in order.chunks(self.batches.size).enumerate() {
            let key = Key { kind: Kind::Predict, batch: batch.len(), weighted: false };
            let (program, state) = self.session.ready(self.plan, self.options, key)?;
            let feeds: Vec<_> = arrays.iter().map(|(name, x)| feed(name, x, batch)).collect();
            program.executable.run_fed(&feeds, state)?;
            for (number, values) in values.iter_mut().enumerate() {
                values.extend_from_slice(program.executable.output(number)?);
            }
            self.progress.step(step + 1, &logs);
        }
        self.progress.finish(&logs);
        let array = |(port, values): (&Port, Vec<f32>)| {
            let shape = std::iter::once(samples).chain(port.ty.shape.iter().copied());
            ArrayD::from_shape_vec(IxDyn(&shape.collect::<Vec<_>>()), values).map_err(|_| {
                let message = "predict: the model's output does not have one row for each sample";
                Mistake::new(message).help("layers must keep the first axis, the batch").into()
            })
        };
        built.outputs.iter().zip(values).map(array).collect()
    }

    /// Checks how samples are cut into batches, and compiles the programs before the first step.
    /// Returns how many samples are in a batch.
    fn begin(&mut self, kind: Kind, samples: usize, weighted: bool) -> Result<usize, NnError> {
        let method = if kind == Kind::Predict { "predict" } else { "evaluate" };
        let Batches { size, steps } = self.batches;
        let batch_size = Argument::new("batch_size", &size, Range::Count);
        arguments::check(method, &[batch_size, Argument::new("steps", &steps, Range::Count)])?;
        let keys = self.batches.sizes(samples).map(|batch| Key { kind, batch, weighted });
        self.session.prepare(self.plan, self.options, keys, 0)?;
        self.progress.compiled(self.session.compilations(), size);
        let count = self.batches.count(samples);
        self.progress.begin(count.div_ceil(size));
        Ok(count)
    }
}

/// The numbers of so many samples, ascending.
pub(crate) fn in_order(samples: usize) -> Result<Vec<usize>, NnError> {
    Ok(brolga_memory::collected(0..samples).map_err(RuntimeError::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_one_or_two_sizes() {
        let sizes =
            |samples, size, steps| Batches { size, steps }.sizes(samples).collect::<Vec<_>>();
        assert_eq!(sizes(64, 32, None), [32]);
        assert_eq!(sizes(65, 32, None), [32, 1]);
        assert_eq!(sizes(7, 32, None), [7]);
        assert!(sizes(0, 32, None).is_empty());
        assert_eq!(sizes(65, 32, Some(2)), [32]);
        assert_eq!(sizes(65, 32, Some(3)), [32, 1]);
        assert_eq!(sizes(7, 32, Some(usize::MAX)), [7]);
    }
}
