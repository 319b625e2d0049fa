//! Errors between a model and its results.

use std::io;
use std::path::PathBuf;

use brolga_autodiff::GradError;
use brolga_ir::spelling::nearest;
use brolga_ir::{Mistake, TraceError};
use brolga_passes::PassError;
use brolga_record::RecordError;
use brolga_runtime::RuntimeError;

use crate::history::History;
use crate::nonfinite::NonFinite;

/// Why a model cannot be built, compiled, trained or read. The user's fault, unless the variant
/// says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum NnError {
    /// A name that nothing has.
    #[error("{message}\n  help: {help}")]
    UnknownName {
        /// The message, with the name that was asked for.
        message: String,
        /// The names that exist.
        help: String,
    },
    /// The arguments of an object, from Keras's config, that do not fit.
    #[error("{class}: {message}")]
    Config {
        /// The class.
        class: String,
        /// The mistake.
        message: String,
    },
    /// An argument that does not exist here, maybe one of Keras's.
    #[error("{class}: `{key}` = {value} is not supported{}", advice(.key, .nearest))]
    Unsupported {
        /// The class.
        class: String,
        /// The argument.
        key: String,
        /// Its value.
        value: String,
        /// An argument of nearly this name.
        nearest: Option<String>,
    },
    /// Arguments that contradict each other or the model.
    #[error(transparent)]
    Argument(#[from] Mistake),
    /// A layer, loss, metric or optimizer does not fit its inputs.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A weight has no gradient.
    #[error(transparent)]
    Gradient(#[from] GradError),
    /// A pass of the compiler is wrong: a bug of Brolga.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The program cannot be made ready or run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A record cannot be written: nobody's fault.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A method that needs a model that is built.
    #[error(
        "{method}: the model is not built: it does not know the shape of its input\n  help: {help}"
    )]
    NotBuilt {
        /// The method called.
        method: &'static str,
        /// The advice.
        help: &'static str,
    },
    /// A method that needs a compiled model.
    #[error(
        "{method}: the model is not compiled: it has no {missing}\n  help: call `model.compile(Compile::new().optimizer(\"adam\").loss(..))?` first"
    )]
    NotCompiled {
        /// The method called.
        method: &'static str,
        /// The missing part.
        missing: &'static str,
    },
    /// Arrays that should belong together have different numbers of samples.
    #[error(
        "{first} has {first_length} samples, but {second} has {second_length}\n  help: the first axis counts the samples; both need the same number"
    )]
    Lengths {
        /// One array.
        first: String,
        /// Its number of samples.
        first_length: usize,
        /// The other array.
        second: String,
        /// Its number of samples.
        second_length: usize,
    },
    /// An array without samples, or without elements.
    #[error(
        "{what} is empty: its shape is {shape:?}\n  help: there must be at least one sample, and no axis of extent 0"
    )]
    Empty {
        /// The array.
        what: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// Samples of another shape than the model takes.
    #[error("layer `{layer}` expects samples of shape {expected:?}, {what} of shape {given:?} has samples of shape {:?}{}", &given[1.min(given.len())..], help_line(.help))]
    InputShape {
        /// The model's first layer.
        layer: String,
        /// The array.
        what: String,
        /// The shape of a sample.
        expected: Box<[usize]>,
        /// The shape of the array.
        given: Box<[usize]>,
        /// The advice, where there is one.
        help: Option<String>,
    },
    /// Labels of a shape that the loss does not take.
    #[error("{loss} expects labels of shape {}, {what} has shape {}\n  help: {help}", with_batch(.expected), with_batch(.given))]
    LabelShape {
        /// The loss.
        loss: String,
        /// The array.
        what: String,
        /// The shape of one sample's labels.
        expected: Box<[usize]>,
        /// The shape of one sample's labels as given.
        given: Box<[usize]>,
        /// The advice.
        help: String,
    },
    /// A class number that the model has no output for.
    #[error("{what} has the label {value} at row {row}, but the model's output `{layer}` has {classes} classes: labels go from 0 to {}\n  help: {help}", classes.saturating_sub(1))]
    Label {
        /// The array.
        what: String,
        /// The label.
        value: f64,
        /// The sample.
        row: usize,
        /// The last layer.
        layer: String,
        /// How many classes the model has.
        classes: usize,
        /// The advice.
        help: String,
    },
    /// A number of the data that is NaN or infinite, met outside of training.
    #[error(
        "{input} has {value} in sample {sample}, at element {element} of the sample\n  help: every number of the data must be finite"
    )]
    Data {
        /// The array.
        input: String,
        /// The sample.
        sample: usize,
        /// The element within the sample.
        element: usize,
        /// The number.
        value: f64,
    },
    /// A number that is not finite appeared in training.
    #[error(transparent)]
    NonFinite(Box<NonFinite>),
    /// A training that ended before its last epoch.
    #[error("{error}")]
    Training {
        /// Why it ended.
        #[source]
        error: Box<NnError>,
        /// The epochs that it finished.
        history: Box<History>,
    },
    /// Weights that do not fit the model.
    #[error("{what}: weight {weight}, {given} was given")]
    Weight {
        /// Where the weights come from.
        what: String,
        /// The weight, its layer and its type.
        weight: String,
        /// The type or name that was given.
        given: String,
    },
    /// Not as many weights as the model has, or others.
    #[error("{what}: {message}\n  help: the weights must come from a model of the same layers")]
    Weights {
        /// Where the weights come from.
        what: String,
        /// The mistake.
        message: String,
    },
    /// A file that is not what its name says.
    #[error("{}: {message}\n  help: {help}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The mistake.
        message: String,
        /// The advice.
        help: &'static str,
    },
    /// The system cannot read or write a file.
    #[error("{}: {source}\n  help: {}", path.display(), io_help(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A batch of a dataset that cannot be used.
    #[error("{what}, batch {batch}: {error}")]
    Batch {
        /// What it was for: a method, an epoch, the validation.
        what: String,
        /// Which batch of it, from 1.
        batch: usize,
        /// Why.
        #[source]
        error: Box<NnError>,
    },
    /// The user's dataset gave an error in place of a batch.
    #[error("{0}")]
    Dataset(Box<dyn std::error::Error + Send + Sync>),
    /// A callback of the user's own failed.
    #[error("callback: {0}")]
    Callback(Box<dyn std::error::Error + Send + Sync>),
}

impl NnError {
    /// The epochs that a training finished before it ended with this error.
    ///
    /// ```
    /// # use brolga_nn::prelude::*;
    /// # fn train(model: &mut Sequential, x: &ndarray::Array2<f32>, y: &ndarray::Array1<f32>) -> Result<(), NnError> {
    /// let history = match model.fit(x, y, Fit::new().epochs(10)) {
    ///     Ok(history) => history,
    ///     Err(error) => error.history().cloned().ok_or(error)?,
    /// };
    /// # Ok(())
    /// # }
    /// ```
    pub fn history(&self) -> Option<&History> {
        match self {
            Self::Training { history, .. } => Some(history),
            _ => None,
        }
    }

    /// A name that is not among the known ones.
    pub(crate) fn unknown<S: AsRef<str>>(kind: &str, name: &str, known: &[S]) -> Self {
        let (message, help) = known_names(kind, name, known);
        Self::UnknownName { message, help }
    }

    /// The same error, found by a method.
    pub(crate) fn in_method(self, name: &'static str) -> Self {
        match self {
            Self::NotBuilt { help, .. } => Self::NotBuilt { method: name, help },
            other => other,
        }
    }

    /// The mistake, without its location.
    pub(crate) fn into_mistake(self) -> Mistake {
        match self {
            Self::UnknownName { message, help } => Mistake::new(message).help(help),
            Self::Argument(mistake) => mistake,
            other => Mistake::new(other.to_string()),
        }
    }
}

/// The advice for an error of the system.
fn io_help(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "check the path: its folder must exist, and a file to be read too"
        }
        io::ErrorKind::NotADirectory => "check the path: a part of it is a file, not a folder",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a path where the process may read and write, or change the permissions"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "free some space, or choose a path on another disk"
        }
        io::ErrorKind::TimedOut => "end the other process, or choose another path",
        _ => "check the path and its disk, or choose another path",
    }
}

/// What can be done about an argument that does not exist, or has a value that does not.
fn advice(key: &str, nearest: &Option<String>) -> String {
    match (key, nearest) {
        ("data_format", _) => {
            "\n  help: layouts are \"channels_last\": put a layer Permute before and after it"
                .to_owned()
        }
        (_, Some(name)) => format!("; did you mean `{name}`?"),
        (_, None) => String::new(),
    }
}

fn help_line(help: &Option<String>) -> String {
    help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default()
}

/// A shape with the batch in front: `(None, 28, 28, 1)`.
pub(crate) fn with_batch(sample: &[usize]) -> String {
    match sample {
        [] => "(None,)".to_owned(),
        _ => {
            let extents: Vec<_> = sample.iter().map(ToString::to_string).collect();
            format!("(None, {})", extents.join(", "))
        }
    }
}

/// The message and the advice for a name that is not among the known ones.
pub(crate) fn known_names<S: AsRef<str>>(kind: &str, name: &str, known: &[S]) -> (String, String) {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    let message = match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("there is no {kind} `{name}`; did you mean `{nearest}`?"),
        None => format!("there is no {kind} `{name}`"),
    };
    (message, format!("there are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_suggest_the_nearest() {
        let (message, help) = known_names("activation", "softmx", &["relu", "softmax"]);
        assert_eq!(message, "there is no activation `softmx`; did you mean `softmax`?");
        assert_eq!(help, "there are relu, softmax");
        assert_eq!(known_names("loss", "xyz", &["relu"]).0, "there is no loss `xyz`");
    }
}
