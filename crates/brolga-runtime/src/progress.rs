//! A step in progress: which worker does which chunks, and when a phase is over.
//!
//! The state that workers share is in [`Shared`], which outlives every step. Only a worker that is
//! *inside* reads the job, which belongs to the caller. Helpers wait outside, and enter to do
//! chunks:
//!
//! 1. A helper raises its flag `inside`, and reads the moment after that. The last chunk of a job
//!    closes the last phase, and the caller reads the flags after that. All four accesses are
//!    sequentially consistent, so that either the helper sees that the phase is closed and does not
//!    read the job, or the caller sees the flag and waits until the helper has left.
//! 2. A chunk is taken with the number of its phase ([`Claims`]), which no other phase has. A late
//!    helper takes nothing, whatever it has read before.
//! 3. `done` counts the chunks done in the life of the team. A chunk of a phase is counted before
//!    the phase can be over, so exactly one count reaches the end of the phase. Whoever counted it
//!    opens the next phase. What was written in chunks is released by these counts, acquired by the
//!    last of them, and passed on with the moment.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread::yield_now;
use std::time::Instant;

use crate::claims::Claims;
use crate::cores;
use crate::hazards::chunk;
use crate::phases::Phase;
use crate::wait::{Bell, OwnLine, Patience, spin};

/// How often a worker that has done its own chunks checks whether the phase is over before it takes
/// chunks of other lanes: 0.3 to 1 µs. Reading a lane's claims moves the cache line that its owner
/// is about to write, which in short phases costs more than it helps.
const GRACE: u32 = 32;

/// Nanoseconds that a worker computes before it yields its core. A worker that the system preempts
/// is most likely in the middle of a chunk, for which all others have to wait; one that yields
/// between chunks holds up nobody. The turn is shorter than the system's time slice, which is 1.4
/// ms or more with two cores, and not much shorter, since on Linux a thread that yields loses the
/// rest of its slice.
const TURN: u64 = 1_000_000;

/// The pause between two jobs, in nanoseconds, after which the caller begins a new turn, since it
/// may have slept.
const PAUSE: u64 = 50_000;

/// The number of chunks between readings of the clock. A chunk takes up to some 50 µs.
const CHUNKS_BETWEEN_LOOKS: u32 = 4;

/// A step to be done: the phases in order, each with a chunk, and the function that does a chunk,
/// given the indices of the worker and of the chunk.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) phases: &'a [Phase],
    pub(crate) work: &'a (dyn Fn(usize, usize) + Sync + 'a),
}

/// A job that is being done.
#[derive(Clone, Copy)]
struct Active<'a> {
    job: Job<'a>,
    /// The number of the first phase.
    first: u64,
    /// The value of `done` at the first chunk of the job, minus that chunk's index.
    base: u64,
}

/// An open phase, or the time after one has closed. Moments ascend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Moment(u64);

impl Moment {
    fn is_open(self) -> bool {
        self.0 & 1 == 1
    }

    fn phase(self) -> u64 {
        self.0 >> 1
    }

    fn next(self, open: bool) -> Self {
        Self((self.phase().wrapping_add(1) << 1) | u64::from(open))
    }
}

/// The state that the threads of a team share.
pub(crate) struct Shared {
    /// The current [`Moment`].
    moment: OwnLine<AtomicU64>,
    done: OwnLine<AtomicU64>,
    lanes: Box<[OwnLine<Claims>]>,
    seats: Box<[OwnLine<Seat>]>,
    /// Whether a caller has the team. The caller that sets it owns the job until it clears it.
    busy: OwnLine<AtomicBool>,
    active: UnsafeCell<Option<Active<'static>>>,
    panicked: AtomicBool,
    closing: AtomicBool,
    patience: Patience,
    /// The bell at which callers sleep.
    callers: OwnLine<Bell>,
    /// The bell at which helpers sleep.
    helpers: OwnLine<Bell>,
    start: Instant,
}

/// The state of a worker.
#[derive(Debug, Default)]
struct Seat {
    /// Whether the helper may read the job.
    inside: AtomicBool,
    /// Whether the worker found chunks of another lane when it last searched for some.
    saw_leftovers: AtomicBool,
    /// The number of chunks it has done.
    chunks: AtomicU32,
    /// When its turn began, in nanoseconds since the start of the team.
    turn: AtomicU64,
    /// The core of its turn.
    core: AtomicUsize,
    /// The time at which a caller last left.
    paused: AtomicU64,
}

// SAFETY: `active` is written only by the owner of `busy`, while no phase is open and no helper is
// inside; helpers read it while they are inside and have seen an open phase since they entered.
unsafe impl Sync for Shared {}
// SAFETY: the job holds shared references to what is `Sync`.
unsafe impl Send for Shared {}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("extent", &self.extent()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(threads: usize, lanes: usize) -> Self {
        Self {
            moment: OwnLine::default(),
            done: OwnLine::default(),
            lanes: (0..lanes).map(|_| OwnLine::default()).collect(),
            seats: (0..threads).map(|_| OwnLine::default()).collect(),
            busy: OwnLine::default(),
            active: UnsafeCell::new(None),
            panicked: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            patience: Patience::of(threads),
            callers: OwnLine::default(),
            helpers: OwnLine::default(),
            start: Instant::now(),
        }
    }

    /// The numbers of threads and lanes.
    pub(crate) fn extent(&self) -> (usize, usize) {
        (self.seats.len(), self.lanes.len())
    }

    fn moment(&self) -> Moment {
        Moment(self.moment.0.load(Ordering::SeqCst))
    }

    /// Runs a job on the caller's thread and on the helpers that get a core in time; returns the
    /// nanoseconds that it took.
    pub(crate) fn run(&self, job: Job<'_>) -> u64 {
        let Some(first_phase) = job.phases.first() else { return 0 };
        while self.busy.0.swap(true, Ordering::Acquire) {
            self.patience.wait(&self.callers.0, || !self.busy.0.load(Ordering::SeqCst));
        }
        let session = Session { shared: self };
        let seat = &self.seats[0].0;
        let now = self.now();
        if now.saturating_sub(seat.paused.load(Ordering::Relaxed)) > PAUSE {
            self.begin_turn(0);
        }
        let opened = self.moment().next(true);
        // No job is running, so the counter does not change.
        let done = self.done.0.load(Ordering::Relaxed);
        let base = done.wrapping_sub(first_phase.begin() as u64);
        let active = Active { job, first: opened.phase(), base };
        // SAFETY: only the lifetime changes. Helpers use it only while they are inside, and
        // `session` does not end, not even by a panic, before all have left for good.
        let for_helpers = unsafe { std::mem::transmute::<Active<'_>, Active<'static>>(active) };
        // SAFETY: this thread owns `busy`, no phase is open, and no helper is inside.
        unsafe { *self.active.get() = Some(for_helpers) };
        self.moment.0.store(opened.0, Ordering::SeqCst);
        self.helpers.0.ring();
        let mut moment = opened;
        while moment.is_open() {
            match self.work(&active, moment, 0) {
                Left::Nothing => self.wait(0, &self.callers, || self.moment() != moment),
                Left::Some => self.offer_core(0),
            }
            moment = self.moment();
        }
        drop(session);
        let end = self.now();
        seat.paused.store(end, Ordering::Relaxed);
        end.saturating_sub(now)
    }

    /// The main loop of a helper.
    pub(crate) fn help(&self, worker: usize) {
        let seat = &self.seats[worker].0;
        let is_new = |seen: Moment, moment: Moment| moment.is_open() && moment != seen;
        let mut seen = Moment::default();
        loop {
            let closing = || self.closing.load(Ordering::SeqCst);
            self.wait(worker, &self.helpers, || is_new(seen, self.moment()) || closing());
            if closing() {
                return;
            }
            let mut moment = self.enter(seat);
            let mut left = Left::Nothing;
            // The job stays while the helper is inside and a phase is open, so one visit is enough
            // for phases that follow each other closely.
            while is_new(seen, moment) && matches!(left, Left::Nothing) {
                // SAFETY: a phase is open, so there is a job; the helper is inside, so the job
                // stays.
                let Some(active) = (unsafe { &*self.active.get() }) else { break };
                left = self.work(active, moment, worker);
                seen = moment;
                moment = self.moment();
            }
            self.leave(seat);
            if matches!(left, Left::Some) {
                // Chunks may be left: the same phase is looked at again.
                seen = Moment::default();
                self.offer_core(worker);
            }
        }
    }

    /// Lets a helper enter; it may read the job if the returned moment is an open phase.
    fn enter(&self, seat: &Seat) -> Moment {
        seat.inside.store(true, Ordering::SeqCst);
        self.moment()
    }

    /// Lets a helper leave, which wakes the caller if the job is over.
    fn leave(&self, seat: &Seat) {
        seat.inside.store(false, Ordering::SeqCst);
        if !self.moment().is_open() {
            self.callers.0.ring();
        }
    }

    /// Nanoseconds since the start of the team.
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Waits until the condition holds. A sleep ends a turn.
    fn wait(&self, worker: usize, bell: &OwnLine<Bell>, condition: impl Fn() -> bool) {
        if self.patience.wait(&bell.0, condition) {
            self.begin_turn(worker);
        }
    }

    /// Yields the core, and begins a new turn.
    fn offer_core(&self, worker: usize) {
        yield_now();
        self.begin_turn(worker);
    }

    /// Begins a turn, on a core that no worker with a lower index has, if it may run on another.
    fn begin_turn(&self, worker: usize) {
        let seat = &self.seats[worker].0;
        let taken = || self.seats[..worker].iter().map(|seat| seat.0.core.load(Ordering::Relaxed));
        seat.core.store(cores::move_off(taken), Ordering::Relaxed);
        seat.turn.store(self.now(), Ordering::Relaxed);
    }

    /// Counts a chunk; returns whether the turn has ended.
    fn turn_ends(&self, seat: &Seat) -> bool {
        let chunks = seat.chunks.load(Ordering::Relaxed).wrapping_add(1);
        seat.chunks.store(chunks, Ordering::Relaxed);
        chunks.is_multiple_of(CHUNKS_BETWEEN_LOOKS)
            && self.now().saturating_sub(seat.turn.load(Ordering::Relaxed)) >= TURN
    }

    /// Ends the helpers.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.helpers.0.ring();
    }

    /// Does chunks of a phase, the worker's own first, until none is left or its turn is over.
    fn work(&self, active: &Active<'_>, moment: Moment, worker: usize) -> Left {
        let index = moment.phase().wrapping_sub(active.first) as usize;
        let phase = &active.job.phases[index];
        let seat = &self.seats[worker].0;
        let (threads, lanes) = self.extent();
        let own = chunk(lanes, worker, threads);
        let mut done = 0;
        // Returns whether the turn has ended.
        let do_chunks = |mut lanes: Range<usize>, done: &mut u64| {
            lanes.any(|lane| {
                let chunks = phase.chunks(lane);
                while let Some(index) = self.lanes[lane].0.take(moment.phase(), chunks.len()) {
                    self.call(active, worker, chunks.start + index);
                    *done += 1;
                    if self.turn_ends(seat) {
                        return true;
                    }
                }
                false
            })
        };
        let mut over = do_chunks(own.clone(), &mut done);
        if !over {
            if !phase.is_long() && !seat.saw_leftovers.load(Ordering::Relaxed) {
                self.count(active, moment, std::mem::take(&mut done));
                if spin(GRACE, || self.moment() != moment) {
                    return Left::Nothing;
                }
            }
            let before = done;
            over = do_chunks(own.end..lanes, &mut done) || do_chunks(0..own.start, &mut done);
            seat.saw_leftovers.store(done > before, Ordering::Relaxed);
        }
        self.count(active, moment, done);
        if over { Left::Some } else { Left::Nothing }
    }

    /// Does a chunk. A chunk that panics counts as done, so that the others end.
    fn call(&self, active: &Active<'_>, worker: usize, chunk: usize) {
        if catch_unwind(AssertUnwindSafe(|| (active.job.work)(worker, chunk))).is_err() {
            self.panicked.store(true, Ordering::Relaxed);
        }
    }

    /// Counts chunks of the current phase as done; the last of them begin the next phase.
    fn count(&self, active: &Active<'_>, moment: Moment, chunks: u64) {
        if chunks == 0 {
            return;
        }
        let done = self.done.0.fetch_add(chunks, Ordering::AcqRel).wrapping_add(chunks);
        let index = moment.phase().wrapping_sub(active.first) as usize;
        let phases = &active.job.phases[index..];
        if done == active.base.wrapping_add(phases[0].end() as u64) {
            let next = phases.get(1);
            let opened = moment.next(next.is_some());
            // This fails only if a panicking caller has closed the phase.
            let (seq, now) = (Ordering::SeqCst, &self.moment.0);
            let _ = now.compare_exchange(moment.0, opened.0, seq, seq);
            self.callers.0.ring();
            if next.is_some_and(Phase::is_worth_waking) {
                self.helpers.0.ring();
            }
        }
    }
}

/// Whether chunks of a phase are left for others.
enum Left {
    Nothing,
    /// Perhaps: the turn has ended before all were taken.
    Some,
}

/// The right to give the team a job.
struct Session<'a> {
    shared: &'a Shared,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let Shared { moment, seats, patience, callers, busy, panicked, .. } = self.shared;
        // A job that has ended has closed its last phase.
        if self.shared.moment().is_open() {
            moment.0.store(self.shared.moment().next(false).0, Ordering::SeqCst);
        }
        let outside = || seats.iter().all(|seat| !seat.0.inside.load(Ordering::SeqCst));
        patience.wait(&callers.0, outside);
        let failed = panicked.swap(false, Ordering::Relaxed);
        busy.0.store(false, Ordering::SeqCst);
        callers.0.ring();
        assert!(!failed || std::thread::panicking(), "a chunk of the step has panicked");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    /// The system stops a helper right after it enters.
    #[test]
    fn a_caller_waits_for_a_helper_that_may_look_at_the_job() {
        let (shared, done) = (Shared::new(2, 2), AtomicUsize::new(0));
        let (phases, over) = ([Phase::new(&[0, 1, 2], false)], AtomicBool::new(false));
        let work = |_: usize, _: usize| {
            done.fetch_add(1, Ordering::SeqCst);
        };
        let helper = &shared.seats[1].0;
        shared.enter(helper);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                shared.run(Job { phases: &phases, work: &work });
                over.store(true, Ordering::SeqCst);
            });
            std::thread::sleep(Duration::from_millis(50));
            assert!(!over.load(Ordering::SeqCst));
            shared.leave(helper);
        });
        assert_eq!(done.into_inner(), 2);
        assert!(over.into_inner());
    }
}
