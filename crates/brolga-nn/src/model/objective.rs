//! What is computed of each output besides its value: losses and metrics under the names under
//! which they are reported.

use std::collections::HashSet;
use std::sync::Arc;

use brolga_ir::Mistake;

use super::batch::check_output;
use super::compile::{Compiled, Reported};
use crate::error::NnError;
use crate::losses::{Labels, Loss};
use crate::metrics::{self, Direction, Metric};
use crate::network::Port;

/// The loss and the metrics of an output; there is one of them at least.
#[derive(Debug, Clone)]
pub(crate) struct Objective {
    /// The number of the output.
    pub(crate) output: usize,
    pub(crate) loss: Option<Arc<dyn Loss>>,
    /// The factor of the loss in the total.
    pub(crate) weight: f64,
    /// The name under which the loss is reported beside the total; `None` where it is the total.
    pub(crate) loss_name: Option<String>,
    pub(crate) metrics: Vec<Measured>,
}

/// A metric of an output.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// The name under which it is reported.
    pub(crate) name: String,
    /// The names of its numbers.
    pub(crate) names: Vec<String>,
    pub(crate) metric: Arc<dyn Metric>,
    /// Whether samples count as much as they do in the loss.
    pub(crate) weighted: bool,
}

impl Objective {
    /// What the labels are; of an output without a loss they are as many numbers as it has.
    pub(crate) fn labels(&self) -> Labels {
        self.loss.as_ref().map_or(Labels::Values, |loss| loss.labels())
    }
}

impl Compiled {
    /// The objectives of a model with these outputs.
    ///
    /// # Errors
    /// If there is no loss at all, an output is named that the model has not, a loss does not fit
    /// its output, or two numbers would be reported under one name.
    pub(crate) fn objectives(
        &self,
        outputs: &[Port],
        method: &'static str,
    ) -> Result<Vec<Objective>, NnError> {
        if self.losses.is_empty() {
            return Err(NnError::NotCompiled { method, missing: "loss" });
        }
        self.check_outputs(outputs)?;
        let own =
            |port: &Port, name: &Option<String>| name.as_ref().is_none_or(|n| *n == port.name);
        let loss_of = |port: &Port| {
            // The last one that was given counts.
            self.losses.iter().rev().find(|(name, _)| own(port, name)).map(|(_, loss)| loss)
        };
        let several = outputs.iter().filter(|port| loss_of(port).is_some()).count() > 1;
        let prefixed = |port: &Port, name: &str| match outputs.len() {
            1 => name.to_owned(),
            _ => format!("{}_{name}", port.name),
        };
        let mut objectives = vec![];
        for (output, port) in outputs.iter().enumerate() {
            let loss = loss_of(port).cloned();
            let measured = |metric: &Reported| {
                let (name, weighted) = (prefixed(port, &metric.name), metric.weighted);
                let names = metrics::names(&*metric.metric, &name, &port.ty);
                Measured { name, names, metric: metric.metric.clone(), weighted }
            };
            let metrics = self.metrics.iter().filter(|metric| own(port, &metric.output));
            let metrics: Vec<_> = metrics.map(measured).collect();
            if let Some(loss) = &loss {
                check_output(port, &**loss)?;
            }
            if loss.is_none() && metrics.is_empty() {
                continue;
            }
            let weight = self.loss_weights.iter().rev().find(|(name, _)| *name == port.name);
            let weight = weight.map_or(1.0, |(_, weight)| *weight);
            let loss_name = (several && loss.is_some()).then(|| prefixed(port, "loss"));
            objectives.push(Objective { output, loss, weight, loss_name, metrics });
        }
        check_names(&objectives)?;
        Ok(objectives)
    }

    /// Fails if an output is named that is not among these.
    fn check_outputs(&self, outputs: &[Port]) -> Result<(), NnError> {
        let losses = self.losses.iter().filter_map(|(name, _)| name.as_ref());
        let weights = self.loss_weights.iter().map(|(name, _)| name);
        let metrics = self.metrics.iter().filter_map(|metric| metric.output.as_ref());
        let mut named = losses.chain(weights).chain(metrics);
        let known: Vec<String> = outputs.iter().map(|port| port.name.clone()).collect();
        match named.find(|name| !known.contains(name)) {
            Some(unknown) => Err(NnError::unknown("output", unknown, &known)),
            None => Ok(()),
        }
    }
}

/// Fails if two numbers would be reported under one name.
fn check_names(objectives: &[Objective]) -> Result<(), NnError> {
    let losses = objectives.iter().filter_map(|objective| objective.loss_name.clone());
    let losses: HashSet<String> = losses.chain(["loss".to_owned()]).collect();
    let mut names = HashSet::new();
    let metrics = objectives.iter().flat_map(|objective| &objective.metrics);
    let numbers = metrics.flat_map(|m| m.names.iter().map(move |name| (name, &m.metric)));
    for (name, metric) in numbers {
        let message = if losses.contains(name) {
            format!("compile: a metric has the name `{name}`, under which the loss is reported")
        } else if !names.insert(name) {
            format!("compile: two metrics have the name `{name}`")
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

/// The names under which losses and metrics are reported, in Keras's order.
pub(crate) fn reported(objectives: &[Objective]) -> Vec<String> {
    let losses = objectives.iter().filter_map(|objective| objective.loss_name.clone());
    let metrics =
        objectives.iter().flat_map(|o| &o.metrics).flat_map(|metric| metric.names.clone());
    ["loss".to_owned()].into_iter().chain(losses).chain(metrics).collect()
}

/// Which values are better, where that is known.
pub(crate) fn directions(objectives: &[Objective]) -> Vec<(String, Direction)> {
    let metrics = objectives.iter().flat_map(|objective| &objective.metrics);
    let metrics = metrics.filter_map(|m| Some((&m.names, m.metric.direction()?)));
    let metrics = metrics.flat_map(|(names, best)| names.iter().map(move |n| (n.clone(), best)));
    let losses = objectives.iter().filter_map(|objective| objective.loss_name.clone());
    let losses = losses.chain(["loss".to_owned()]).map(|name| (name, Direction::Min));
    metrics.chain(losses).collect()
}
