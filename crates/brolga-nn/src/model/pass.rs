//! Loss and metrics of a trained model, and its predictions.

use brolga_ir::Mistake;
use brolga_runtime::{Options, RuntimeError};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::objective::Objective;
use super::session::{Key, Kind, Session, trace};
use super::step::Plan;
use super::supply::Supply;
use super::totals::Totals;
use crate::callback::{Callback, Inference};
use crate::error::NnError;
use crate::history::Logs;
use crate::network::Port;
use crate::nonfinite::{During, NonFinite};
use crate::report::Progress;

/// A pass over samples that leaves the weights as they are.
pub(crate) struct Pass<'p, 'c> {
    pub(crate) plan: &'p Plan<'p>,
    pub(crate) options: &'p Options,
    pub(crate) session: &'p mut Session,
    pub(crate) progress: &'p mut Progress,
    pub(crate) callbacks: &'p mut [Box<dyn Callback + 'c>],
}

impl Pass<'_, '_> {
    /// Loss and metrics of these samples.
    pub(crate) fn measure<'a: 'm, 'm>(
        self,
        objectives: &[Objective],
        supply: &mut Supply<'_, 'a, 'm>,
    ) -> Result<Logs, NnError> {
        self.measure_into(objectives, supply, &mut Totals::new(objectives))
    }

    /// As [`Pass::measure`], with what was measured before.
    pub(crate) fn measure_into<'a: 'm, 'm>(
        mut self,
        objectives: &[Objective],
        supply: &mut Supply<'_, 'a, 'm>,
        totals: &mut Totals,
    ) -> Result<Logs, NnError> {
        let scores = self.batches(objectives, supply, totals);
        self.finished(scores)
    }

    /// The result, with the weights where they belong if it is an error.
    fn finished<R>(&mut self, result: Result<R, NnError>) -> Result<R, NnError> {
        if result.is_err() {
            self.session.use_averages(false)?;
        }
        result
    }

    fn batches<'a: 'm, 'm>(
        &mut self,
        objectives: &[Objective],
        supply: &mut Supply<'_, 'a, 'm>,
        totals: &mut Totals,
    ) -> Result<Logs, NnError> {
        let steps = self.begin(Kind::Evaluate, supply)?;
        let (every, weighted) = (self.plan.steps_per_execution(), supply.weighted());
        self.each(steps, |c, inference| c.on_test_begin(inference))?;
        let (mut logs, mut step) = (Logs::new(), 0);
        while supply.advance()? {
            if step % every == 0 {
                self.each(steps, |c, inference| c.on_test_batch_begin(step, inference))?;
            }
            let lot = supply.lot();
            let key = Key { kind: Kind::Evaluate, batch: lot.len(), weighted };
            let (program, state) = self.session.ready(self.plan, self.options, key)?;
            lot.run(&mut program.executable, state)?;
            let loss = totals.add(&program.executable, lot.len())?;
            step += 1;
            if !loss.is_finite() {
                lot.samples.check_finite(lot.rows)?;
                let graph = trace(self.plan, key)?;
                let cause = lot.samples.cause(&graph, self.session.state_mut()?, lot.rows)?;
                let what = format!("the loss is {loss}");
                let found = NonFinite { during: During::Evaluation, step, what, cause };
                return Err(NnError::NonFinite(Box::new(found)));
            }
            supply.forget();
            totals.report(objectives, "", &mut logs);
            self.progress.step(step, &logs);
            if step % every == 0 {
                self.each(steps, |c, inference| c.on_test_batch_end(step - 1, &logs, inference))?;
            }
        }
        if step % every != 0 {
            self.each(steps, |c, inference| c.on_test_batch_end(step - 1, &logs, inference))?;
        }
        self.progress.finish(&logs);
        self.each(steps, |c, inference| c.on_test_end(&logs, inference))?;
        Ok(logs)
    }

    /// The model's outputs for these samples.
    pub(crate) fn predict<'a: 'm, 'm>(
        mut self,
        supply: &mut Supply<'_, 'a, 'm>,
    ) -> Result<Vec<ArrayD<f32>>, NnError> {
        let outputs = self.outputs(supply);
        self.finished(outputs)
    }

    fn outputs<'a: 'm, 'm>(
        &mut self,
        supply: &mut Supply<'_, 'a, 'm>,
    ) -> Result<Vec<ArrayD<f32>>, NnError> {
        let built = self.plan.built;
        let steps = self.begin(Kind::Predict, supply)?;
        let every = self.plan.steps_per_execution();
        let mut outputs = Outputs::new(&built.outputs, supply.rows())?;
        self.each(steps, |c, inference| c.on_predict_begin(inference))?;
        let (logs, mut step) = (Logs::new(), 0);
        while supply.advance()? {
            if step % every == 0 {
                self.each(steps, |c, inference| c.on_predict_batch_begin(step, inference))?;
            }
            let lot = supply.lot();
            let key = Key { kind: Kind::Predict, batch: lot.len(), weighted: false };
            let (program, state) = self.session.ready(self.plan, self.options, key)?;
            lot.run(&mut program.executable, state)?;
            let values = |number| Ok(program.executable.output::<f32>(number)?);
            outputs.push(lot.len(), values)?;
            supply.forget();
            step += 1;
            self.progress.step(step, &logs);
            if step % every == 0 {
                self.predicted(steps, step, &mut outputs)?;
            }
        }
        if step % every != 0 {
            self.predicted(steps, step, &mut outputs)?;
        }
        self.progress.finish(&logs);
        self.each(steps, |c, inference| c.on_predict_end(inference))?;
        outputs.into_arrays()
    }

    /// Shows the callbacks the outputs since the last time.
    fn predicted(
        &mut self,
        steps: Option<usize>,
        step: usize,
        outputs: &mut Outputs<'_>,
    ) -> Result<(), NnError> {
        if !self.callbacks.is_empty() {
            let new = outputs.new_rows()?;
            self.each(steps, |c, inference| c.on_predict_batch_end(step - 1, &new, inference))?;
        }
        outputs.shown = outputs.rows;
        Ok(())
    }

    /// Compiles the programs whose sizes are known before the first step. Returns the number of
    /// steps, if it is known.
    fn begin<'a: 'm, 'm>(
        &mut self,
        kind: Kind,
        supply: &mut Supply<'_, 'a, 'm>,
    ) -> Result<Option<usize>, NnError> {
        let weighted = supply.weighted() && kind == Kind::Evaluate;
        supply.begin(0, None)?;
        let keys = supply.sizes(0..1).map(|batch| Key { kind, batch, weighted });
        self.session.prepare(self.plan, self.options, keys, 0)?;
        self.progress.compiled(self.session.compilations(), supply.batch_size());
        self.progress.begin(supply.steps());
        Ok(supply.steps())
    }

    fn each(
        &mut self,
        steps: Option<usize>,
        call: impl Fn(&mut dyn Callback, &mut Inference<'_>) -> Result<(), NnError>,
    ) -> Result<(), NnError> {
        let mut inference = Inference { steps, session: self.session };
        self.callbacks.iter_mut().try_for_each(|callback| call(&mut **callback, &mut inference))
    }
}

/// The outputs of a prediction, one after the other.
struct Outputs<'p> {
    ports: &'p [Port],
    /// The elements of each output.
    values: Vec<Vec<f32>>,
    /// The samples so far, and how many of them callbacks have seen.
    rows: usize,
    shown: usize,
}

impl<'p> Outputs<'p> {
    /// Room for the outputs of so many samples, if their number is known.
    fn new(ports: &'p [Port], samples: Option<usize>) -> Result<Self, NnError> {
        let room = |port: &Port| {
            let count = samples.unwrap_or(0).saturating_mul(port.ty.shape.elements());
            brolga_memory::with_capacity(count).map_err(RuntimeError::from)
        };
        let values = ports.iter().map(room).collect::<Result<_, _>>()?;
        Ok(Self { ports, values, rows: 0, shown: 0 })
    }

    /// Appends the outputs of a batch.
    fn push<'v>(
        &mut self,
        samples: usize,
        output: impl Fn(usize) -> Result<&'v [f32], NnError>,
    ) -> Result<(), NnError> {
        self.rows += samples;
        for (number, values) in self.values.iter_mut().enumerate() {
            let new = output(number)?;
            brolga_memory::reserve(values, new.len()).map_err(RuntimeError::from)?;
            values.extend_from_slice(new);
        }
        Ok(())
    }

    /// The outputs of the samples that callbacks have not seen.
    fn new_rows(&self) -> Result<Vec<ArrayViewD<'_, f32>>, NnError> {
        let mut views = vec![];
        for (port, values) in self.ports.iter().zip(&self.values) {
            let new = &values[self.shown * port.ty.shape.elements()..];
            let view = ArrayViewD::from_shape(shape(port, self.rows - self.shown), new);
            views.push(view.map_err(wrong_rows)?);
        }
        Ok(views)
    }

    fn into_arrays(self) -> Result<Vec<ArrayD<f32>>, NnError> {
        let rows = self.rows;
        let array = |(port, values): (&Port, Vec<f32>)| {
            ArrayD::from_shape_vec(shape(port, rows), values).map_err(wrong_rows)
        };
        self.ports.iter().zip(self.values).map(array).collect()
    }
}

/// The shape of an output for so many samples.
fn shape(port: &Port, samples: usize) -> IxDyn {
    let shape = std::iter::once(samples).chain(port.ty.shape.iter().copied());
    IxDyn(&shape.collect::<Vec<_>>())
}

fn wrong_rows(_: ndarray::ShapeError) -> NnError {
    let message = "predict: the model's output does not have one row for each sample";
    Mistake::new(message).help("layers must keep the first axis, the batch").into()
}
