//! The text form of graphs: complete, typed at each binder, and parsed back to the same graph.
//!
//! ```text
//! graph predict(%x: f32[32,10], state %w: f32[10,4] @dense) {
//!   %0: f32[32,4] = matmul %x, %w {transpose_a=false, transpose_b=false}   @dense
//!   %1: f32[32,4] = relu %0   @dense
//!   return %1
//! }
//! ```
//!
//! Nodes are numbered in topological order, attributes are sorted, and nothing depends on a hash or
//! an address: printing, parsing and printing again gives the same bytes. The grammar is in
//! `docs/ir.md`.

mod cursor;
mod decode;
mod encode;
mod error;
mod functions;
mod lexer;
mod literal;
pub(crate) mod names;
mod number;
mod parser;
mod printer;
mod recover;
mod scope;
mod statement;

pub(crate) use decode::data_from_text;
pub(crate) use encode::{attributes, data_to_text};
pub use error::{ParseError, ParseErrors};
pub use names::Names;
pub use parser::{parse_graph, parse_module};
pub(crate) use printer::{input_text, node_line, return_line, returned};

/// The depth to which bodies of ops, and lists in attributes of a text, may nest.
pub const MAX_DEPTH: usize = 64;

/// The comments that the printer adds to the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TextOptions {
    /// The file and line of each node as a comment, which the parser reads back.
    pub locations: bool,
    /// Values are named by the identity of their node, `%n12`, instead of being numbered anew: the
    /// same node has the same name in every text of a graph, before a pass and after it, inside a
    /// kernel and outside.
    pub ids: bool,
}

/// Whether this is a name for an input: letters, digits and `_ . / -`, no digit first, no `//`.
///
/// Graphs and layers may have other names, which are in quotes.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(is_name_char)
        && !text.contains("//")
}

/// Whether a name of a graph or a layer needs no quotes.
fn is_bare(name: &str) -> bool {
    is_name(name) && !matches!(name, "func" | "graph" | "return" | "state")
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')
}
