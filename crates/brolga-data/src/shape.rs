//! Shapes whose arrays may be too large to exist.

use std::fmt::Display;

/// The number of elements of an array, or none where no array can have the shape: the bytes of an
/// array are at most `isize::MAX`, and so are they with its empty dimensions left out.
pub(crate) fn checked_len(shape: &[usize], item_size: usize) -> Option<usize> {
    let nonzero = shape.iter().filter(|&&dim| dim != 0);
    let bytes = nonzero.clone().try_fold(item_size, |bytes, &dim| bytes.checked_mul(dim))?;
    isize::try_from(bytes).ok()?;
    Some(shape.iter().product())
}

/// An empty vector with room for an array of the shape, or none where there is no such room.
pub(crate) fn reserve<T>(shape: &[usize]) -> Option<Vec<T>> {
    brolga_memory::with_capacity(checked_len(shape, size_of::<T>())?).ok()
}

/// The type of an array as Brolga writes it: `f32[32,28,28,1]`.
pub(crate) fn array_type(dtype: impl Display, shape: &[usize]) -> String {
    let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("{dtype}[{}]", dims.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        assert_eq!(checked_len(&[], 4), Some(1));
        assert_eq!(checked_len(&[2, 3], 4), Some(6));
        assert_eq!(checked_len(&[2, 0], 4), Some(0));
        assert_eq!(checked_len(&[isize::MAX as usize], 1), Some(isize::MAX as usize));
        assert_eq!(checked_len(&[isize::MAX as usize], 2), None);
        assert_eq!(checked_len(&[1 << 32, 1 << 32], 1), None);
        assert_eq!(checked_len(&[0, 1 << 32, 1 << 32], 1), None);
    }
}
