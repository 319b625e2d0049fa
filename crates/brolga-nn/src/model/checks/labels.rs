//! Labels that most likely are not what the loss or a metric takes them for.

use std::collections::BTreeSet;

use super::{Compares, argument, named, spread};
use crate::arguments::number;
use crate::data::Data;
use crate::losses::Labels;
use crate::model::batch::class;
use crate::model::objective::{Measured, Objective};
use crate::network::Port;
use crate::warning::{Warning, WarningKind};

/// A metric that compares classes, where labels are other numbers.
pub(super) fn metric_of_labels(
    port: &Port,
    objective: &Objective,
    measured: &Measured,
    y: &Data<'_>,
) -> Option<Warning> {
    let name = &measured.name;
    let compares = Compares::of(port, objective, &*measured.metric);
    let what = match compares {
        Compares::Binary => {
            let (row, _, label) = y.find(spread(y), |label| label != 0.0 && label != 1.0)?;
            format!(
                "compares answers of yes or no, but a label is {} (sample {row})",
                number(label)
            )
        }
        Compares::Classes if objective.labels() == Labels::Values => {
            let width = port.ty.shape.last().copied().unwrap_or(1);
            let row = spread(y).find(|&row| !is_distribution(y, row, width))?;
            format!("compares classes, but the labels are no shares of classes (sample {row})")
        }
        _ => return None,
    };
    let message = format!("the metric `{name}` {what}");
    let help = "for numbers use \"mae\" or \"mse\"; labels of yes or no are 0 and 1, shares of classes add up to 1";
    Some(Warning::new(WarningKind::Metric, message, help))
}

/// Whether the labels of a sample are vectors of shares, which add up to 1.
fn is_distribution(y: &Data<'_>, row: usize, width: usize) -> bool {
    let mut labels = vec![0.0; y.sample_len()];
    y.gather_f32(&[row], &mut labels);
    labels.chunks(width.max(1)).all(|shares| {
        shares.iter().all(|&share| share >= 0.0) && (shares.iter().sum::<f32>() - 1.0).abs() < 1e-3
    })
}

/// How labels say classes.
pub(super) struct Classes {
    /// The elements of a label.
    width: usize,
    pub(super) count: usize,
    ignored: Option<i64>,
}

impl Classes {
    /// `None` where labels are no classes along the last axis.
    pub(super) fn of(port: &Port, objective: &Objective) -> Option<Self> {
        let units = port.ty.shape.last().copied().unwrap_or(1);
        let loss = objective.loss.as_ref()?;
        let labels = loss.labels();
        let axis = labels.class_axis(&port.ty).ok()?;
        if axis.is_some_and(|axis| axis + 1 != port.ty.shape.rank()) {
            // Shares of classes do not lie side by side.
            return None;
        }
        let (width, count, ignored) = match labels {
            Labels::Classes { ignored, .. } => (1, units, ignored),
            Labels::Distributions { .. } => (units, units, None),
            Labels::Values if units == 1 && argument(&**loss, "from_logits").is_some() => {
                (1, 2, None)
            }
            Labels::Identities | Labels::Sequences { .. } | Labels::Values => return None,
        };
        Some(Self { width, count, ignored })
    }

    /// The classes of a sample.
    fn of_sample(&self, y: &Data<'_>, sample: usize) -> impl Iterator<Item = i64> {
        let mut labels = vec![0.0; y.sample_len()];
        y.gather_f32(&[sample], &mut labels);
        let classes: Vec<i64> = labels.chunks(self.width.max(1)).map(class).collect();
        let ignored = self.ignored;
        classes.into_iter().filter(move |class| ignored != Some(*class))
    }

    pub(super) fn one_class(&self, y: &Data<'_>) -> Option<Warning> {
        let mut classes = (0..y.samples()).flat_map(|sample| self.of_sample(y, sample));
        let first = classes.next()?;
        if y.samples() < 2 || classes.any(|class| class != first) {
            return None;
        }
        let message = format!(
            "fit: all labels are of class {first}: the model learns to answer nothing else"
        );
        let help = "give samples of every class, and look at how the labels were made";
        Some(Warning::new(WarningKind::OneClass, message, help))
    }

    /// Classes that are in the part of a split alone. Some samples are looked at, and all of the
    /// others only for a class that those have not.
    pub(super) fn only_in_split(&self, y: &Data<'_>, split: &Data<'_>) -> Option<Warning> {
        let found = |y: &Data<'_>| -> BTreeSet<i64> {
            spread(y).flat_map(|sample| self.of_sample(y, sample)).collect()
        };
        let (training, validation) = (found(y), found(split));
        let absent = |class: &i64| {
            !(0..y.samples()).any(|sample| self.of_sample(y, sample).any(|other| other == *class))
        };
        let only: Vec<i64> = validation.difference(&training).copied().filter(absent).collect();
        if only.is_empty() {
            return None;
        }
        let message = format!(
            "fit: the validation_split has {}, which the rest of the samples does not have: it is cut off before \
             the samples are shuffled, and the labels seem to be sorted",
            named(&only)
        );
        let help = "shuffle samples and labels before fit, or give validation_data";
        Some(Warning::new(WarningKind::ValidationSplit, message, help))
    }
}
