//! Compiling with a record of all stages.

use std::time::{Duration, Instant};

use brolga_codegen::{Error, compile_described};
use brolga_ir::{Graph, Op};
use brolga_record::{Program, Recorder, Sink, sink};
use brolga_runtime::{Backend, Options, Planned, StateLayout};

use super::session::{Key, Kind, prepared, trace};
use super::step::Plan;
use crate::error::NnError;

/// A program that is compiled and planned.
pub(crate) struct Made {
    pub(crate) planned: Planned,
    /// The graph's name.
    pub(crate) name: String,
    /// The number of its kernels.
    pub(crate) kernels: usize,
    /// The time that it took, without recording.
    pub(crate) time: Duration,
}

impl Made {
    fn new(planned: Planned, graph: &Graph, time: Duration) -> Self {
        let is_kernel = |id: &_| matches!(graph.node(*id).op, Op::Kernel(_));
        let kernels = graph.ids().filter(is_kernel).count();
        Self { planned, name: graph.name().to_owned(), kernels, time }
    }
}

/// Where programs of a model are recorded, if anybody asks for it.
pub(crate) fn asked<'a>(plan: &Plan<'a>) -> Option<&'a Sink> {
    match plan.compiled.and_then(|compiled| compiled.record.as_deref()) {
        Some(sink) => Some(sink),
        None => sink(),
    }
}

/// Compiles and plans a program of a model, and records it if that is asked for.
pub(crate) fn make(
    plan: &Plan<'_>,
    key: Key,
    layout: &StateLayout,
    options: &Options,
) -> Result<Made, NnError> {
    if let Some(sink) = asked(plan) {
        let (made, program) = recorded(plan, key, layout, options)?;
        sink.append(&program)?;
        return Ok(made);
    }
    let start = Instant::now();
    let graph = trace(plan, key)?;
    make_graph(graph, layout, options, start)
}

fn make_graph(
    graph: Graph,
    layout: &StateLayout,
    options: &Options,
    start: Instant,
) -> Result<Made, NnError> {
    let graph = prepared(graph, options.backend)?;
    let planned = Planned::new(&graph, layout, options, brolga_codegen::compile)?;
    Ok(Made::new(planned, &graph, start.elapsed()))
}

/// Compiles and plans the graph of a step that a function has traced, and records it if the
/// environment variable asks for it.
pub(crate) fn make_traced(
    graph: Graph,
    layout: &StateLayout,
    options: &Options,
) -> Result<Made, NnError> {
    let Some(sink) = sink() else { return make_graph(graph, layout, options, Instant::now()) };
    let mut recorder = Recorder::new(graph.name(), None);
    recorder.stage("traced", &graph);
    let made = finish(&mut recorder, graph, layout, options)?;
    sink.append(&recorder.finish())?;
    Ok(made)
}

/// Compiles and plans a program of a model, with its record.
pub(crate) fn recorded(
    plan: &Plan<'_>,
    key: Key,
    layout: &StateLayout,
    options: &Options,
) -> Result<(Made, Program), NnError> {
    let start = Instant::now();
    let graph = trace(plan, key)?;
    let tracing = start.elapsed();
    let mut recorder = Recorder::new(graph.name(), Some(key.batch));
    if key.kind == Kind::Train {
        recorder.stage("traced", &plan.loss(key.batch, key.weighted)?);
        recorder.stage("grad", &graph);
    } else {
        recorder.stage("traced", &graph);
    }
    let mut made = finish(&mut recorder, graph, layout, options)?;
    made.time += tracing;
    recorder.compile_time(made.time);
    Ok((made, recorder.finish()))
}

/// All that comes after tracing.
fn finish(
    recorder: &mut Recorder,
    mut graph: Graph,
    layout: &StateLayout,
    options: &Options,
) -> Result<Made, NnError> {
    let passes = match options.backend {
        Backend::Native => recorder.optimize(&mut graph)?.time,
        Backend::Interpreter => Duration::ZERO,
    };
    let start = Instant::now();
    let mut describing = Duration::ZERO;
    let planned = Planned::new(&graph, layout, options, |graph, codegen| {
        let isa = codegen.isa()?;
        let described = compile_described(graph, codegen)?;
        let start = Instant::now();
        recorder.code(graph, &described, isa.name());
        describing = start.elapsed();
        Ok::<_, Error>(described.compiled)
    })?;
    let made = Made::new(planned, &graph, passes + start.elapsed().saturating_sub(describing));
    recorder.plan(made.planned.plan());
    Ok(made)
}
