//! Ops whose results are those of a body.

use crate::error::Mistake;
use crate::graph::{Graph, Output};
use crate::op::{Types, wrong_count};
use crate::types::Type;

/// The types of the body's results, if the operands have the types of its inputs.
pub(super) fn infer_body(op: &str, body: &Graph, operands: &[&Type]) -> Result<Types, Mistake> {
    let inputs = body.inputs();
    if inputs.len() != operands.len() {
        let name = format!("{op} {}", body.name());
        return Err(wrong_count(&name, inputs.len(), operands.len()));
    }
    for (&input, given) in inputs.iter().zip(operands) {
        let expected = body.ty(input.into());
        if expected != *given {
            return Err(Mistake::new(format!(
                "`{op} {}`: an operand is {given}, its body takes {expected}",
                body.name()
            )));
        }
    }
    let result = |output: &Output| {
        let missing =
            || format!("`{op} {}`: its body returns a value that does not exist", body.name());
        body.try_ty(output.value).cloned().ok_or_else(|| missing().into())
    };
    body.outputs().iter().map(result).collect()
}
