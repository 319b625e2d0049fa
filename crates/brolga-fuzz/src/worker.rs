//! The process that tries cases, on several threads.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::ThreadPoolBuilder;

use crate::coverage::Coverage;
use crate::failure::Failure;
use crate::target::{Target, guarded};

/// The exit code of a process in which a case does not come to an end.
pub const HANGS: i32 = 70;

/// The task of a worker process.
#[derive(Debug)]
pub struct Task {
    /// The cases.
    pub cases: Range<u64>,
    /// The cases that are left out, because they kill the process.
    pub skipped: BTreeSet<u64>,
    /// The number of threads.
    pub threads: usize,
    /// The number of failures after which it stops.
    pub most_failures: usize,
}

/// The case that each thread is trying, in a file that outlives the process.
pub struct Journal(File);

impl Journal {
    /// A journal in a new file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(path: &Path, threads: usize) -> io::Result<Self> {
        let journal = Self(File::create(path)?);
        (0..threads).try_for_each(|thread| journal.write(thread, u64::MAX))?;
        Ok(journal)
    }

    fn write(&self, thread: usize, case: u64) -> io::Result<()> {
        self.0.write_all_at(&case.to_le_bytes(), thread as u64 * 8)
    }

    /// The cases in a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(path: &Path) -> io::Result<Vec<u64>> {
        let bytes = std::fs::read(path)?;
        let cases = bytes.as_chunks().0.iter().map(|&case| u64::from_le_bytes(case));
        Ok(cases.filter(|&case| case != u64::MAX).collect())
    }
}

/// The state that threads share.
struct Shared<'a> {
    target: &'a dyn Target,
    task: &'a Task,
    journal: Option<&'a Journal>,
    next: AtomicU64,
    done: AtomicU64,
    failures: AtomicUsize,
    coverage: Mutex<Coverage>,
    /// For each thread the time at which its case began, in milliseconds from the start, or 0
    /// between cases.
    begun: Vec<AtomicU64>,
    start: Instant,
}

/// Tries cases and prints what fails; returns how many failed and what was drawn.
pub fn work(target: &dyn Target, task: &Task, journal: Option<&Journal>) -> (usize, Coverage) {
    // Panics are failures, which are reported.
    std::panic::set_hook(Box::new(|_| {}));
    let shared = Shared {
        target,
        task,
        journal,
        next: AtomicU64::new(task.cases.start),
        done: AtomicU64::new(0),
        failures: AtomicUsize::new(0),
        coverage: Mutex::default(),
        begun: (0..task.threads).map(|_| AtomicU64::new(0)).collect(),
        start: Instant::now(),
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..task.threads)
            .map(|n| {
                scope.spawn({
                    let shared = &shared;
                    move || shared.thread(n)
                })
            })
            .collect();
        let mut last = Instant::now();
        while threads.iter().any(|thread| !thread.is_finished()) {
            thread::sleep(Duration::from_millis(20));
            shared.watch();
            if last.elapsed() > Duration::from_secs(30) {
                last = Instant::now();
                shared.progress();
            }
        }
    });
    shared.progress();
    let failures = shared.failures.load(Ordering::Relaxed);
    (failures, shared.coverage.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Shared<'_> {
    fn thread(&self, number: usize) {
        // A case compiles on its own thread.
        let _pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        let mut coverage = Coverage::default();
        while self.failures.load(Ordering::Relaxed) < self.task.most_failures {
            let case = self.next.fetch_add(1, Ordering::Relaxed);
            if case >= self.task.cases.end {
                break;
            }
            if self.task.skipped.contains(&case) {
                continue;
            }
            if let Some(journal) = self.journal {
                // Without the journal, a crash is found but not its case.
                let _ = journal.write(number, case);
            }
            let now = self.start.elapsed().as_millis() as u64;
            self.begun[number].store(now.max(1), Ordering::Relaxed);
            let result = guarded(self.target, case, &mut coverage);
            self.begun[number].store(0, Ordering::Relaxed);
            self.done.fetch_add(1, Ordering::Relaxed);
            if let Err(failure) = result {
                self.failures.fetch_add(1, Ordering::Relaxed);
                report(self.target, case, &failure, false);
            }
        }
        if let Some(journal) = self.journal {
            let _ = journal.write(number, u64::MAX);
        }
        self.coverage.lock().unwrap_or_else(PoisonError::into_inner).merge(&coverage);
    }

    /// Ends the process if a case does not end.
    fn watch(&self) {
        let now = self.start.elapsed();
        let patience = self.target.patience();
        let begun = self.begun.iter().map(|begun| begun.load(Ordering::Relaxed));
        let hangs = |begun| now.saturating_sub(Duration::from_millis(begun)) > patience;
        if begun.into_iter().any(|begun| begun > 0 && hangs(begun)) {
            std::process::exit(HANGS);
        }
    }

    fn progress(&self) {
        let (done, failures) =
            (self.done.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed));
        let seconds = self.start.elapsed().as_secs_f64();
        say(&format!(
            "{:>8.0} s {:>10} cases {:>8.0}/s {failures:>4} failed",
            seconds,
            self.task.cases.start + done,
            done as f64 / seconds.max(1e-9)
        ));
    }
}

/// Prints a failing case with its smallest form.
pub fn report(target: &dyn Target, case: u64, failure: &Failure, dies: bool) {
    let shrunk = target.shrunk(case, failure, dies);
    say(&format!("FAILED case {case}: {failure}\n{shrunk}"));
}

/// Prints a line.
pub fn say(text: &str) {
    // A reader that closes the output is not a failure.
    let _ = writeln!(io::stdout().lock(), "{text}");
}
