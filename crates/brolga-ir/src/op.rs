//! What an op is to the rest of the compiler.

use smallvec::SmallVec;

use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

pub use crate::ops::{Elementwise, Op};

/// The types of a node's results.
pub type Types = SmallVec<[Type; 1]>;

/// The definition of an op: its type rule, its reference evaluation and its gradient rule.
///
/// Each op is a value: a struct of its attributes, in a file of its own below `ops/`. Its attributes in the text form are
/// the fields of the struct as serde sees them.
pub trait Operation {
    /// The types of the results for operands of these types.
    ///
    /// # Errors
    /// What is wrong with the operands or the attributes.
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake>;

    /// Computes the results. The operands' types have been accepted by [`Operation::infer`], which gave `results`.
    ///
    /// The order of arithmetic here is the one every kernel keeps.
    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor>;

    /// Writes the results as scalar loops, in the order of arithmetic of [`Operation::evaluate`]: the form that runs natively for every
    /// element type. The buffers have the types of the operands and results.
    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]);

    /// The gradient rule: for each operand the vector-Jacobian product, or `None` where there is no gradient.
    /// What is given for an operand that is not wanted is not looked at.
    ///
    /// # Errors
    /// If the op cannot be differentiated.
    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake>;
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
}

/// Fails unless there are as many operands as the op takes.
///
/// # Errors
/// How many the op takes and how many were given.
pub fn expect_operands<const N: usize>(op: &str, operands: &[&Type]) -> Result<[Type; N], Mistake> {
    let given = operands.len();
    <[&Type; N]>::try_from(operands)
        .map(|types| types.map(Clone::clone))
        .map_err(|_| wrong_count(op, N, given))
}

/// An op that takes so many operands has got another number of them.
pub(crate) fn wrong_count(op: &str, takes: usize, given: usize) -> Mistake {
    let plural = if takes == 1 { "" } else { "s" };
    Mistake::new(format!("`{op}` takes {takes} operand{plural}, not {given}"))
}
