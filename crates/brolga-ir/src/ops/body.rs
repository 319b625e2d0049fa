//! Ops whose results are those of a body.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::error::Mistake;
use crate::graph::{Graph, Output};
use crate::op::{Operation, Types, wrong_count};
use crate::types::Type;

/// The most steps of a loop, those of a loop in its body counted for each of its own: no text makes
/// a program that does not end in a reasonable time.
const MOST_STEPS: usize = 1 << 24;

/// Fails if a loop has more than [`MOST_STEPS`].
pub(super) fn check_steps(op: &str, looped: &dyn Operation) -> Result<(), Mistake> {
    match steps(looped, &mut FxHashMap::default()) > MOST_STEPS {
        true => Err(Mistake::new(format!("`{op}` has more than {MOST_STEPS} steps"))),
        false => Ok(()),
    }
}

/// The steps of all loops in an op. `known` holds those of the bodies that were counted: calls may
/// share one.
fn steps(op: &dyn Operation, known: &mut FxHashMap<*const Graph, usize>) -> usize {
    let of_body = |body: &Arc<Graph>| {
        let place = Arc::as_ptr(body);
        if let Some(&steps) = known.get(&place) {
            return steps;
        }
        let ops = body.ids().map(|id| body.node(id).op.definition());
        let inner: usize = ops
            .filter(|op| !op.bodies().is_empty())
            .map(|op| steps(op, known))
            .fold(0, usize::saturating_add);
        known.insert(place, inner);
        inner
    };
    let inner = op.bodies().iter().map(of_body).fold(0, usize::saturating_add);
    match op.most_steps() {
        Some(length) => length.saturating_mul(inner.saturating_add(1)),
        None => inner,
    }
}

/// Fails unless a body returns a value of the carry's type for each of the first operands.
pub(super) fn check_carries(
    op: &str,
    body: &Graph,
    first: &[&Type],
    given: &[Type],
) -> Result<(), Mistake> {
    let (body, carries) = (body.name(), first.len());
    if given.len() < carries {
        return Err(Mistake::new(format!(
            "`{op} {body}`: its body returns {} values, not one for each of {carries} carries",
            given.len()
        )));
    }
    match given.iter().zip(first).find(|(next, first)| next != *first) {
        Some((next, first)) => {
            Err(Mistake::new(format!("`{op} {body}`: a carry is {first}, its next value {next}"))
                .help("a carry has one type in all steps"))
        }
        None => Ok(()),
    }
}

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
