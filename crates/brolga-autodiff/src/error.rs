//! Why a graph has no gradient.

use brolga_ir::Mistake;

/// Why a gradient cannot be computed. All are the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GradError {
    /// The loss is not one float.
    #[error("the loss, {name}, must be one float, it is {given}\n  help: {help}")]
    NotAScalar {
        /// The parameter or node.
        name: String,
        /// Its type.
        given: String,
        /// The advice.
        help: &'static str,
    },
    /// A value to differentiate by is not a float.
    #[error(
        "there is no gradient by {name}: it is {given}, not of floats\n  help: only floats have gradients; `cast` it to floats and differentiate by those"
    )]
    NotAFloat {
        /// The parameter or node.
        name: String,
        /// Its type.
        given: String,
    },
    /// No differentiable path leads from a parameter to the loss.
    #[error("there is no gradient by {name}: {end}\n  help: {help}")]
    NoPath {
        /// The parameter or node.
        name: String,
        /// Where the path ends.
        end: String,
        /// The advice.
        help: &'static str,
    },
    /// An op on the path cannot be differentiated.
    #[error("{node} has no gradient: {mistake}")]
    NoRule {
        /// The node with its layer.
        node: String,
        /// The mistake that its rule reports.
        mistake: Mistake,
    },
    /// A value is not in the graph.
    #[error(
        "{what} is not in the graph\n  help: the loss and what to differentiate by must be values of one graph"
    )]
    Foreign {
        /// Which of the arguments.
        what: String,
    },
}
