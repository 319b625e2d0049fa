//! Work on large slices by many threads.

use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, available_parallelism, scope};

/// Calls a function for all chunks of a slice, with the index of each one's first element, on as
/// many threads as the process may use. A thread takes the next chunk when it has finished one. A
/// thread that the system does not start is not an error.
pub fn for_each_chunk<T: Send>(
    values: &mut [T],
    chunk: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    let chunk = chunk.max(1);
    let helpers = match values.len().div_ceil(chunk) {
        0 | 1 => 0,
        chunks => available_parallelism().map_or(1, usize::from).min(chunks) - 1,
    };
    let chunks = Mutex::new(values.chunks_mut(chunk).enumerate());
    let next = || chunks.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        while let Some((index, values)) = next() {
            work(index * chunk, values);
        }
    };
    scope(|scope| {
        for _ in 0..helpers {
            if Builder::new().spawn_scoped(scope, worker).is_err() {
                break;
            }
        }
        worker();
    });
}

#[cfg(test)]
mod tests {
    use super::for_each_chunk;

    #[test]
    fn every_element_is_met_once_at_its_place() {
        for (length, chunk) in [(0, 4), (1, 4), (4, 4), (1000, 7), (3, 0)] {
            let mut values = vec![0; length];
            for_each_chunk(&mut values, chunk, |start, values| {
                values.iter_mut().zip(start..).for_each(|(value, index)| *value += index + 1);
            });
            assert!(values.iter().copied().eq(1..=length), "{length} by {chunk}");
        }
    }
}
