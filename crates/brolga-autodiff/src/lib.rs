//! Reverse-mode differentiation: gradients of a scalar as nodes of the same graph.
//!
//! [`grad`] walks the graph backwards from the loss and asks each op for its vector-Jacobian product
//! ([`Operation::vjp`](brolga_ir::Operation::vjp)). The nodes it adds have the role `backward` and the layer of the forward node they
//! belong to. Since they are ordinary nodes, the gradient of a gradient works the same way.

mod error;
mod reverse;

pub use error::GradError;
pub use reverse::{grad, gradients};
