//! A fused region: a graph inside a node.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::body::infer_body;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::graph::Graph;
use crate::interpret::{Bodies, evaluate_body};
use crate::loops::{Buffer, Writer, write_body};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// The kind of a kernel, which decides its lowering. It follows from the body, and is stated for
/// readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelKind {
    /// One matrix product or convolution, or a gradient of one, with its prologue and epilogue.
    Contraction,
    /// Elementwise chains over rows, with reductions along the last axes and their results
    /// broadcast back.
    Rows,
    /// Elementwise chains with reductions over leading axes.
    Columns,
    /// A pooling window or its gradient.
    Window,
    /// Elements moved to other indices: transpose, slice, pad, concat, reverse, gather, scatter.
    Move,
    /// Random bits.
    Random,
    /// Queries that attend to keys by blocks, or the gradient of that.
    Attention,
    /// The same elementwise chain over several groups of tensors: all parameter updates.
    Update,
    /// A loop over steps, whose body is a graph of kernels.
    Loop,
}

impl KernelKind {
    /// The word in the text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Contraction => "contraction",
            Self::Rows => "rows",
            Self::Columns => "columns",
            Self::Window => "window",
            Self::Move => "move",
            Self::Random => "random",
            Self::Attention => "attention",
            Self::Update => "update",
            Self::Loop => "loop",
        }
    }
}

/// A fused region that becomes one native kernel. Its meaning is that of its body, evaluated node
/// by node.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The kind of the kernel.
    pub kind: KernelKind,
    /// The region as a function; its inputs are the operands in order.
    #[serde(skip)]
    pub body: Arc<Graph>,
}

impl Operation for Kernel {
    fn family(&self) -> Family<'_> {
        Family::Call
    }

    fn bodies(&self) -> &[Arc<Graph>] {
        std::slice::from_ref(&self.body)
    }

    fn bodies_mut(&mut self) -> &mut [Arc<Graph>] {
        std::slice::from_mut(&mut self.body)
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        infer_body(Self::NAME, &self.body, operands)
    }

    fn evaluate(&self, operands: &[&Tensor], _: &[Type]) -> Vec<Tensor> {
        evaluate_body(&self.body, operands)
    }

    fn evaluate_owned(
        &self,
        operands: Vec<Cow<'_, Tensor>>,
        _: &[Type],
        bodies: &mut Bodies<'_>,
    ) -> Vec<Tensor> {
        bodies.evaluate((0, &self.body), None, operands)
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        write_body(w, &self.body, operands, results);
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Err(Mistake::new(format!("kernel `{}` cannot be differentiated", self.body.name()))
            .help("differentiate first, fuse afterwards"))
    }
}

impl Draw for Kernel {
    /// Only passes make kernels.
    fn draw(_: &mut Pen) -> Option<(Self, Vec<Var>)> {
        None
    }
}
