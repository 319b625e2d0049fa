//! The chunks of a lane that workers have taken.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of bits of a word that count taken chunks; the others hold the phase.
const COUNT_BITS: u32 = 16;

/// The most chunks that a lane has in a phase.
pub(crate) const MOST_CHUNKS: usize = (1 << COUNT_BITS) - 1;

/// The number of chunks of a lane that are taken, and the phase in which they are, in one word.
///
/// Phases of a team have ascending numbers. The word of an earlier phase means that no chunk of
/// this one is taken, so that no reset is needed when a phase begins. The word never has the same
/// value twice, and at the end of a phase it counts all chunks of the lane. So a worker that read
/// it in a phase that has ended takes nothing, however long it slept: the word has changed, or
/// counts all chunks.
#[derive(Debug, Default)]
pub(crate) struct Claims(AtomicU64);

impl Claims {
    /// Takes the next of a number of chunks in this phase, if one is left and the phase is not
    /// over. It orders no memory: a worker that knows the phase has seen all writes before it.
    pub(crate) fn take(&self, phase: u64, chunks: usize) -> Option<usize> {
        if chunks == 0 {
            return None;
        }
        let none_taken = phase << COUNT_BITS;
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            // The difference also orders phases when their numbers wrap around.
            let taken = match word.wrapping_sub(none_taken).cast_signed() {
                ..0 => 0,
                since if since < chunks as i64 => since as usize,
                _ => return None,
            };
            let next = none_taken.wrapping_add(taken as u64 + 1);
            match self.0.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(taken),
                Err(found) => word = found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_chunk_is_taken_once_in_each_phase() {
        let claims = Claims::default();
        for phase in [1, 2, 7, 1 << 40] {
            let taken: Vec<_> = std::iter::from_fn(|| claims.take(phase, 3)).collect();
            assert_eq!(taken, [0, 1, 2]);
        }
        assert_eq!(claims.take(1 << 41, 0), None);
    }

    #[test]
    fn nothing_is_left_of_a_phase_that_is_over() {
        let claims = Claims::default();
        assert_eq!(claims.take(5, 2), Some(0));
        assert_eq!(claims.take(6, 2), Some(0));
        assert_eq!(claims.take(5, 2), None);
        assert_eq!(claims.take(6, 2), Some(1));
    }

    #[test]
    fn phases_are_in_order_where_their_numbers_wrap() {
        let claims = Claims::default();
        let last = u64::MAX >> COUNT_BITS;
        claims.0.store(last << COUNT_BITS, Ordering::Relaxed);
        assert_eq!(claims.take(last, MOST_CHUNKS), Some(0));
        assert_eq!(claims.take(last + 1, MOST_CHUNKS), Some(0));
        assert_eq!(claims.take(last, MOST_CHUNKS), None);
    }

    #[test]
    fn threads_that_race_share_the_chunks() {
        let claims = Claims::default();
        for phase in 1..50 {
            let take = || claims.take(phase, 1000).map(|chunk| chunk as u64);
            let count = || std::iter::from_fn(take).sum::<u64>();
            let sum: u64 = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..3).map(|_| scope.spawn(count)).collect();
                threads.into_iter().map(|thread| thread.join().expect("nothing panics")).sum()
            });
            assert_eq!(sum, 999 * 1000 / 2);
        }
    }
}
