//! Where elements lie in memory.

/// The places `start + Σ iₖ · stepₖ` of all indices `i` below `extents`, in row-major order.
pub(super) fn strided_places(start: usize, extents: &[usize], steps: &[isize]) -> Vec<usize> {
    extents.iter().zip(steps).fold(vec![start], |places, (&extent, &step)| {
        let along =
            |place: usize| (0..extent as isize).map(move |i| place.wrapping_add_signed(i * step));
        places.into_iter().flat_map(along).collect()
    })
}
