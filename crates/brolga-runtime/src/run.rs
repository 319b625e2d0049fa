//! A step that runs: phases of chunks, done by the workers that have a core.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use brolga_codegen::jit::Code;
use brolga_codegen::kernel::KernelFn;

use crate::copy;
use crate::error::RuntimeError;
use crate::feed::Placed;
use crate::hazards::chunk;
use crate::layout::{Layout, Space};
use crate::memory::{Memory, Span};
use crate::pace::Pace;
use crate::phases::{Chunk, Phase, Phases};
use crate::plan::Plan;
use crate::profile::Timers;
use crate::progress::Job;
use crate::schedule::{Scheduled, operand_table};
use crate::state::State;
use crate::tasks::Call;
use crate::team::Team;

/// A scheduled program with all addresses filled in. Everything that can be computed before a run
/// has been.
pub(crate) struct Step {
    stages: Box<[StageCall]>,
    /// The units of each lane in each stage, stage by stage.
    units: Box<[Range<u64>]>,
    phases: Phases,
    lanes: usize,
    table: Table,
    /// The scratch memory of each worker.
    scratch: Box<[Pointer]>,
    /// The address of each data input.
    inputs: Box<[Pointer]>,
    /// The threads, if there is more than one.
    team: Option<Arc<Team>>,
    pace: Pace,
    timers: Option<Timers>,
    /// The machine code, and so the last to be dropped.
    _code: Code,
}

struct StageCall {
    entry: KernelFn,
    /// The start of its kernel's operand table in the table of all.
    operands: usize,
    /// Whether its units are chunks of their own.
    long: bool,
}

/// An address in the arena or in the state of the current run.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
struct Pointer(*mut u8);

// SAFETY: an address alone does nothing; `Step::run` states why its use is sound.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

/// The operand tables of all kernels, one after the other.
struct Table {
    pointers: Box<[Pointer]>,
    /// The indices of the operands in the state, with their offsets there.
    in_state: Box<[(usize, usize)]>,
}

impl Table {
    /// The table of all calls, and the start of each call's part.
    fn new(calls: &[Call], layout: &Layout, arena: &Memory) -> (Self, Vec<usize>) {
        let (mut pointers, mut in_state, mut starts) = (vec![], vec![], vec![]);
        for call in 0..calls.len() {
            starts.push(pointers.len());
            for address in operand_table(calls, layout, call) {
                if address.space == Space::State {
                    in_state.push((pointers.len(), address.span.offset));
                }
                pointers.push(Pointer(arena.address(match address.space {
                    Space::Arena => address.span.offset,
                    Space::State => 0,
                })));
            }
        }
        (Self { pointers: pointers.into(), in_state: in_state.into() }, starts)
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (stages, lanes) = (self.stages.len(), self.lanes);
        f.debug_struct("Step")
            .field("stages", &stages)
            .field("lanes", &lanes)
            .finish_non_exhaustive()
    }
}

impl Step {
    /// Fills in the addresses of memory and code, for `threads` threads.
    pub(crate) fn new(
        plan: &Plan,
        arena: &Memory,
        threads: usize,
        timers: Option<Timers>,
        code: Code,
    ) -> Result<Self, RuntimeError> {
        let Plan { calls, layout, schedule, .. } = plan;
        let lanes = plan.lanes();
        let stages = &schedule.stages;
        let (table, starts) = Table::new(calls, layout, arena);
        let call = |stage: &Scheduled| {
            let missing = || {
                let (kernel, symbol) = (calls[stage.call].name.clone(), stage.symbol.clone());
                RuntimeError::MissingSymbol { kernel, symbol }
            };
            let entry = match stage.symbol.as_str() {
                copy::SYMBOL => Some(copy::CODE),
                symbol => code.kernel(symbol),
            };
            let entry = entry.ok_or_else(missing)?;
            Ok(StageCall { entry, operands: starts[stage.call], long: stage.long })
        };
        let units = |stage: &Scheduled, lane| {
            let Range { start, end } = chunk(stage.units, lane, lanes);
            start as u64..end as u64
        };
        let units = |stage| (0..lanes).map(move |lane| units(stage, lane));
        let address = |span: &Span| Pointer(arena.address(span.offset));
        let phases = Phases::new(schedule, lanes, !layout.inputs.is_empty());
        Ok(Self {
            stages: stages.iter().map(call).collect::<Result<_, RuntimeError>>()?,
            units: stages.iter().flat_map(units).collect(),
            pace: Pace::new(phases.phases.first().map_or(0.0, Phase::work_left)),
            phases,
            lanes,
            table,
            scratch: layout.scratch.iter().map(address).collect(),
            inputs: layout.inputs.iter().map(address).collect(),
            team: if threads > 1 { Some(Team::of(threads, lanes)?) } else { None },
            timers,
            _code: code,
        })
    }

    /// Runs the step, fed with these rows.
    ///
    /// # Safety
    /// The stages keep the promises of [`KernelFn`]; `arena` is the memory the step was made for,
    /// and `state` has the layout it was made for. (Both are borrowed for the whole run, so no
    /// other thread touches them.)
    pub(crate) unsafe fn run(
        &mut self,
        _arena: &mut Memory,
        state: &mut State,
        feeds: &[Placed<'_>],
    ) {
        for &(index, offset) in &self.table.in_state {
            self.table.pointers[index] = Pointer(state.memory_mut().address(offset));
        }
        let step = &*self;
        // SAFETY: the caller keeps the promises. Each worker has its own number and does one chunk
        // at a time; each chunk is done once, when all phases before its own are done.
        let work = |worker: usize, chunk: usize| unsafe { step.chunk(worker, chunk, feeds) };
        let Phases { phases, feeding, .. } = &step.phases;
        let phases = &phases[if feeds.is_empty() { *feeding } else { 0 }..];
        let chunks = || phases.iter().flat_map(|phase| phase.begin()..phase.end());
        let alone = || chunks().for_each(|chunk| work(0, chunk));
        let mut took = 0;
        let mut run = || match &step.team {
            Some(team) if !step.pace.is_alone() => took = team.run(Job { phases, work: &work }),
            Some(_) => {
                let start = Instant::now();
                alone();
                took = start.elapsed().as_nanos() as u64;
            }
            None => alone(),
        };
        match &step.timers {
            None => run(),
            Some(timers) => timers.step(run),
        }
        self.pace.count(took);
    }

    /// Does a chunk.
    ///
    /// # Safety
    /// As [`Step::run`], whose table is filled; the worker does one chunk at a time, no other
    /// worker does this one, and all phases before the chunk's are done.
    unsafe fn chunk(&self, worker: usize, chunk: usize, feeds: &[Placed<'_>]) {
        match &self.phases.chunks[chunk] {
            Chunk::Lane { lane, feeds: begins_with_feeds, stages } => {
                if *begins_with_feeds && !feeds.is_empty() {
                    // SAFETY: the same promises.
                    self.timed_feed(worker, || unsafe { self.feed(*lane, feeds) });
                }
                for stage in stages.clone().filter(|&stage| !self.stages[stage].long) {
                    let units = &self.units[stage * self.lanes + lane];
                    if !units.is_empty() {
                        // SAFETY: the same promises; the lane's units of earlier stages are done.
                        unsafe { self.timed_call(stage, worker, units.clone()) };
                    }
                }
            }
            Chunk::Units { stage, units } => {
                let units = units.start as u64..units.end as u64;
                // SAFETY: the same promises.
                unsafe { self.timed_call(*stage, worker, units) };
            }
        }
    }

    /// Copies a lane's part of the rows.
    ///
    /// # Safety
    /// As [`Step::chunk`].
    unsafe fn feed(&self, lane: usize, feeds: &[Placed<'_>]) {
        for feed in feeds {
            let start = self.inputs[feed.input].0;
            // SAFETY: `start` is the address of the input. Each row is in one lane, and no stage
            // reads rows of another lane before the barrier after the feeds.
            unsafe { feed.copy(start, chunk(feed.rows(), lane, self.lanes)) };
        }
    }

    /// Does some units of a stage.
    ///
    /// # Safety
    /// As [`Step::chunk`].
    #[inline]
    unsafe fn call(&self, stage: &StageCall, worker: usize, units: Range<u64>) {
        let operands = self.table.pointers[stage.operands..].as_ptr().cast::<*mut u8>();
        // SAFETY: the table holds the addresses of the kernel's operands, results and workspace, of
        // the sizes and with the alignment promised, apart from each other where they have to be
        // (the plan is checked); the units are within the stage's, and no other worker does them;
        // the scratch memory is this worker's own; phases and lanes keep units apart where their
        // bytes are the same.
        unsafe { (stage.entry)(operands, self.scratch[worker].0, units.start, units.end) };
    }

    /// The same, timed if a profile is made.
    ///
    /// # Safety
    /// As [`Step::chunk`].
    #[inline]
    unsafe fn timed_call(&self, stage: usize, worker: usize, units: Range<u64>) {
        // SAFETY: the same promises.
        let call = || unsafe { self.call(&self.stages[stage], worker, units) };
        match &self.timers {
            None => call(),
            Some(timers) => timers.stage(stage, worker, call),
        }
    }

    fn timed_feed(&self, worker: usize, feed: impl FnOnce()) {
        match &self.timers {
            None => feed(),
            Some(timers) => timers.feed(worker, feed),
        }
    }

    pub(crate) fn timers(&self) -> Option<&Timers> {
        self.timers.as_ref()
    }
}
