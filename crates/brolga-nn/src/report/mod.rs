//! Output for users: summaries and progress.

mod compilation;
mod filling;
mod line;
mod progress;
mod summary;
mod table;
mod verbose;

pub use compilation::Compilation;
pub use summary::{Size, Summary, SummaryRow};
pub use verbose::Verbose;

pub(crate) use filling::Filling;
pub(crate) use line::exponential;
pub(crate) use progress::Progress;
pub(crate) use verbose::View;

pub(crate) use summary::{LINE_LENGTH, LONGEST_LINE};

use std::fmt::Display;
use std::io::{self, Write};

use console::Term;

/// Writes to the standard output, whose errors are ignored.
pub(crate) fn print(text: impl Display) {
    write!(io::stdout(), "{text}").unwrap_or_default();
}

/// The length of a summary's lines on the standard output, chosen as Keras does.
pub(crate) fn line_length() -> usize {
    match Term::stdout().size_checked() {
        Some((_, columns)) => usize::from(columns).saturating_sub(4).min(LONGEST_LINE),
        None => LINE_LENGTH,
    }
}
