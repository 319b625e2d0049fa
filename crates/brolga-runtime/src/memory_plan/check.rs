//! A check of memory plans.

use super::LiveRange;

/// Two ranges that are needed at the same time and have bytes in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overlap {
    /// The one with the lower index.
    pub(crate) one: usize,
    /// The other one.
    pub(crate) other: usize,
}

/// Checks that no two ranges that are live at the same time have bytes in common.
pub(crate) fn check(ranges: &[LiveRange], offsets: &[usize]) -> Result<(), Overlap> {
    let disjoint = |a: usize, b: usize| {
        offsets[a] + ranges[a].bytes <= offsets[b] || offsets[b] + ranges[b].bytes <= offsets[a]
    };
    for other in 0..ranges.len() {
        for one in 0..other {
            if ranges[one].meets(&ranges[other]) && !disjoint(one, other) {
                return Err(Overlap { one, other });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::range;
    use super::*;

    #[test]
    fn overlaps_are_found() {
        let ranges = [range(2, 0, 3), range(1, 5, 6), range(2, 3, 5)];
        assert_eq!(check(&ranges, &[0, 0, 128]), Ok(()));
        assert_eq!(check(&ranges, &[0, 0, 64]), Err(Overlap { one: 0, other: 2 }));
        assert_eq!(check(&ranges, &[64, 128, 192]), Ok(()));
        assert_eq!(check(&ranges, &[0, 192, 128]), Err(Overlap { one: 1, other: 2 }));
    }
}
