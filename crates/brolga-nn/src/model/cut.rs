//! Arrays cut into batches.

use std::ops::Range;

use brolga_ir::lanes::random_bits_at;
use brolga_runtime::RuntimeError;

use super::batch::Samples;
use super::supply::{Batches, Lot};
use crate::error::NnError;

/// The size of batches where none is given.
const DEFAULT_SIZE: usize = 32;

/// Samples of arrays on their way through epochs.
pub(crate) struct Cut<'a> {
    pub(super) samples: Samples<'a>,
    pub(super) size: usize,
    /// The most steps of an epoch.
    pub(super) steps: Option<usize>,
    /// The samples in the order of the pass.
    order: Vec<usize>,
    /// The part of the order that is this epoch, and its part that is the batch.
    pub(super) epoch: Range<usize>,
    pub(super) lot: Range<usize>,
}

impl<'a> Cut<'a> {
    pub(crate) fn new(samples: Samples<'a>, Batches { size, steps }: Batches) -> Self {
        let count = samples.len();
        let size = size.unwrap_or(DEFAULT_SIZE).clamp(1, count.max(1));
        let mut cut = Self { samples, size, steps, order: vec![], epoch: 0..0, lot: 0..0 };
        cut.epoch = 0..count.min(cut.pass().1 * size);
        cut
    }

    /// How many steps a pass over all samples has, how many an epoch, and how many epochs a pass.
    fn pass(&self) -> (usize, usize, usize) {
        let batches = self.samples.len().div_ceil(self.size);
        let steps = self.steps.unwrap_or(batches).clamp(1, batches.max(1));
        (batches, steps, batches.div_ceil(steps).max(1))
    }

    /// Epochs of fewer steps than all samples fill go on with the next samples, and begin anew when
    /// there are none left, as in Keras. The order is that of the whole pass over the samples: it
    /// follows from the seed and the number of the step with which the pass began.
    pub(super) fn begin(
        &mut self,
        epoch: usize,
        random: Option<([u32; 2], u32)>,
    ) -> Result<(), NnError> {
        let (count, (_, steps, epochs)) = (self.samples.len(), self.pass());
        let position = epoch % epochs * steps;
        self.order = in_order(count)?;
        if let Some((seed, step)) = random {
            shuffle(&mut self.order, seed, step.wrapping_sub(position as u32));
        }
        let first = position * self.size;
        self.epoch = first..count.min(first + steps * self.size);
        self.lot = first..first;
        Ok(())
    }

    pub(super) fn advance(&mut self) -> bool {
        let start = self.lot.end;
        self.lot = start..self.epoch.end.min(start + self.size);
        !self.lot.is_empty()
    }

    /// The batch of a step of this epoch.
    pub(super) fn range(&self, step: usize) -> Range<usize> {
        let start = self.epoch.start + step * self.size;
        start..self.epoch.end.min(start + self.size)
    }

    pub(super) fn rows(&self, range: Range<usize>) -> Lot<'_> {
        Lot { samples: &self.samples, rows: self.order.get(range).unwrap_or_default() }
    }

    /// The size of the last batch of a pass if it is smaller and one of these epochs has it, else
    /// 0.
    pub(super) fn rest(&self, mut of: Range<usize>) -> usize {
        let (batches, _, epochs) = self.pass();
        let reached = of.any(|epoch| epoch % epochs == epochs - 1);
        if reached && batches > 1 { self.samples.len() % self.size } else { 0 }
    }
}

/// The numbers of so many samples, ascending.
pub(crate) fn in_order(samples: usize) -> Result<Vec<usize>, NnError> {
    Ok(brolga_memory::collected(0..samples).map_err(RuntimeError::from)?)
}

/// The stream of random numbers that shuffles; those of random layers count from 0.
const SHUFFLE: u32 = u32::MAX;

/// A permutation that follows from the seed and the number of a step.
fn shuffle(order: &mut [usize], seed: [u32; 2], step: u32) {
    for index in (1..order.len()).rev() {
        let bits = random_bits_at(seed, step, SHUFFLE, index as u64);
        order.swap(index, below(bits, index + 1));
    }
}

/// A number below `bound` from random bits: the upper part of their product.
fn below(bits: u32, bound: usize) -> usize {
    ((u128::from(bits) * bound as u128) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Data;

    #[test]
    fn random_places_stay_below_their_bound() {
        assert_eq!(below(u32::MAX, 7), 6);
        assert_eq!(below(0, 7), 0);
        assert_eq!(below(1 << 31, 10), 5);
    }

    fn cut(samples: usize, size: usize, steps: Option<usize>) -> Cut<'static> {
        let x = Data::from(ndarray::Array1::<f32>::zeros(samples));
        Cut::new(Samples::of_x(x), Batches { size: Some(size), steps })
    }

    #[test]
    fn batches_have_one_or_two_sizes() {
        let sizes = |samples, size, steps, epochs: Range<usize>| {
            let cut = cut(samples, size, steps);
            [cut.size, cut.rest(epochs)].into_iter().filter(|&size| size > 0).collect::<Vec<_>>()
        };
        assert_eq!(sizes(64, 32, None, 0..1), [32]);
        assert_eq!(sizes(65, 32, None, 0..1), [32, 1]);
        assert_eq!(sizes(7, 32, None, 0..1), [7]);
        assert_eq!(sizes(65, 32, Some(2), 0..1), [32]);
        assert_eq!(sizes(65, 32, Some(2), 0..2), [32, 1]);
        assert_eq!(sizes(65, 32, Some(3), 0..1), [32, 1]);
        assert_eq!(sizes(7, 32, Some(usize::MAX), 0..1), [7]);
    }

    #[test]
    fn short_epochs_go_on_and_begin_anew() {
        let mut cut = cut(10, 2, Some(2));
        let mut rows = |epoch| {
            cut.begin(epoch, None).expect("memory for ten numbers");
            let mut rows = vec![];
            while cut.advance() {
                rows.push(cut.rows(cut.lot.clone()).rows.to_vec());
            }
            rows
        };
        assert_eq!(rows(0), [[0, 1], [2, 3]]);
        assert_eq!(rows(1), [[4, 5], [6, 7]]);
        assert_eq!(rows(2), [[8, 9]]);
        assert_eq!(rows(3), [[0, 1], [2, 3]]);
    }

    /// The order of a pass is known in each of its epochs from the number of the step with which it
    /// begins, so that a training that was interrupted goes on in it.
    #[test]
    fn the_epochs_of_a_pass_share_its_order() {
        let mut cut = cut(10, 2, Some(2));
        let mut all = vec![];
        for epoch in 0..3 {
            cut.begin(epoch, Some(([7, 0], 100 + 2 * epoch as u32))).expect("memory");
            all.extend_from_slice(cut.rows(cut.epoch.clone()).rows);
        }
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        assert_ne!(sorted, all);
    }
}
