//! Why a record cannot be read or written.

use std::io;
use std::path::PathBuf;

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Nobody's fault: the system cannot read or write the file.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is something else. The caller's fault.
    #[error(
        "`{file}` is no record of Brolga\n  help: BROLGA_RECORD=run.brolga makes a program write one"
    )]
    Foreign {
        /// The file.
        file: String,
    },
    /// The file is of another version than this one reads.
    #[error(
        "`{file}` is a record of version {version}, version {known} is read here\n  help: read it with the Brolga that wrote it, or record the program again"
    )]
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
        /// The version known.
        known: u32,
    },
    /// The file is cut off or changed.
    #[error("the record `{file}` is damaged: {problem}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// The record is larger than the memory that the machine grants.
    #[error("the record `{file}` is too large: {reason}")]
    Memory {
        /// The file.
        file: String,
        /// What is granted.
        reason: brolga_memory::NotGranted,
    },
}
