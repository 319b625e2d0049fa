//! Whether a pass keeps the bits: the interpreter before and after.

use brolga_ir::interpret::bytes_needed;
use brolga_ir::{Graph, Tensor, interpret};

use crate::error::PassError;
use crate::sample::{Sample, sample_inputs};

/// Runs both graphs on the same inputs and compares the bits of all outputs; `pass` is what made
/// the one of the other.
///
/// # Errors
/// [`PassError::Bits`] if an output differs; the error tells which and where.
pub fn same_bits(pass: &str, before: &Graph, after: &Graph) -> Result<(), PassError> {
    let fail = |output: String, difference: String| {
        let (pass, graph) = (pass.to_owned(), before.name().to_owned());
        Err(PassError::Bits { pass, graph, output, difference })
    };
    // The inputs are made of numbers of 8 bytes; outputs are compared as such.
    let needed = bytes_needed(before).max(bytes_needed(after)).saturating_mul(4);
    if let Err(error) = brolga_memory::check(needed) {
        return fail("all outputs".to_owned(), format!("the bits cannot be checked: {error}"));
    }
    for sample in [Sample::Ordinary, Sample::Special] {
        let inputs = sample_inputs(before, sample);
        let (old, new) = match (interpret(before, &inputs), interpret(after, &inputs)) {
            (Ok(old), Ok(new)) => (old, new),
            (Err(error), _) | (_, Err(error)) => {
                return fail("all outputs".to_owned(), error.to_string());
            }
        };
        if old.len() != new.len() {
            return fail(
                "the number of outputs".to_owned(),
                format!("{} became {}", old.len(), new.len()),
            );
        }
        for (place, (old, new)) in old.iter().zip(&new).enumerate() {
            if let Some(difference) = difference(old, new) {
                return fail(format!("output {place}"), difference);
            }
        }
        for (place, (old, new)) in before.outputs().iter().zip(after.outputs()).enumerate() {
            if old.replaces != new.replaces {
                return fail(format!("output {place}"), "it replaces another state".to_owned());
            }
        }
    }
    Ok(())
}

fn difference(old: &Tensor, new: &Tensor) -> Option<String> {
    if old.ty() != new.ty() {
        return Some(format!("{} became {}", old.ty(), new.ty()));
    }
    let (a, b) = (old.data().canonical_bits(), new.data().canonical_bits());
    let places: Vec<usize> = (0..a.len()).filter(|&place| a[place] != b[place]).collect();
    let &first = places.first()?;
    let (old, new) = (old.data().to_f64()[first], new.data().to_f64()[first]);
    Some(format!(
        "{} of {} elements differ, first element {first}: {old:?} became {new:?}",
        places.len(),
        a.len()
    ))
}
