//! Connectionist temporal classification.

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Labels, Loss, Losses, Reduction, loss, reduction};
use crate::activations::{ActivationFunction, LogSoftmax};
use crate::setters::setters;
use crate::trace::Prediction;

/// `−ln Σ p(π)` over all paths π through the frames that become the labels when equal neighbours
/// are merged and blanks are left out.
///
/// Predictions are logits `[batch, frames, classes]`, labels class numbers `[batch, labels]`. Class
/// 0 is the blank, and labels of 0 at the end of a row are none. The sum runs over `2·labels + 1`
/// states in each frame, in logarithms.
///
/// Labels have the length `max_length` or, by default, that of the frames.
///
/// Graves et al., "Connectionist temporal classification" (2006). Keras:
/// <https://keras.io/api/losses/probabilistic_losses/#ctc-class>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CTC {
    /// The length of the labels of a sample; that of the frames if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// How the losses of the samples become one number.
    #[serde(deserialize_with = "reduction")]
    pub reduction: Reduction,
}

loss!(CTC);

impl CTC {
    /// With the default reduction.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The length of the labels of a sample, of which those of 0 at the end are none; that of
        /// the frames by default.
        max_length: opt usize,
    }
}

impl Loss for CTC {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn labels(&self) -> Labels {
        Labels::Sequences { length: self.max_length }
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        ctc(y_true, &y_pred.output).into()
    }
}

/// The logarithm of a probability that is 0: small enough that nothing is added by it, and a
/// number, so that gradients are numbers too.
const NEVER: f64 = -1e30;

/// The loss of each sample: see [`CTC`]. `y_true: [batch, labels]`, `logits: [batch, frames,
/// classes]`; infinite if there are too few frames for the labels.
///
/// A mistake if the shapes do not fit, or there are more labels than frames.
#[track_caller]
#[must_use]
pub fn ctc(y_true: &Var, logits: &Var) -> Var {
    let tracer = logits.tracer();
    let ([batch, labels], [same, frames, classes]) = (&y_true.shape()[..], &logits.shape()[..])
    else {
        return tracer.fail(misfit(y_true.ty(), logits.ty()));
    };
    let (batch, labels, frames, classes) = (*batch, *labels, *frames, *classes);
    if batch != *same {
        return tracer.fail(misfit(y_true.ty(), logits.ty()));
    }
    if labels > frames {
        let message = format!("CTC: {labels} labels do not fit into {frames} frames");
        let help = "a label takes one frame at least; `max_length` is the length of the labels";
        return tracer.fail(Mistake::new(message).help(help));
    }
    let states = 2 * labels + 1;
    let never = |shape: [usize; 2]| tracer.full(&Type::new(logits.dtype(), shape), NEVER);
    // The states: a blank, the first label, a blank, and so on.
    let classes_of = y_true.cast(DType::I32);
    let spread = classes_of.reshape([batch, labels, 1]).pad(&[0, 0, 1], &[0, 0, 0]);
    let extended = spread.reshape([batch, 2 * labels]).pad(&[0, 0], &[0, 1]);
    // ln p of each state in each frame: rows of the table of samples and classes.
    let log_p = LogSoftmax::default().apply(logits);
    let table = log_p.transpose(&[0, 2, 1]).reshape([batch * classes, frames]);
    let sample = tracer.iota(Type::new(DType::I32, [batch, 1]), 0);
    let rows = sample * f64::from(u32::try_from(classes).unwrap_or(u32::MAX)) + &extended;
    let emitted = table.gather(&rows).transpose(&[2, 0, 1]);
    // A label may follow the one before it without a blank between, if both differ.
    let two_before = shifted(&extended, 2, &tracer.full(extended.ty(), 0.0));
    let skips = extended.ne(&extended.constant_like(0.0)).logical_and(&extended.ne(&two_before));
    let first = tracer.full(&Type::new(logits.dtype(), [batch, 1]), 0.0);
    let begin = match states {
        1 => first,
        _ => first.concat(&[&never([batch, states - 1])], 1),
    };
    let none = never([batch, states]);
    let (last, _) =
        tracer.scan("ctc").carries(&[&begin]).over(&[&emitted], 0).shared(&[&skips, &none]).run(
            |step| {
                let (before, skips, none) = (&step.carries[0], &step.shared[0], &step.shared[1]);
                let one = shifted(before, 1, none);
                let two = skips.select(&shifted(before, 2, none), none);
                let sum = log_sum(&[before, &one, &two]);
                (vec![sum + &step.slices[0]], vec![])
            },
        );
    // Paths end in the last label or in the blank after it.
    let count = classes_of.ne(&classes_of.constant_like(0.0)).cast(DType::I32);
    let end = count.reduce_sum(&[1], true) * 2.0;
    let places = tracer.iota(Type::new(DType::I32, [1, states]), 1);
    let is_end = places.eq(&end).logical_or(&places.eq(&(&end - 1.0)));
    let ends = is_end.select(&last[0], &none);
    let most = ends.reduce_max(&[1], true).stop_gradient();
    let sum = (&ends - &most).exp().reduce_sum(&[1], false).log() + most.reshape([batch]);
    let impossible = sum.lt(&sum.constant_like(NEVER / 2.0));
    impossible.select(&sum.constant_like(f64::INFINITY), &-sum)
}

fn misfit(labels: &Type, logits: &Type) -> Mistake {
    let message = format!(
        "CTC takes labels [batch, labels] and logits [batch, frames, classes], given {labels} and {logits}"
    );
    Mistake::new(message)
}

/// The columns moved to the right, and the first columns of `filled` before them.
fn shifted(x: &Var, by: usize, filled: &Var) -> Var {
    let [rows, columns] = x.shape()[..] else { return x.clone() };
    let by = by.min(columns);
    let part = |x: &Var, count: usize| x.slice(&[0, 0], &[rows, count], &[1, 1]);
    match by == columns {
        true => filled.clone(),
        false => part(filled, by).concat(&[&part(x, columns - by)], 1),
    }
}

/// `ln Σ eˣ`.
fn log_sum(terms: &[&Var; 3]) -> Var {
    let most = terms[0].maximum(terms[1]).maximum(terms[2]).stop_gradient();
    let sum = terms.map(|term| (term - &most).exp()).into_iter().reduce(|a, b| a + b);
    sum.map_or_else(|| most.clone(), |sum| sum.log() + &most)
}
