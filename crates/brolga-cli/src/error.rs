//! What can go wrong in a command.

use std::io;

use brolga_autodiff::GradError;
use brolga_files::FilesError;
use brolga_ir::{EvalError, ParseError, ParseErrors, VerifyErrors};
use brolga_nn::NnError;
use brolga_onnx::OnnxError;
use brolga_passes::PassError;
use brolga_passes::filetest::TestError;
use brolga_record::RecordError;
use brolga_runtime::RuntimeError;
use serde_json::{Value, json};

/// Why a command fails. The user's fault, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Neither a built-in model nor a file.
    #[error(
        "there is no model and no file `{name}`\n  help: the models are {models}; a file is an IR text, a model that ends in .onnx, .keras or .h5, or a record that ends in .brolga, and - is standard input"
    )]
    UnknownSubject {
        /// What was asked for.
        name: String,
        /// The names of all models.
        models: String,
    },
    /// Nobody's fault: a file cannot be read.
    #[error("`{path}` cannot be read: {error}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// Nobody's fault: standard error cannot be written.
    #[error("the output cannot be written: {0}")]
    Write(#[from] io::Error),
    /// Arguments that do not fit each other or the subject.
    #[error("{message}\n  help: {help}")]
    Argument {
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
    /// Mistakes in an IR text.
    #[error(transparent)]
    Parse(#[from] ParseErrors),
    /// A graph that is not valid.
    #[error(transparent)]
    Verify(#[from] VerifyErrors),
    /// The gradient cannot be computed.
    #[error(transparent)]
    Grad(#[from] GradError),
    /// A pass of an unknown name, or a bug of one.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// A test of passes fails, or cannot be read.
    #[error(transparent)]
    Test(#[from] TestError),
    /// A kernel has no native code.
    #[error(transparent)]
    Codegen(#[from] brolga_codegen::Error),
    /// The graph cannot be planned, linked or run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The graph cannot be interpreted.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// A model of an ONNX file is not read, or makes no graph.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// A record cannot be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file of a model or of arrays is not read or written.
    #[error(transparent)]
    Files(Box<FilesError>),
    /// A built-in model cannot be traced, or a file not written.
    #[error(transparent)]
    Model(Box<NnError>),
}

impl From<NnError> for CliError {
    fn from(error: NnError) -> Self {
        Self::Model(Box::new(error))
    }
}

impl From<FilesError> for CliError {
    fn from(error: FilesError) -> Self {
        Self::Files(Box::new(error))
    }
}

impl CliError {
    pub(crate) fn argument(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Argument { message: message.into(), help: help.into() }
    }

    /// The error in the form in which compilers show errors.
    pub(crate) fn rendered(&self) -> String {
        match self {
            // These have `error` after their locations.
            Self::Parse(_) | Self::Verify(_) | Self::Test(_) => self.to_string(),
            _ => format!("error: {self}"),
        }
    }

    /// The message, and each mistake in a text with its location.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "message": self.to_string(), "mistakes": self.mistakes() })
    }

    fn mistakes(&self) -> Vec<Value> {
        match self {
            Self::Parse(errors) => errors.errors().iter().map(mistake_json).collect(),
            Self::Test(error) => error.mistakes().iter().map(mistake_json).collect(),
            Self::Verify(errors) => (errors.errors().iter())
                .map(|error| {
                    json!({
                        "graph": error.graph,
                        "statement": error.statement,
                        "message": error.message,
                        "help": error.help,
                    })
                })
                .collect(),
            _ => vec![],
        }
    }
}

fn mistake_json(mistake: &ParseError) -> Value {
    json!({
        "file": &*mistake.file,
        "line": mistake.line,
        "column": mistake.column,
        "length": mistake.length,
        "text": mistake.text,
        "message": mistake.message,
        "help": mistake.help,
    })
}
