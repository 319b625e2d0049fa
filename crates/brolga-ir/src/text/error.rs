//! Mistakes in a text.

use std::fmt;
use std::sync::Arc;

use crate::snippet::Snippet;

/// A mistake in the text of a graph. The user's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The first character of the mistake in its line, from 1.
    pub column: usize,
    /// The number of characters of the mistake, at least 1.
    pub length: usize,
    /// The mistake: expected and given.
    pub message: String,
    /// The advice.
    pub help: Option<String>,
    /// The name of the file.
    pub file: Arc<str>,
    /// The line in which the mistake is.
    pub text: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, length, message, help, file, text } = self;
        Snippet {
            title: format!("{file}:{line}:{column}: error"),
            message,
            line: Some(*line),
            text,
            column: *column,
            length: *length,
            help: help.as_deref(),
        }
        .fmt(f)
    }
}

impl std::error::Error for ParseError {}

/// All mistakes found in a text, in the order of their positions; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseErrors {
    errors: Vec<ParseError>,
}

impl ParseErrors {
    pub(super) fn new(mut errors: Vec<ParseError>) -> Self {
        errors.sort_by_key(|error| (error.line, error.column));
        Self { errors }
    }

    /// The mistakes.
    pub fn errors(&self) -> &[ParseError] {
        &self.errors
    }
}

impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            f.write_str(if index > 0 { "\n\n" } else { "" })?;
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ParseErrors {}
