//! What runs, but most likely not as it was meant: looked for once, when a training begins.

mod labels;
mod scale;

use labels::{Classes, metric_of_labels};
use scale::unscaled;

use super::fit::Fit;
use super::objective::{Measured, Objective};
use super::run::Sources;
use super::session::Session;
use super::step::Plan;
use super::supply::Supply;
use crate::data::Data;
use crate::error::NnError;
use crate::head::Head;
use crate::losses::{Labels, Loss};
use crate::network::{Built, BuiltLayer, Port};
use crate::optimizers::LearningRate;
use crate::registry::{Object, snake_case};
use crate::warning::{Warning, WarningKind};

/// What is known when a model is compiled.
pub(crate) fn of_outputs(outputs: &[Port], objectives: &[Objective]) -> Vec<Warning> {
    let of = |objective: &Objective| {
        let port = &outputs[objective.output];
        let loss = objective.loss.as_ref().and_then(|loss| activation(port, &**loss));
        let metrics = objective.metrics.iter().filter_map(|m| metric_of_output(port, objective, m));
        loss.into_iter().chain(metrics).collect::<Vec<_>>()
    };
    objectives.iter().flat_map(of).collect()
}

/// What is known when a training begins; `classes` are those that have a weight.
pub(crate) fn of_training(
    plan: &Plan<'_>,
    objectives: &[Objective],
    fit: &Fit<'_>,
    (sources, classes): (&Sources<'_, '_, '_>, impl Iterator<Item = i64>),
) -> Vec<Warning> {
    let Sources { supply, validation, is_split, unseen } = sources;
    let built = plan.built;
    let mut warnings = of_outputs(&built.outputs, objectives);
    warnings.extend(nothing_trained(built));
    warnings.extend(built.layers.iter().filter_map(dropped_mask));
    let is_dataset = supply.samples().is_none();
    warnings.extend(arguments(fit, supply.samples()));
    let Some(samples) = supply.known() else { return warnings };
    for objective in objectives {
        let port = &built.outputs[objective.output];
        let Some(y) = samples.input(&port.program_input("y", &built.outputs)) else { continue };
        let metrics = objective.metrics.iter();
        warnings.extend(metrics.filter_map(|m| metric_of_labels(port, objective, m, y)));
        let Some(classes) = Classes::of(port, objective) else { continue };
        if !is_dataset {
            warnings.extend(classes.one_class(y));
        }
        let split = validation.as_ref().filter(|_| *is_split).and_then(Supply::known);
        let y_split = split.and_then(|v| v.input(&port.program_input("y", &built.outputs)));
        warnings.extend(y_split.and_then(|y_split| classes.only_in_split(y, y_split)));
    }
    warnings.extend(class_weights(&built.outputs, objectives, classes, unseen.as_deref()));
    warnings.extend(unscaled(plan, samples));
    warnings
}

/// Arguments that have no effect, or a strange one, for so many samples; `None`: a dataset.
fn arguments(fit: &Fit<'_>, samples: Option<usize>) -> Option<Warning> {
    match (samples, fit.batch_size) {
        (None, _) if fit.shuffle == Some(true) => {
            let message =
                "fit: `shuffle` has no effect on a dataset, whose batches come in its own order";
            let help = "shuffle where the batches are made, and leave `shuffle` out";
            Some(Warning::new(WarningKind::Dataset, message, help))
        }
        (Some(samples), Some(size)) if size > samples => {
            let message = format!(
                "fit: `batch_size` is {size}, but there are {samples} samples: an epoch is one step"
            );
            let help = "give a smaller batch_size, such as 32, or more samples";
            Some(Warning::new(WarningKind::BatchSize, message, help))
        }
        _ => None,
    }
}

/// Classes with a weight and without a sample: `unseen` of arrays, all that the output has not.
fn class_weights(
    outputs: &[Port],
    objectives: &[Objective],
    given: impl Iterator<Item = i64>,
    unseen: Option<&[i64]>,
) -> Option<Warning> {
    let [objective] = objectives else { return None };
    let port = &outputs[objective.output];
    let mut never: Vec<i64> = match unseen {
        Some(unseen) => unseen.to_vec(),
        None => {
            let count = Classes::of(port, objective)?.count as i64;
            given.filter(|class| !(0..count).contains(class)).collect()
        }
    };
    if never.is_empty() {
        return None;
    }
    never.sort_unstable();
    let message =
        format!("fit: `class_weight` names {}, of which there is no sample", named(&never));
    let help = "class numbers count from 0, and are those of the labels; leave out classes without samples";
    Some(Warning::new(WarningKind::ClassWeight, message, help))
}

/// A learning rate of 0 in the first step, unless a schedule lets it rise from there at once.
pub(crate) fn learning_rate(
    plan: &Plan<'_>,
    session: &mut Session,
) -> Result<Option<Warning>, NnError> {
    if session.learning_rate() != Some(0.0) {
        return Ok(None);
    }
    let schedule = plan.compiled.map(|compiled| compiled.optimizer.learning_rate());
    let of_schedule = match schedule {
        Some(rate @ LearningRate::Schedule(_)) => {
            if rate.at(session.iterations()? + 1.0)? != 0.0 {
                return Ok(None);
            }
            " its schedule begins with 0,"
        }
        _ => "",
    };
    let message =
        format!("fit: the learning rate is 0:{of_schedule} the optimizer changes no weight");
    let help = "give the optimizer a learning rate above 0, such as Adam::new(1e-3)";
    Ok(Some(Warning::new(WarningKind::LearningRate, message, help)))
}

/// The end of the data before the end of an epoch.
pub(crate) fn out_of_data(epoch: usize, steps: usize, asked: Option<usize>) -> Warning {
    let asked = asked.unwrap_or_default();
    let message =
        format!("fit: the data ended in epoch {} after {steps} of {asked} steps", epoch + 1);
    let help = "give as many batches as steps_per_epoch times epochs, or fewer steps_per_epoch; a dataset that \
                repeats its batches never ends";
    Warning::new(WarningKind::OutOfData, message, help)
}

fn nothing_trained(built: &Built) -> Option<Warning> {
    if built.weights().any(|weight| weight.trainable) {
        return None;
    }
    let message = match built.weights().count() {
        0 => "fit: the model has no weights: nothing is trained".to_owned(),
        count => format!("fit: all {count} weights of the model are frozen: nothing is trained"),
    };
    let help = "add layers with weights, or let some of them be trained: `.trainable(true)`";
    Some(Warning::new(WarningKind::NothingTrained, message, help))
}

/// A mask that nothing behind a layer knows of any more.
fn dropped_mask(layer: &BuiltLayer) -> Option<Warning> {
    let BuiltLayer { name, class_name, drops_mask, .. } = layer;
    let message = format!(
        "fit: layer `{name}` ({class_name}) drops the mask of its input: behind it masked steps count as others do"
    );
    let help = "`.supports_masking(false)` says that it is meant; `.supports_masking(true)` hands the mask on, if the \
                layer keeps the steps; without `mask_zero` or Masking there is no mask";
    drops_mask.then(|| Warning::new(WarningKind::Mask, message, help))
}

/// A loss that knows logits and probabilities, and gets the other of them.
fn activation(port: &Port, loss: &dyn Loss) -> Option<Warning> {
    let from_logits = argument(loss, "from_logits")?.as_bool()?;
    let (layer, loss_name) = (&port.name, snake_case(loss.class_name()));
    let several = port.ty.shape.last().is_some_and(|&units| units > 1);
    let fitting = if several && loss.labels() != Labels::Values { "softmax" } else { "sigmoid" };
    let (message, help) = match (port.head, from_logits) {
        (Head::Softmax | Head::Sigmoid, true) => {
            let made = if port.head == Head::Softmax { "softmax" } else { "sigmoid" };
            (
                format!(
                    "{loss_name}: `from_logits` is true, but the output of layer `{layer}` is a {made} already: it \
                     is applied twice"
                ),
                "leave from_logits out, or the activation of the last layer".to_owned(),
            )
        }
        (Head::Linear, false) => (
            format!(
                "{loss_name}: it takes probabilities, but the output of layer `{layer}` is any number, since it \
                 has no activation"
            ),
            format!(
                "give the last layer the activation \"{fitting}\", or say that its output is logits: \
                 {}::new().from_logits(true)",
                loss.class_name()
            ),
        ),
        _ => return None,
    };
    Some(Warning::new(WarningKind::Activation, message, help))
}

/// What a metric compares.
#[derive(Clone, Copy, PartialEq)]
enum Compares {
    /// Answers of yes or no.
    Binary,
    /// The classes of vectors.
    Classes,
    /// Something else.
    Other,
}

impl Compares {
    fn of(port: &Port, objective: &Objective, metric: &dyn Object) -> Self {
        let one = port.ty.shape.last().is_none_or(|&units| units == 1);
        match metric.class_name() {
            "Accuracy" if one => Self::Binary,
            "Accuracy" if objective.labels() == Labels::Values => Self::Classes,
            "CategoricalAccuracy" | "SparseCategoricalAccuracy" => Self::Classes,
            "BinaryAccuracy"
            | "AUC"
            | "Precision"
            | "Recall"
            | "TruePositives"
            | "TrueNegatives"
            | "FalsePositives"
            | "FalseNegatives"
            | "PrecisionAtRecall"
            | "RecallAtPrecision"
            | "SensitivityAtSpecificity"
            | "SpecificityAtSensitivity"
            | "BinaryIoU" => Self::Binary,
            _ => Self::Other,
        }
    }
}

/// A metric that does not fit an output, whatever the labels are.
fn metric_of_output(port: &Port, objective: &Objective, measured: &Measured) -> Option<Warning> {
    let (name, metric) = (&measured.name, &*measured.metric);
    let layer = &port.name;
    let one = port.ty.shape.last().is_none_or(|&units| units == 1);
    let logits = || {
        let loss = objective.loss.as_ref()?;
        argument(&**loss, "from_logits")?.as_bool().filter(|&logits| logits)
    };
    let (message, help) = match Compares::of(port, objective, metric) {
        Compares::Classes if one => (
            format!(
                "the metric `{name}` compares classes, but the output of layer `{layer}` is one number: it is the \
                 same for all weights"
            ),
            "for answers of yes or no use \"binary_accuracy\", for other numbers \"mae\""
                .to_owned(),
        ),
        Compares::Binary if port.head == Head::Linear && logits().is_some() => {
            let threshold = argument(metric, "threshold").and_then(|x| x.as_f64()).unwrap_or(0.5);
            if threshold == 0.0 || !matches!(metric.class_name(), "Accuracy" | "BinaryAccuracy") {
                return None;
            }
            (
                format!(
                    "the metric `{name}` takes an output above {threshold} for yes, but the output of layer \
                     `{layer}` is logits, which mean yes above 0"
                ),
                "use metrics::BinaryAccuracy::new().threshold(0.0)".to_owned(),
            )
        }
        _ => return None,
    };
    Some(Warning::new(WarningKind::Metric, message, help))
}

/// `class 3`, `classes 3, 4, 5 and 7 more`.
fn named(classes: &[i64]) -> String {
    const MOST: usize = 5;
    let first: Vec<String> = classes.iter().take(MOST).map(ToString::to_string).collect();
    match classes.len() {
        1 => format!("class {}", first[0]),
        count if count > MOST => format!("classes {} and {} more", first.join(", "), count - MOST),
        _ => format!("classes {}", first.join(", ")),
    }
}

/// An argument of an object.
fn argument(object: &(impl Object + ?Sized), name: &str) -> Option<serde_json::Value> {
    object.config().ok()?.get(name).cloned()
}

/// How many elements of an array are looked at.
const LOOKED_AT: usize = 1 << 17;

/// Samples from everywhere in an array: as many as may be looked at.
fn spread(data: &Data<'_>) -> impl Iterator<Item = usize> + use<> {
    let (samples, width) = (data.samples(), data.sample_len().max(1));
    let most = (LOOKED_AT / width).clamp(1, 4096);
    (0..samples).step_by(samples.div_ceil(most).max(1))
}
