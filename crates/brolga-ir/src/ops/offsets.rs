//! Offsets of elements in tensors, in elements.

use crate::loops::{Buffer, Index, Writer};

/// Writes scalar loops that copy to each element of the result the operand's element at the index
/// that `source` gives.
pub(super) fn move_elements(
    w: &mut Writer,
    operand: Buffer,
    result: Buffer,
    source: impl FnOnce(&mut Writer, &[Index]) -> Index,
) {
    let shape = w.shape(result);
    w.each(&shape, |w, at| {
        let source = source(w, at);
        let element = w.load(operand, source);
        w.store(result, w.at(&shape, at), element);
    });
}

/// The offsets `start + Σ iₖ · stepₖ` of all indices `i` below `extents`, in row-major order.
pub(super) fn strided_offsets(start: usize, extents: &[usize], steps: &[isize]) -> Vec<usize> {
    extents.iter().zip(steps).fold(vec![start], |offsets, (&extent, &step)| {
        let mut all = Vec::with_capacity(offsets.len() * extent);
        for offset in offsets {
            all.extend((0..extent as isize).map(|i| offset.wrapping_add_signed(i * step)));
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_in_row_major_order() {
        assert_eq!(strided_offsets(5, &[2, 3], &[10, -1]), [5, 4, 3, 15, 14, 13]);
        assert_eq!(strided_offsets(7, &[2, 2], &[0, 1]), [7, 8, 7, 8]);
        assert_eq!(strided_offsets(7, &[], &[]), [7]);
        assert!(strided_offsets(7, &[2, 0], &[1, 1]).is_empty());
    }
}
