//! Why a test fails.

use std::fmt;
use std::ops::Range;
use std::slice;

use brolga_ir::{ParseError, ParseErrors};

use crate::error::PassError;

/// How many lines of a result are shown.
const SHOWN: usize = 12;
/// How many lines are shown before the searched ones, and after a wrong one.
const AROUND: usize = 2;

/// Why a test fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TestError {
    /// Mistakes in the directives; at least one. The author's fault.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
    Directives(Vec<ParseError>),
    /// Mistakes in the graphs. The author's fault.
    #[error(transparent)]
    Graphs(#[from] ParseErrors),
    /// A pass or its input is wrong.
    #[error("{file}: error: {error}")]
    Pass {
        /// The file.
        file: String,
        /// What the pass manager says.
        error: PassError,
    },
    /// The result is not the expected one.
    #[error(transparent)]
    Mismatch(Box<Mismatch>),
}

impl TestError {
    /// The mistakes, each with its location in the file.
    pub fn mistakes(&self) -> &[ParseError] {
        match self {
            Self::Directives(mistakes) => mistakes,
            Self::Graphs(errors) => errors.errors(),
            Self::Pass { .. } => &[],
            Self::Mismatch(mismatch) => slice::from_ref(&mismatch.mistake),
        }
    }
}

/// A difference between the result and what the file expects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mismatch {
    /// What is expected.
    pub mistake: ParseError,
    /// The lines of the result that were searched and some around them, with their numbers.
    pub result: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  the result:\n{}", self.mistake, self.result)
    }
}

/// The lines that were searched and some around them, with their numbers; the wrong one is marked.
pub(super) fn excerpt(lines: &[&str], searched: Range<usize>, wrong: Option<usize>) -> String {
    let start = searched.start.saturating_sub(AROUND);
    let end = lines.len().min(searched.end + AROUND);
    let cut = end.min(start + SHOWN);
    let mut shown: Vec<String> = (start..cut)
        .map(|line| {
            let mark = if wrong == Some(line) { '>' } else { ' ' };
            format!("  {mark}{:>4} | {}", line + 1, lines[line]).trim_end().to_owned()
        })
        .collect();
    if cut < end {
        shown.push(format!("       … {} more lines", end - cut));
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bugs_of_passes_are_shown_with_the_file() {
        let error = PassError::Bits {
            pass: "wrong".to_owned(),
            graph: "f".to_owned(),
            output: "output 0".to_owned(),
            difference: "1 of 4 elements differ".to_owned(),
        };
        let error = TestError::Pass { file: "one.ir".to_owned(), error };
        insta::assert_snapshot!(error, @"one.ir: error: the pass `wrong` changes output 0 of graph `f`: 1 of 4 elements differ");
        assert!(error.mistakes().is_empty());
    }
}
