//! The dataflow IR of Brolga: types, ops, graphs, their text form, their verifier and their
//! reference interpreter.
//!
//! A [`Graph`] is a function from typed inputs (data and state) to outputs and next states. Its
//! nodes hold an [`Op`], a value that can be compared, hashed and serialized. The order in which
//! each op rounds is part of its meaning (see [`lanes`] and the page of each op in [`ops`]), so
//! that interpreter and native code give the same bits.

pub mod dot;
pub mod draw;
pub mod error;
pub mod graph;
pub mod interpret;
pub mod lanes;
pub mod loops;
pub mod op;
pub mod ops;
mod origin;
mod snippet;
pub mod spelling;
pub mod tensor;
pub mod text;
pub mod trace;
pub mod types;
pub mod verify;

pub use dot::{to_dot, to_dot_outline};
pub use error::{EvalError, Mistake, TraceError};
pub use graph::{
    Change, Graph, Location, Module, Node, NodeId, Origin, Output, Revision, Role, Uid, Value,
};
pub use interpret::{Bodies, Entry, Observer, interpret, interpret_with};
pub use op::{Elementwise, Op, Operation};
pub use ops::custom_gradient;
pub use tensor::{Data, Tensor};
pub use text::{ParseError, ParseErrors, TextOptions, parse_graph, parse_module};
pub use trace::{Function, Tracer, Var};
pub use types::{DType, Shape, Type};
pub use verify::{VerifyError, VerifyErrors, verify};
