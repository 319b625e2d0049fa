//! The threads that run steps.
//!
//! A team is a pool of threads on which one broadcast stays resident: its helpers wait for jobs, spinning for a while, then asleep.
//! So a step neither allocates nor locks, and needs the system only to wake helpers that have fallen asleep. The caller works
//! along as worker 0. Executables with the same number of threads share a team and take turns.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread::{Thread, park};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::barrier::{OwnLine, Patience};
use crate::error::RuntimeError;

/// The largest number of threads.
const LIMIT: usize = 1024;

/// A job: what each worker does, given its number.
type Job<'a> = &'a (dyn Fn(usize) + Sync + 'a);

/// Threads that do the same job together.
#[derive(Debug)]
pub(crate) struct Team {
    shared: Arc<Shared>,
    helpers: Box<[Thread]>,
    /// The threads end when the pool is dropped and their loops have ended.
    _pool: ThreadPool,
}

#[derive(Debug)]
struct Shared {
    patience: Patience,
    /// Whether a job is being done. Whoever sets it owns the job until it clears it.
    busy: OwnLine<AtomicBool>,
    /// The number of jobs given so far, the end counted as one.
    jobs: OwnLine<AtomicUsize>,
    /// The number of helpers that have finished the job.
    finished: OwnLine<AtomicUsize>,
    closing: AtomicBool,
    job: UnsafeCell<Option<Job<'static>>>,
}

// SAFETY: `job` is written only by the owner of `busy`, before it raises `jobs` (release); helpers read it after they have seen
// `jobs` raised (acquire) and before they raise `finished` (release), which the owner awaits (acquire) before it gives `busy` away.
unsafe impl Sync for Shared {}
// SAFETY: the job is a shared reference to something `Sync`.
unsafe impl Send for Shared {}

static TEAMS: Mutex<Vec<Weak<Team>>> = Mutex::new(vec![]);

impl Team {
    /// The team of so many threads, the caller's included; it exists as long as somebody has it.
    pub(crate) fn of(threads: usize) -> Result<Arc<Self>, RuntimeError> {
        let mut teams = TEAMS.lock().unwrap_or_else(PoisonError::into_inner);
        teams.retain(|team| team.strong_count() > 0);
        let known = teams.iter().filter_map(Weak::upgrade).find(|team| team.threads() == threads);
        if let Some(team) = known {
            return Ok(team);
        }
        let team = Arc::new(Self::new(threads)?);
        teams.push(Arc::downgrade(&team));
        Ok(team)
    }

    /// Checks that a team of so many threads can be.
    pub(crate) fn check(threads: usize) -> Result<(), RuntimeError> {
        match threads {
            1..=LIMIT => Ok(()),
            _ => Err(RuntimeError::ThreadCount { given: threads, limit: LIMIT }),
        }
    }

    fn new(threads: usize) -> Result<Self, RuntimeError> {
        Self::check(threads)?;
        let count = threads - 1;
        let failed = |reason: String| RuntimeError::Threads { count, reason };
        let shared = Arc::new(Shared {
            patience: Patience::of(threads),
            busy: OwnLine::default(),
            jobs: OwnLine::default(),
            finished: OwnLine::default(),
            closing: AtomicBool::new(false),
            job: UnsafeCell::new(None),
        });
        // A pool has at least one thread; a team of one thread never gives it a job.
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
                let _ = announce.send(std::thread::current());
                shared.help(context.index() + 1);
            });
        }
        let helpers: Box<[Thread]> = announced.iter().take(count).collect();
        match helpers.len() == count {
            true => Ok(Self { shared, helpers, _pool: pool }),
            false => Err(failed("some ended at once".to_owned())),
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Lets every worker do the job, the caller as worker 0; returns when all have finished.
    pub(crate) fn run(&self, job: Job<'_>) {
        let Shared { patience, busy, finished, .. } = &*self.shared;
        while busy.0.swap(true, Ordering::Acquire) {
            patience.wait(|| !busy.0.load(Ordering::Relaxed));
        }
        let turn = Turn { team: self };
        // SAFETY: only the lifetime changes. The helpers drop the reference before they raise `finished`, and `turn` does not
        // end, not even by a panic of the job, before all have.
        let job_for_helpers = unsafe { std::mem::transmute::<Job<'_>, Job<'static>>(job) };
        finished.0.store(0, Ordering::Relaxed);
        // SAFETY: this thread owns `busy`.
        unsafe { *self.shared.job.get() = Some(job_for_helpers) };
        self.call();
        job(0);
        drop(turn);
    }

    /// Tells the helpers that there is something new, and wakes those that sleep.
    fn call(&self) {
        self.shared.jobs.0.fetch_add(1, Ordering::Release);
        self.helpers.iter().for_each(Thread::unpark);
    }
}

/// The right to give the team a job. It ends when all helpers have finished.
struct Turn<'a> {
    team: &'a Team,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Team { shared, helpers, .. } = self.team;
        shared.patience.wait(|| shared.finished.0.load(Ordering::Acquire) == helpers.len());
        shared.busy.0.store(false, Ordering::Release);
    }
}

impl Shared {
    /// What a helper does all its life.
    fn help(&self, worker: usize) {
        let mut done = 0;
        loop {
            let new = || self.jobs.0.load(Ordering::Acquire) != done;
            if !self.patience.spin(new) {
                while !new() {
                    park();
                }
            }
            done = done.wrapping_add(1);
            if self.closing.load(Ordering::Relaxed) {
                return;
            }
            // SAFETY: `jobs` was raised, so the job is written, and stays until this helper raises `finished`.
            if let Some(job) = unsafe { *self.job.get() } {
                job(worker);
            }
            self.finished.0.fetch_add(1, Ordering::Release);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        self.call();
    }
}
