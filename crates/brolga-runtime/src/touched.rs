//! An index of the bytes that stages touch, which finds overlaps without a scan of all of them.

use std::collections::BTreeMap;

use crate::hazards::Footprint;
use crate::layout::Space;

/// Footprints by space, size and offset, each with a stage.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// By the logarithm of their sizes, then by their offsets: a footprint that overlaps a range
    /// begins before it by less than its own size.
    by_size: BTreeMap<(Space, u32), ByOffset>,
}

/// Footprints of similar sizes by their offsets.
type ByOffset = BTreeMap<usize, Vec<(Footprint, usize)>>;

impl Touched {
    /// The footprints of one stage.
    pub(crate) fn of(footprints: &[Footprint]) -> Self {
        let mut touched = Self::default();
        footprints.iter().for_each(|footprint| touched.insert(*footprint, 0));
        touched
    }

    /// Adds a footprint of a stage.
    pub(crate) fn insert(&mut self, footprint: Footprint, stage: usize) {
        let Footprint { address, units, .. } = footprint;
        if address.span.bytes > 0 && units > 0 {
            let class = (address.space, address.span.bytes.ilog2());
            let starts = self.by_size.entry(class).or_default();
            starts.entry(address.span.offset).or_default().push((footprint, stage));
        }
    }

    /// The footprints that overlap this one, also if neither writes.
    pub(crate) fn overlapping(
        &self,
        footprint: &Footprint,
    ) -> impl Iterator<Item = &(Footprint, usize)> {
        let (space, span) = (footprint.address.space, footprint.address.span);
        let classes = self.by_size.range((space, 0)..=(space, u32::MAX));
        let near = classes.flat_map(move |((_, class), starts)| {
            let longest = 2_usize.saturating_pow(class + 1);
            let first = (span.offset + 1).saturating_sub(longest);
            starts.range(first..span.end().max(first)).flat_map(|(_, footprints)| footprints)
        });
        near.filter(move |(other, _)| other.address.span.end() > span.offset)
    }
}
