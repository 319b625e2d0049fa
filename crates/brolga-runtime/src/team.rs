//! The threads that run steps.
//!
//! A step is a list of phases; a phase is over when all its chunks are done, by any worker. Only a
//! worker in the middle of a chunk is waited for: a helper without a core holds no chunk, and the
//! others do its part.
//!
//! A team is a pool of threads on which one broadcast stays resident: its helpers wait for phases,
//! first spinning, then asleep. So a step neither allocates nor locks. The caller is worker 0.
//! Executables with the same numbers of threads and lanes share a team and take turns.
//!
//! `docs/decisions/units-not-threads.md` tells why.

use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::RuntimeError;
use crate::progress::{Job, Shared};

/// The largest number of threads.
const LIMIT: usize = 1024;

/// Threads that run steps together.
#[derive(Debug)]
pub(crate) struct Team {
    shared: Arc<Shared>,
    /// Dropping the pool ends the threads, after their loops have ended.
    _pool: ThreadPool,
}

static TEAMS: Mutex<Vec<Weak<Team>>> = Mutex::new(vec![]);

impl Team {
    /// The team of `threads` threads, including the caller's, for steps of `lanes` lanes. It exists
    /// as long as an executable has it.
    pub(crate) fn of(threads: usize, lanes: usize) -> Result<Arc<Self>, RuntimeError> {
        let mut teams = TEAMS.lock().unwrap_or_else(PoisonError::into_inner);
        teams.retain(|team| team.strong_count() > 0);
        let mut known = teams.iter().filter_map(Weak::upgrade);
        if let Some(team) = known.find(|team| team.shared.extent() == (threads, lanes)) {
            return Ok(team);
        }
        let team = Arc::new(Self::new(threads, lanes)?);
        teams.push(Arc::downgrade(&team));
        Ok(team)
    }

    /// Checks that a team can have this number of threads.
    pub(crate) fn check(threads: usize) -> Result<(), RuntimeError> {
        match threads {
            1..=LIMIT => Ok(()),
            _ => Err(RuntimeError::ThreadCount { given: threads, limit: LIMIT }),
        }
    }

    fn new(threads: usize, lanes: usize) -> Result<Self, RuntimeError> {
        Self::check(threads)?;
        let count = threads - 1;
        let failed = |reason: String| RuntimeError::Threads { count, reason };
        let shared = Arc::new(Shared::new(threads, lanes));
        // A pool has at least one thread, which is idle in a team of one.
        let pool = ThreadPoolBuilder::new()
            .num_threads(count.max(1))
            .thread_name(|index| format!("brolga-{}", index + 1))
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let (announce, announced) = mpsc::channel();
        if count > 0 {
            let shared = Arc::clone(&shared);
            pool.spawn_broadcast(move |context| {
                // The receiver waits for all helpers.
                let _ = announce.send(());
                shared.help(context.index() + 1);
            });
        }
        match announced.iter().take(count).count() == count {
            true => Ok(Self { shared, _pool: pool }),
            false => Err(failed("some ended at once".to_owned())),
        }
    }

    /// Runs a job, with the caller as worker 0, until all its chunks are done; returns the
    /// nanoseconds that it took.
    ///
    /// # Panics
    /// If a chunk has panicked on any thread.
    pub(crate) fn run(&self, job: Job<'_>) -> u64 {
        self.shared.run(job)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.close();
    }
}

#[cfg(test)]
mod tests;
