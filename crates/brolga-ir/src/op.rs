//! The interface of ops to the rest of the compiler.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::Mistake;
use crate::graph::Graph;
use crate::interpret::Bodies;
use crate::loops::{Buffer, Writer};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

pub use crate::ops::{Elementwise, Op};

/// The types of a node's results.
pub type Types = SmallVec<[Type; 1]>;

/// The definition of an op: its type rule, its reference evaluation and its gradient rule.
///
/// Each op is a value: a struct of its attributes, in a file of its own below `ops/`. Its
/// attributes in the text form are the fields of the struct as serde sees them.
pub trait Operation {
    /// The op's family.
    fn family(&self) -> Family<'_>;

    /// The graphs inside the op: each takes data alone, replaces no state and returns something.
    ///
    /// They are no attributes: serde skips them, and the forms of a graph (text, serde) write each
    /// of them once.
    fn bodies(&self) -> &[Arc<Graph>] {
        &[]
    }

    /// The bodies, for replacement. A reader of ops sets attributes first; until then the bodies
    /// are empty.
    fn bodies_mut(&mut self) -> &mut [Arc<Graph>] {
        &mut []
    }

    /// Whether the bodies are functions: the text has each of them once, and nodes name it.
    /// Otherwise a body follows its node.
    fn names_bodies(&self) -> bool {
        false
    }

    /// The most steps, if the op is a loop: so often its bodies run.
    fn most_steps(&self) -> Option<usize> {
        None
    }

    /// The types of the results for operands of these types.
    ///
    /// # Errors
    /// The mistake in the operands or the attributes.
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake>;

    /// Computes the results. The operands' types have been accepted by [`Operation::infer`], which
    /// gave `results`.
    ///
    /// Every kernel keeps the order of arithmetic of this function.
    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor>;

    /// As [`Operation::evaluate`], for operands whose memory may become that of results where they
    /// are owned. Ops with bodies evaluate these by `bodies`.
    fn evaluate_owned(
        &self,
        operands: Vec<Cow<'_, Tensor>>,
        results: &[Type],
        bodies: &mut Bodies<'_>,
    ) -> Vec<Tensor> {
        let _ = bodies;
        self.evaluate(&operands.iter().map(|operand| &**operand).collect::<Vec<_>>(), results)
    }

    /// The operand from which the only result differs in some elements alone, if the op is of such a
    /// form: the result can take its memory. Its scalar loops and its tiles copy the operand in a
    /// stage of their own, the first one if there are elements, and do not read it afterwards; where
    /// both share memory, that stage is left out.
    fn updated(&self) -> Option<usize> {
        None
    }

    /// Writes those elements alone, as [`Operation::loops`] does, to a buffer that holds the operand
    /// that is [updated](Operation::updated).
    fn update_loops(&self, w: &mut Writer, operands: &[Buffer], target: Buffer) {
        self.loops(w, operands, &[target]);
    }

    /// Writes the results as scalar loops, in the order of arithmetic of [`Operation::evaluate`]:
    /// the form that runs natively for every element type. The buffers have the types of the
    /// operands and results.
    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]);

    /// The gradient rule: for each operand the vector-Jacobian product, or `None` where there is no
    /// gradient. Products for unwanted operands are ignored.
    ///
    /// # Errors
    /// If the op cannot be differentiated.
    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake>;
}

/// The name of an op in the text form, which is that of its file; the list of ops gives it.
pub trait Named {
    /// The name.
    const NAME: &'static str;
}

/// A family of ops that passes and code generation treat in the same way. Where they treat one op
/// specially, they use its own attributes.
///
/// A family without a fast lowering is compiled of [`Operation::loops`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family<'a> {
    /// A value that exists when the graph runs: nothing is computed.
    Source,
    /// The bytes of the operand under another shape: nothing is computed.
    View,
    /// Each element of the result depends only on the operands' elements at the same index.
    Elementwise(Cost),
    /// Elements along axes become one.
    Reduction {
        /// The combination of two elements.
        combine: Combine,
        /// The axes, ascending.
        axes: &'a [usize],
        /// Whether they stay, with extent 1.
        keepdims: bool,
    },
    /// Sums of products of two operands.
    Contraction {
        /// The slot of the cotangent, if the op is the gradient of a contraction.
        cotangent: Option<usize>,
    },
    /// Windows that walk over images, and the gradients of such walks.
    Window,
    /// Elements are copied without computation.
    Movement,
    /// Elements that depend on their own indices, and at most on an operand of indices.
    Indices,
    /// Random numbers of a stream.
    Random {
        /// The stream of the op.
        stream: u32,
    },
    /// Queries that attend to keys by blocks, and the gradient of that.
    Attention,
    /// An op of no family; it is compiled of scalar loops.
    Other,
    /// A graph that runs instead of the node.
    Call,
    /// A graph that runs in each step of a loop.
    Loop,
}

/// The combination of a reduction's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// The index of the first of the largest.
    Argmax,
}

/// The time that an elementwise op takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A few instructions: computing it twice costs less than storing its result.
    Cheap,
    /// A division, a root, or a program of many instructions.
    Expensive,
}

impl Family<'_> {
    /// Whether something is computed or moved when the graph runs.
    pub fn has_code(self) -> bool {
        !matches!(self, Self::Source | Self::View)
    }
}

/// A node to be differentiated.
#[derive(Debug)]
pub struct Vjp<'a> {
    /// The operands.
    pub operands: &'a [Var],
    /// The results.
    pub results: &'a [Var],
    /// The cotangent of each result; `None` where nothing depends on it.
    pub cotangents: &'a [Option<Var>],
    /// For each operand whether its product is wanted: no node is added for one that nothing needs.
    pub wanted: &'a [bool],
    /// Differentiates the op's bodies.
    pub bodies: &'a dyn DifferentiateBody,
}

/// The driver of differentiation, for the rules of ops that have bodies.
pub trait DifferentiateBody: fmt::Debug {
    /// The backward function of a body: `cotangents` tells which of the body's results have a
    /// cotangent, and `wanted` for which of its inputs a gradient is wanted. The same request gives
    /// the same function.
    ///
    /// # Errors
    /// If an op of the body cannot be differentiated.
    fn backward(
        &self,
        body: &Arc<Graph>,
        cotangents: &[bool],
        wanted: &[bool],
    ) -> Result<Backward, Mistake>;
}

/// The backward function of a body.
#[derive(Debug, Clone)]
pub struct Backward {
    /// The function of the body's inputs, and then the cotangents of the results that have one, to
    /// gradients. It recomputes the values of the body that it needs. If no input has a gradient,
    /// it returns nothing and is no valid body.
    pub function: Arc<Graph>,
    /// For each input of the body, the index of the function's result that is its gradient, or
    /// `None`.
    pub gradients: Vec<Option<usize>>,
}

impl Vjp<'_> {
    /// The cotangent of the only result; the driver asks for a rule only if there is one.
    pub fn cotangent(&self) -> &Var {
        self.cotangents[0].as_ref().expect("the driver differentiates nodes with a cotangent only")
    }

    /// Whether the product of this operand is wanted.
    pub fn wants(&self, operand: usize) -> bool {
        self.wanted[operand]
    }

    /// The backward function of a body whose inputs are the node's operands and whose results are
    /// the node's.
    ///
    /// # Errors
    /// As [`DifferentiateBody::backward`].
    pub fn backward(&self, body: &Arc<Graph>) -> Result<Backward, Mistake> {
        let given: Vec<bool> = self.cotangents.iter().map(Option::is_some).collect();
        self.bodies.backward(body, &given, self.wanted)
    }
}

/// Fails unless there are as many operands as the op takes.
///
/// # Errors
/// The number of operands that the op takes, and the number given.
pub fn expect_operands<const N: usize>(op: &str, operands: &[&Type]) -> Result<[Type; N], Mistake> {
    let given = operands.len();
    <[&Type; N]>::try_from(operands)
        .map(|types| types.map(Clone::clone))
        .map_err(|_| wrong_count(op, N, given))
}

/// The mistake that an op has another number of operands than it takes.
pub(crate) fn wrong_count(op: &str, takes: usize, given: usize) -> Mistake {
    let plural = if takes == 1 { "" } else { "s" };
    Mistake::new(format!("`{op}` takes {takes} operand{plural}, not {given}"))
}
