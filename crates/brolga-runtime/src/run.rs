//! The step as it runs: every worker walks the same list of stages.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use brolga_codegen::kernel::KernelFn;

use crate::barrier::{Barrier, OwnLine};
use crate::error::RuntimeError;
use crate::feed::Placed;
use crate::hazards::chunk;
use crate::layout::{Layout, Space};
use crate::memory::{Memory, Span};
use crate::profile::Timers;
use crate::schedule::{Schedule, Scheduled, operand_table};
use crate::state::State;
use crate::tasks::Tasks;
use crate::team::Team;

/// In so many turns a worker takes its units of a shared stage.
const TURNS: u64 = 16;

/// A scheduled program with all addresses filled in. Nothing is computed when it runs that could be computed before.
pub(crate) struct Step {
    stages: Box<[Call]>,
    /// The units of each worker in each stage, stage by stage.
    chunks: Box<[Range<u64>]>,
    /// What each worker has to do in each shared stage.
    offers: Box<[OwnLine<Box<[Offer]>>]>,
    /// Whether this step is an odd one.
    odd: bool,
    threads: usize,
    table: Table,
    /// The scratch memory of each worker.
    scratch: Box<[Pointer]>,
    /// Where each data input begins.
    inputs: Box<[Pointer]>,
    barrier_behind_feeds: bool,
    barrier: Barrier,
    /// The threads, if there is more than one.
    team: Option<Arc<Team>>,
    timers: Option<Timers>,
    /// The machine code, and so the last to be dropped.
    _code: Box<dyn Any + Send + Sync>,
}

struct Call {
    entry: KernelFn,
    /// Where the operand table of its kernel starts in the table of all.
    operands: usize,
    barrier: bool,
    /// Its number among the shared stages, if it is shared.
    shared: Option<usize>,
}

/// The units of a worker in a shared stage, which any worker may take.
struct Offer {
    units: Range<u64>,
    /// The first that nobody has taken, the end or beyond if there is none: in even steps, in odd steps.
    next: [AtomicU64; 2],
}

impl Offer {
    fn new(units: Range<u64>) -> Self {
        Self { next: [0, 1].map(|_| AtomicU64::new(units.start)), units }
    }

    /// Puts all units up for the next step. Nobody takes any of them in this one.
    fn renew(&self, odd: bool) {
        self.next[usize::from(!odd)].store(self.units.start, Ordering::Relaxed);
    }

    /// Takes some units. Says nothing about memory: that is for the barriers.
    fn take(&self, odd: bool) -> Option<Range<u64>> {
        let Range { start, end } = self.units;
        let next = &self.next[usize::from(odd)];
        if next.load(Ordering::Relaxed) >= end {
            return None;
        }
        let some = (end - start).div_ceil(TURNS);
        let first = next.fetch_add(some, Ordering::Relaxed);
        (first < end).then(|| first..end.min(first + some))
    }
}

/// An address in the arena or in the state of the current run.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
struct Pointer(*mut u8);

// SAFETY: an address alone does nothing; `Step::run` tells why using it is sound.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

/// The operand tables of all kernels, one after the other.
struct Table {
    pointers: Box<[Pointer]>,
    /// Which of them point into the state, and where.
    in_state: Box<[(usize, usize)]>,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (stages, threads) = (self.stages.len(), self.threads);
        f.debug_struct("Step")
            .field("stages", &stages)
            .field("threads", &threads)
            .finish_non_exhaustive()
    }
}

impl Step {
    /// Fills in the addresses.
    pub(crate) fn new(
        tasks: &Tasks,
        schedule: &Schedule,
        layout: &Layout,
        arena: &Memory,
        timers: Option<Timers>,
        code: Box<dyn Any + Send + Sync>,
    ) -> Result<Self, RuntimeError> {
        let Schedule { stages, barrier_behind_feeds } = schedule;
        let threads = layout.scratch.len();
        let (mut pointers, mut in_state, mut starts) = (vec![], vec![], vec![]);
        for task in 0..tasks.tasks.len() {
            starts.push(pointers.len());
            for address in operand_table(tasks, layout, task) {
                if address.space == Space::State {
                    in_state.push((pointers.len(), address.span.offset));
                }
                pointers.push(Pointer(arena.address(match address.space {
                    Space::Arena => address.span.offset,
                    Space::State => 0,
                })));
            }
        }
        let mut shared = 0;
        let call = |stage: &Scheduled| Call {
            entry: stage.entry,
            operands: starts[stage.task],
            barrier: stage.barrier,
            shared: stage.shared.then(|| {
                shared += 1;
                shared - 1
            }),
        };
        let units = |stage: &Scheduled, worker| {
            let Range { start, end } = chunk(stage.units, worker, threads);
            start as u64..end as u64
        };
        let chunks = |stage| (0..threads).map(move |worker| units(stage, worker));
        let address = |span: &Span| Pointer(arena.address(span.offset));
        let offers = |worker| {
            let shared = stages.iter().filter(|stage| stage.shared);
            OwnLine(shared.map(|stage| Offer::new(units(stage, worker))).collect())
        };
        Ok(Self {
            stages: stages.iter().map(call).collect(),
            chunks: stages.iter().flat_map(chunks).collect(),
            offers: (0..threads).map(offers).collect(),
            odd: false,
            threads,
            table: Table { pointers: pointers.into(), in_state: in_state.into() },
            scratch: layout.scratch.iter().map(address).collect(),
            inputs: layout.inputs.iter().map(address).collect(),
            barrier_behind_feeds: *barrier_behind_feeds,
            barrier: Barrier::new(threads),
            team: if threads > 1 { Some(Team::of(threads)?) } else { None },
            timers,
            _code: code,
        })
    }

    /// Runs the step, fed with these rows.
    ///
    /// # Safety
    /// The stages keep the promises of [`KernelFn`]; `arena` is the memory the step was made for, and `state` has the
    /// layout it was made for. (Both are borrowed for the whole run, so nobody else touches them.)
    pub(crate) unsafe fn run(
        &mut self,
        _arena: &mut Memory,
        state: &mut State,
        feeds: &[Placed<'_>],
    ) {
        for &(place, offset) in &self.table.in_state {
            self.table.pointers[place] = Pointer(state.memory_mut().address(offset));
        }
        self.odd = !self.odd;
        let step = &*self;
        let walk = |worker: usize| {
            // SAFETY: the caller keeps the promises, and each worker has its own number.
            unsafe {
                match &step.timers {
                    None => step.walk(worker, feeds),
                    Some(timers) => step.walk_timed(worker, feeds, timers),
                }
            }
        };
        let run = || match &step.team {
            None => walk(0),
            Some(team) => team.run(&walk),
        };
        match &step.timers {
            None => run(),
            Some(timers) => timers.step(run),
        }
    }

    /// Does a worker's part of each stage.
    ///
    /// # Safety
    /// As [`Step::run`], whose table is filled; every worker calls it once for a step.
    unsafe fn walk(&self, worker: usize, feeds: &[Placed<'_>]) {
        self.offers[worker].0.iter().for_each(|offer| offer.renew(self.odd));
        // SAFETY: the same promises.
        if unsafe { self.feed(worker, feeds) } {
            self.barrier.wait();
        }
        for (place, stage) in self.stages.iter().enumerate() {
            if stage.barrier {
                self.barrier.wait();
            }
            // SAFETY: the same promises.
            unsafe { self.call(place, stage, worker) };
        }
    }

    /// As [`Step::walk`], with a look at the clock around each stage.
    ///
    /// # Safety
    /// As [`Step::walk`].
    unsafe fn walk_timed(&self, worker: usize, feeds: &[Placed<'_>], timers: &Timers) {
        self.offers[worker].0.iter().for_each(|offer| offer.renew(self.odd));
        // SAFETY: the same promises.
        if unsafe { self.feed(worker, feeds) } {
            timers.wait(worker, || self.barrier.wait());
        }
        for (place, stage) in self.stages.iter().enumerate() {
            if stage.barrier {
                timers.wait(worker, || self.barrier.wait());
            }
            // SAFETY: the same promises.
            timers.stage(place, worker, || unsafe { self.call(place, stage, worker) });
        }
    }

    /// Copies a worker's part of the rows; returns whether all have to wait for each other then.
    ///
    /// # Safety
    /// As [`Step::walk`].
    unsafe fn feed(&self, worker: usize, feeds: &[Placed<'_>]) -> bool {
        for feed in feeds {
            let start = self.inputs[feed.input].0;
            // SAFETY: the input begins there. This worker alone writes these rows, and no stage reads rows of another worker before the
            // barrier that the schedule found necessary.
            unsafe { feed.copy(start, chunk(feed.rows(), worker, self.threads)) };
        }
        !feeds.is_empty() && self.barrier_behind_feeds
    }

    /// Does a worker's part of one stage, and, if it is shared, what others have not begun with.
    ///
    /// # Safety
    /// As [`Step::walk`]; every stage before this one is done as far as the barriers demand it.
    #[inline]
    unsafe fn call(&self, place: usize, stage: &Call, worker: usize) {
        let run = |Range { start, end }: Range<u64>| {
            let operands = self.table.pointers[stage.operands..].as_ptr().cast::<*mut u8>();
            // SAFETY: the table holds the addresses of the kernel's operands, results and workspace, of the sizes and with the
            // alignment promised, apart from each other where they have to be (the plan is checked); the units are within the
            // stage's, and no other worker does them; the scratch memory is this worker's own; barriers keep workers apart where their
            // bytes are the same.
            unsafe { (stage.entry)(operands, self.scratch[worker].0, start, end) };
        };
        match stage.shared {
            None => {
                let units = &self.chunks[place * self.threads + worker];
                if !units.is_empty() {
                    run(units.clone());
                }
            }
            Some(shared) => {
                for whose in (worker..self.threads).chain(0..worker) {
                    while let Some(units) = self.offers[whose].0[shared].take(self.odd) {
                        run(units);
                    }
                }
            }
        }
    }

    pub(crate) fn timers(&self) -> Option<&Timers> {
        self.timers.as_ref()
    }
}
