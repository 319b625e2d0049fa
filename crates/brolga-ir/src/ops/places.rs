//! Where elements lie in memory.

use crate::loops::{Buffer, Index, Writer};

/// Scalar loops that give each element of the result the operand's element at the index of `source`.
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

/// The places `start + Σ iₖ · stepₖ` of all indices `i` below `extents`, in row-major order.
pub(super) fn strided_places(start: usize, extents: &[usize], steps: &[isize]) -> Vec<usize> {
    extents.iter().zip(steps).fold(vec![start], |places, (&extent, &step)| {
        let mut all = Vec::with_capacity(places.len() * extent);
        for place in places {
            all.extend((0..extent as isize).map(|i| place.wrapping_add_signed(i * step)));
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_row_major_order() {
        assert_eq!(strided_places(5, &[2, 3], &[10, -1]), [5, 4, 3, 15, 14, 13]);
        assert_eq!(strided_places(7, &[2, 2], &[0, 1]), [7, 8, 7, 8]);
        assert_eq!(strided_places(7, &[], &[]), [7]);
        assert!(strided_places(7, &[2, 0], &[1, 1]).is_empty());
    }
}
