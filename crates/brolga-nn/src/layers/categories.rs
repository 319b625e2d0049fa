//! Numbers of categories as vectors.

use brolga_ir::{DType, Mistake, Type, Var};

use super::shapes;

/// The element type of vectors for numbers of this type.
pub(super) fn vector_dtype(numbers: &Var) -> DType {
    if numbers.dtype().is_float() { numbers.dtype() } else { DType::F32 }
}

/// Whole numbers as integers; fractions are cut off.
pub(super) fn integers(x: &Var) -> Var {
    if x.dtype().is_float() { x.cast(DType::I32) } else { x.clone() }
}

/// Vectors of `depth` elements for integers: for each of them (`one_hot`, where a last extent of 1
/// is dropped first), or for those along the last axis (`count`, otherwise `multi_hot`). A number
/// out of range counts nowhere.
pub(super) fn encoded(mode: &str, numbers: &Var, depth: usize, dtype: DType) -> Var {
    let Some((&last, rest)) = numbers.shape().split_last() else { return numbers.clone() };
    match mode {
        "one_hot" if last == 1 => numbers.reshape(rest).one_hot(depth, dtype),
        "one_hot" => numbers.one_hot(depth, dtype),
        "count" => numbers.one_hot(depth, dtype).reduce_sum(&[rest.len()], false),
        _ => numbers.one_hot(depth, dtype).reduce_max(&[rest.len()], false),
    }
}

/// Fails if an input has no axis beside the batch.
pub(super) fn check_axes(class: &str, inputs: &[Type]) -> Result<(), Mistake> {
    if inputs.iter().all(|ty| ty.shape.rank() > 1) {
        return Ok(());
    }
    let message = format!("{class} takes (None, .., numbers), given {}", shapes(inputs));
    Err(Mistake::new(message).help("numbers, one for each sample, need an axis of extent 1"))
}
