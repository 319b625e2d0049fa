//! Loss and metrics of an epoch, from what each step reports.

use std::sync::Arc;

use brolga_runtime::Executable;

use crate::error::NnError;
use crate::history::Logs;
use crate::metrics::Metric;

/// The sums of an epoch so far, in `f64`.
#[derive(Debug)]
pub(crate) struct Totals<'a> {
    metrics: &'a [(String, Arc<dyn Metric>)],
    loss: f64,
    samples: f64,
    parts: Vec<Vec<f64>>,
}

impl<'a> Totals<'a> {
    pub(crate) fn new(metrics: &'a [(String, Arc<dyn Metric>)]) -> Self {
        let parts = metrics.iter().map(|(_, metric)| metric.parts()).sum();
        Self { metrics, loss: 0.0, samples: 0.0, parts: vec![vec![]; parts] }
    }

    /// Adds the outputs of a step; returns its loss.
    pub(crate) fn add(&mut self, step: &Executable, samples: usize) -> Result<f32, NnError> {
        let loss = step.output::<f32>(0)?[0];
        self.loss += f64::from(loss) * samples as f64;
        self.samples += samples as f64;
        for (index, part) in self.parts.iter_mut().enumerate() {
            let given = step.output::<f32>(index + 1)?;
            part.resize(given.len(), 0.0);
            part.iter_mut().zip(given).for_each(|(total, &x)| *total += f64::from(x));
        }
        Ok(loss)
    }

    /// Writes the loss, the mean over the samples, and the metrics, with a prefix before their
    /// names.
    pub(crate) fn report(&self, prefix: &str, logs: &mut Logs) {
        logs.set_prefixed(prefix, "loss", self.loss / self.samples.max(1.0));
        let mut parts = self.parts.as_slice();
        for (name, metric) in self.metrics {
            let (own, rest) = parts.split_at(metric.parts());
            parts = rest;
            logs.set_prefixed(prefix, name, metric.result(own));
        }
    }
}
