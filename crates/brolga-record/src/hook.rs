//! Records of programs that do not know of it: the environment variable.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use crate::error::RecordError;
use crate::file;
use crate::record::{Machine, Program};

/// The environment variable with the path of the file to which programs are recorded. `%p` in it
/// stands for the number of the process.
pub const VARIABLE: &str = "BROLGA_RECORD";

/// A file to which programs are written one after the other. What has been written is a whole
/// record at any time, also if the process is killed later.
#[derive(Debug)]
pub struct Sink {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Sink {
    /// A file at this path. It is made, or emptied, when the first program is written.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), file: Mutex::new(None) }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a program.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn append(&self, program: &Program) -> Result<(), RecordError> {
        let failed = |source| RecordError::Io { path: self.path.clone(), source };
        let section = file::section_of_program(program)?;
        // A thread that panics leaves whole sections, or the error that it got.
        let mut open = self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let file = match open.take() {
            Some(file) => file,
            None => {
                let mut file = File::create(&self.path).map_err(failed)?;
                file.write_all(&file::header(&Machine::this())?).map_err(failed)?;
                file
            }
        };
        (&file).write_all(&section).map_err(failed)?;
        *open = Some(file);
        Ok(())
    }
}

/// The file that the environment variable names, if it is set. It is read once.
pub fn sink() -> Option<&'static Sink> {
    static SINK: OnceLock<Option<Sink>> = OnceLock::new();
    let named = || {
        let name = env::var_os(VARIABLE).filter(|name| !name.is_empty())?;
        Some(Sink::new(path(&name)))
    };
    SINK.get_or_init(named).as_ref()
}

/// The path, with the number of the process for `%p`.
fn path(name: &OsStr) -> PathBuf {
    match name.to_str() {
        Some(name) => name.replace("%p", &std::process::id().to_string()).into(),
        None => name.into(),
    }
}
