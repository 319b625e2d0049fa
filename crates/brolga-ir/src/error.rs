//! Errors of graphs.

use std::fmt;

use brolga_memory::NotGranted;

use crate::origin::{Location, Origin};
use crate::snippet::Snippet;

/// A mistake in an op and its operands, and what to do about it. The user's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The mistake: expected and given.
    pub message: String,
    /// The advice.
    pub help: Option<String>,
}

impl Mistake {
    /// A mistake described by a sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<String> for Mistake {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Mistake {}

/// The first mistake made while a graph was traced, with its location. The user's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceError {
    /// The mistake.
    pub mistake: Mistake,
    /// The layer and the caller's file and line.
    pub origin: Origin,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layer) = &self.origin.layer {
            write!(f, "layer `{layer}`: ")?;
        }
        f.write_str(&self.mistake.message)?;
        if let Some(Location { file, line }) = &self.origin.location {
            write!(f, "\n  at {file}:{line}")?;
        }
        if let Some(help) = &self.mistake.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for TraceError {}

/// Why a graph is not valid: a fault of the code that built or changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyError {
    /// The graph, or the path of the body: `train_step/conv_relu`.
    pub graph: String,
    /// The node as in the text, or the signature or `return`.
    pub statement: String,
    /// The first character of the statement that is wrong, from 1.
    pub column: usize,
    /// The number of characters that are wrong.
    pub length: usize,
    /// The mistake.
    pub message: String,
    /// The advice.
    pub help: Option<String>,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Snippet {
            title: format!("graph `{}`: error", self.graph),
            message: &self.message,
            line: None,
            text: &self.statement,
            column: self.column,
            length: self.length,
            help: self.help.as_deref(),
        }
        .fmt(f)
    }
}

impl std::error::Error for VerifyError {}

/// Everything that is wrong with a graph; at least one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyErrors {
    pub(crate) errors: Vec<VerifyError>,
}

impl VerifyErrors {
    /// The errors in the order of the text.
    pub fn errors(&self) -> &[VerifyError] {
        &self.errors
    }
}

impl fmt::Display for VerifyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            f.write_str(if index > 0 { "\n\n" } else { "" })?;
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for VerifyErrors {}

/// Why the interpreter cannot evaluate a graph. The caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// Another number of inputs than the signature has.
    #[error("graph `{graph}` takes {expected} inputs, {given} were given")]
    InputCount {
        /// The graph's name.
        graph: String,
        /// Inputs in the signature.
        expected: usize,
        /// Inputs given.
        given: usize,
    },
    /// An input of another type than the signature says.
    #[error("graph `{graph}`: input `%{name}` is {expected}, {given} was given")]
    InputType {
        /// The graph's name.
        graph: String,
        /// The input's name.
        name: String,
        /// The type in the signature.
        expected: String,
        /// The type given.
        given: String,
    },
    /// The values need more memory than the machine grants. None has been computed.
    #[error(
        "graph `{graph}`: on the interpreter {reason}\n  help: make the graph smaller, or compile it: native code needs less"
    )]
    Memory {
        /// The graph's name.
        graph: String,
        /// The memory that is needed, and the memory that the machine grants.
        reason: NotGranted,
    },
    /// The graph is not valid.
    #[error(transparent)]
    Invalid(#[from] VerifyErrors),
}
