//! Operands that are indices of rows or classes.

use crate::error::Mistake;
use crate::tensor::Tensor;
use crate::types::DType;

/// Fails unless the indices are integers.
pub(super) fn check_indices(op: &str, dtype: DType) -> Result<(), Mistake> {
    if dtype.is_int() {
        return Ok(());
    }
    Err(Mistake::new(format!("`{op}` takes indices of i32, i64 or u8, not {dtype}"))
        .help("convert the indices with `cast`"))
}

/// The indices that are below `count`; `None` for one that is out of range.
pub(super) fn in_range(indices: &Tensor, count: usize) -> Vec<Option<usize>> {
    let indices = indices.to_i64().expect("the type rule admits integers");
    let checked = |index| usize::try_from(index).ok().filter(|&index| index < count);
    indices.into_iter().map(checked).collect()
}
