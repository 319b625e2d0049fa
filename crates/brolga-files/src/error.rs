//! What can go wrong with files.

use std::io;
use std::path::{Path, PathBuf};

use brolga_ir::Mistake;
use brolga_nn::NnError;
use brolga_onnx::{ExportError, OnnxError};

use crate::mismatch::Mismatches;

/// Why a file is not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The file is damaged, of another kind than its name says, or holds what is not supported.
    #[error("{}: {mistake}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The mistake.
        mistake: Mistake,
    },
    /// The system cannot read or write the file.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The model of the file cannot be built, or a model cannot be written.
    #[error("{}: {error}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: Box<NnError>,
    },
    /// The weights of the file are others than those of the model.
    #[error("{}: {mismatches}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        mismatches: Box<Mismatches>,
    },
    /// An ONNX model is not read.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
    /// A model is not written as ONNX.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// A mistake in the content of a file, before its path is known.
pub(crate) type Content<T> = Result<T, Mistake>;

impl FilesError {
    pub(crate) fn file(path: &Path, mistake: Mistake) -> Self {
        Self::File { path: path.to_owned(), mistake }
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn model(path: &Path, error: impl Into<NnError>) -> Self {
        match error.into() {
            // It has the path in its message.
            NnError::Io { path, source } => Self::Io { path, source },
            error => Self::Model { path: path.to_owned(), error: Box::new(error) },
        }
    }
}

/// Programs whose functions return errors of the frontend read and write files too.
impl From<FilesError> for NnError {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::Io { path, source } => Self::Io { path, source },
            other => Mistake::new(other.to_string()).into(),
        }
    }
}

/// A file that is not what it should be: cut off, changed, or of another format.
pub(crate) fn damaged(what: impl std::fmt::Display) -> Mistake {
    Mistake::new(what.to_string())
        .help("the file is damaged, or not of the format that its name says")
}

/// The content of a file, with what the machine grants as its limit.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    match brolga_nn::files::check_regular(path) {
        Ok(_) => brolga_memory::read(path).map_err(|source| FilesError::io(path, source)),
        Err(error) => Err(FilesError::model(path, error)),
    }
}

/// Replaces a file as a whole: a crash leaves the old one or the new one.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), FilesError> {
    brolga_nn::files::replace(path, content).map_err(|error| FilesError::model(path, error))
}
