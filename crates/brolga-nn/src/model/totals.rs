//! Loss and metrics of several steps, from what each of them reports.

use brolga_runtime::Executable;

use super::objective::Objective;
use crate::error::NnError;
use crate::history::Logs;

/// The sums of the steps so far, in `f64`.
#[derive(Debug, Clone)]
pub(crate) struct Totals {
    /// The sums of the total loss and of those that are reported beside it.
    losses: Vec<f64>,
    samples: f64,
    /// The sums of the metrics' statistics.
    parts: Vec<Vec<f64>>,
}

impl Totals {
    pub(crate) fn new(objectives: &[Objective]) -> Self {
        let losses = objectives.iter().filter(|objective| objective.loss_name.is_some()).count();
        let metrics = objectives.iter().flat_map(|objective| &objective.metrics);
        let parts = metrics.map(|metric| metric.metric.parts()).sum();
        let (losses, parts) = (vec![0.0; 1 + losses], vec![vec![]; parts]);
        Self { losses, samples: 0.0, parts }
    }

    /// Adds the outputs of a step; returns its loss.
    pub(crate) fn add(&mut self, step: &Executable, samples: usize) -> Result<f32, NnError> {
        for (number, total) in self.losses.iter_mut().enumerate() {
            *total += f64::from(step.output::<f32>(number)?[0]) * samples as f64;
        }
        self.samples += samples as f64;
        let first = self.losses.len();
        for (number, part) in self.parts.iter_mut().enumerate() {
            let given = step.output::<f32>(first + number)?;
            part.resize(given.len(), 0.0);
            part.iter_mut().zip(given).for_each(|(total, &x)| *total += f64::from(x));
        }
        Ok(step.output::<f32>(0)?[0])
    }

    /// Writes the losses, means over the samples, and the metrics, with a prefix before their
    /// names.
    pub(crate) fn report(&self, objectives: &[Objective], prefix: &str, logs: &mut Logs) {
        let names = objectives.iter().filter_map(|objective| objective.loss_name.as_deref());
        for (name, total) in ["loss"].into_iter().chain(names).zip(&self.losses) {
            logs.set_prefixed(prefix, name, total / self.samples.max(1.0));
        }
        let mut parts = self.parts.as_slice();
        for metric in objectives.iter().flat_map(|objective| &objective.metrics) {
            let (own, rest) = parts.split_at(metric.metric.parts());
            parts = rest;
            for (name, number) in metric.names.iter().zip(metric.metric.results(own)) {
                logs.set_prefixed(prefix, name, number);
            }
        }
    }
}
