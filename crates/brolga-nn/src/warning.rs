//! Warnings: of what runs without an error, but most likely not as it was meant.

use std::env;
use std::fmt;
use std::io::{self, Write};

/// A sign that a training does not do what it was meant to do. Each is given once for a compiled
/// model, when a training begins (the end of the data: when it is reached), and written to the
/// standard error.
///
/// [`Model::warnings`](crate::model::Model::warnings) has those of a model,
/// [`Compile::warnings`](crate::Compile::warnings) and the variable `BROLGA_WARNINGS=ignore` turn
/// writing off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// What was found.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// No weight is trained: all are frozen, or there are none.
    NothingTrained,
    /// A metric does not fit the output, the loss or the labels.
    Metric,
    /// A loss takes an output for probabilities that are none, or applies an activation again.
    Activation,
    /// A class has a weight, but no sample.
    ClassWeight,
    /// All labels are of one class.
    OneClass,
    /// The validation part of a split has classes that the other part has not.
    ValidationSplit,
    /// Numbers such as 0 to 255 go into the first layer as they are.
    Unscaled,
    /// The learning rate is 0.
    LearningRate,
    /// A batch is larger than all samples together.
    BatchSize,
    /// An argument has no effect beside a dataset.
    Dataset,
    /// The data ended before the steps that were asked for.
    OutOfData,
    /// A layer drops the mask of its input.
    Mask,
}

impl Warning {
    pub(crate) fn new(
        kind: WarningKind,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { kind, message: message.into(), help: help.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  help: {}", self.message, self.help)
    }
}

/// The variable that turns warnings off.
const VARIABLE: &str = "BROLGA_WARNINGS";

/// The warnings of a model.
#[derive(Debug, Default)]
pub(crate) struct Warnings {
    given: Vec<Warning>,
    written: bool,
}

impl Warnings {
    /// None yet; `written` says whether they are written to the standard error.
    pub(crate) fn new(written: bool) -> Self {
        Self { given: vec![], written }
    }

    /// Gives a warning, unless it was given before.
    pub(crate) fn give(&mut self, warning: Warning) {
        if self.given.contains(&warning) {
            return;
        }
        if self.written && env::var_os(VARIABLE).is_none_or(|value| value != "ignore") {
            // A closed standard error does not end a training.
            writeln!(io::stderr(), "warning: {warning}").unwrap_or_default();
        }
        self.given.push(warning);
    }

    /// Those that were given.
    pub(crate) fn given(&self) -> &[Warning] {
        &self.given
    }
}
