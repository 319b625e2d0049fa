//! Why a model is not read, or does not become a graph.

use std::fmt;
use std::io;
use std::path::PathBuf;

use brolga_ir::Mistake;
use brolga_memory::NotGranted;

/// Why a file is not read, or a model does not become a graph. The fault of the file, or of what the
/// caller bound; never of the program.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The system does not give the bytes.
    #[error("cannot read {}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The bytes are not a message of protocol buffers, or end within one.
    #[error(
        "{}: this is not an ONNX file, or it is damaged: {reason}\n  \
         help: give a file that `onnx.save` or an exporter wrote, copied completely",
        file.display()
    )]
    Decode {
        /// The file.
        file: PathBuf,
        /// The reader's reason.
        reason: String,
    },
    /// Something in the model as a whole.
    #[error("{}: {mistake}", file.display())]
    Model {
        /// The file.
        file: PathBuf,
        /// Expected and given.
        mistake: Mistake,
    },
    /// Ops that are not known, all of them.
    #[error("{}: {}", file.display(), missing_text(ops))]
    MissingOps {
        /// The file.
        file: PathBuf,
        /// Each op that is missing, with its nodes.
        ops: Vec<MissingOp>,
    },
    /// A tensor of the file: its type, its shape, or where its elements are.
    #[error("{}: tensor `{tensor}`: {mistake}", file.display())]
    Tensor {
        /// The file.
        file: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Expected and given.
        mistake: Mistake,
    },
    /// Extents or values that the caller has to bind, or has bound wrongly.
    #[error("{}: {mistake}", file.display())]
    Bindings {
        /// The file.
        file: PathBuf,
        /// Expected and given.
        mistake: Mistake,
    },
    /// A node that does not fit its operands or attributes.
    #[error("{}: {node}: {mistake}", file.display())]
    Node {
        /// The file.
        file: PathBuf,
        /// The node.
        node: Box<NodeName>,
        /// Expected and given.
        mistake: Mistake,
    },
    /// A node needs the value of an operand, not its type alone, and the value depends on data.
    #[error(
        "{}: {node}: operand {operand}, `{name}`, must be known when the model is loaded{}\n  \
         help: {}",
        file.display(), depends(inputs), advice(inputs)
    )]
    Unknown {
        /// The file.
        file: PathBuf,
        /// The node.
        node: Box<NodeName>,
        /// The index of the operand.
        operand: usize,
        /// The operand.
        name: String,
        /// The inputs of the model that it is computed from.
        inputs: Vec<String>,
    },
    /// The model needs more memory than the machine grants. None has been allocated.
    #[error("{}: {reason}", file.display())]
    Memory {
        /// The file.
        file: PathBuf,
        /// How much is needed, and how much is granted.
        reason: NotGranted,
    },
}

/// A node as messages name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeName {
    /// Its name; where it has none, that of its first output.
    pub name: String,
    /// The op, with its domain where it is not ONNX's own.
    pub op: String,
    /// The version of the op's domain.
    pub opset: i64,
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node `{}` ({}, opset {})", self.name, self.op, self.opset)
    }
}

/// An op that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingOp {
    /// The op, with its domain where it is not ONNX's own.
    pub op: String,
    /// The version of the op's domain.
    pub opset: i64,
    /// The nodes, by name.
    pub nodes: Vec<String>,
}

/// How many nodes of a missing op a message names.
const NAMED: usize = 3;

fn missing_text(ops: &[MissingOp]) -> String {
    let line = |missing: &MissingOp| {
        let MissingOp { op, opset, nodes } = missing;
        let names: Vec<_> = nodes.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        let more = match nodes.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("\n  {op} (opset {opset}): {}{more}", names.join(", "))
    };
    let lines: String = ops.iter().map(line).collect();
    format!(
        "the model has ops that are not known:{lines}\n  \
         help: docs/onnx.md lists the ops that are; an exporter may write others for the same model"
    )
}

fn depends(inputs: &[String]) -> String {
    match inputs {
        [] => String::new(),
        inputs => format!("; it depends on {}", quoted(inputs)),
    }
}

fn advice(inputs: &[String]) -> String {
    match inputs {
        [] => "export the model with fixed shapes".to_owned(),
        [first, ..] => format!(
            "bind a value to `{first}`: Bindings::new().value({first:?}, ..), or export the model with fixed shapes"
        ),
    }
}

pub(crate) fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Why an op makes no results of its operands.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Operands or attributes do not fit.
    Mistake(Mistake),
    /// The value of this operand must be known.
    Unknown(usize),
    /// An op of the IR has refused its operands; the tracer has the mistake.
    Traced,
    /// An error in a graph inside of the node.
    Inside(Box<OnnxError>),
}

impl From<Mistake> for Fault {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake(mistake)
    }
}
