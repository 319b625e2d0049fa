//! Why passes fail.

use brolga_ir::{Mistake, VerifyErrors};

use crate::contract::Violation;

/// Why a graph could not be optimized.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// The graph given is not valid. The caller's fault.
    #[error("the graph given to the passes is not valid\n{0}")]
    Input(VerifyErrors),
    /// There is no pass of this name. The caller's fault.
    #[error("there is no pass `{name}`\n  help: the passes are {}", known.join(", "))]
    UnknownPass {
        /// The name asked for.
        name: String,
        /// The names of all passes.
        known: Vec<String>,
    },
    /// A required pass was to be skipped. The caller's fault.
    #[error("the pass `{name}` cannot be skipped: without it the graph cannot be compiled")]
    Required {
        /// The pass.
        name: String,
    },
    /// A pass built a node that its op rejects. A bug of the pass.
    #[error("the pass `{pass}` built a wrong node: {mistake}")]
    Mistake {
        /// The pass.
        pass: String,
        /// What the op says.
        mistake: Mistake,
    },
    /// The graph is not valid after a pass. A bug of the pass.
    #[error("the graph is not valid after the pass `{pass}`\n{errors}")]
    Verify {
        /// The pass.
        pass: String,
        /// What the verifier says.
        errors: VerifyErrors,
    },
    /// A pass exceeded the limit on rewrites. A bug of the pass.
    #[error(
        "the pass `{pass}` does not come to an end: it was stopped after {rewrites} rewrites, the last of them `{rule}`"
    )]
    Endless {
        /// The pass.
        pass: String,
        /// How many rewrites it made.
        rewrites: usize,
        /// The last rule.
        rule: &'static str,
    },
    /// A pass changed the bits of an output. A bug of the pass.
    #[error("the pass `{pass}` changes {output} of graph `{graph}`: {difference}")]
    Bits {
        /// The pass.
        pass: String,
        /// The graph.
        graph: String,
        /// The output.
        output: String,
        /// Where the bits differ.
        difference: String,
    },
    /// The result is not a graph of kernels. A bug of a pass.
    #[error("the graph is not a graph of kernels\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Contract(Vec<Violation>),
}

/// The driver fills in the name of the pass.
impl From<Mistake> for PassError {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake { pass: String::new(), mistake }
    }
}

impl PassError {
    /// The same error with the name of the pass in which it arose.
    pub(crate) fn of(self, name: &str) -> Self {
        match self {
            Self::Mistake { mistake, .. } => Self::Mistake { pass: name.to_owned(), mistake },
            other => other,
        }
    }
}
