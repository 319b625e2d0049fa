//! Makes the record of one program while it is compiled.

use std::collections::HashMap;
use std::time::Duration;

use brolga_codegen::Described;
use brolga_ir::{Graph, NodeId, Op, Uid};
use brolga_passes::{Dump, PassError, PassManager, Report, pipeline};
use brolga_runtime::Plan;
use rustc_hash::FxHashMap;

use crate::code::Code;
use crate::graphs::{Graphs, GraphsBuilder, NodeRecord};
use crate::passes::{PassRecord, RefusalRecord, RewriteRecord};
use crate::record::{Program, Stage};
use crate::work::{Work, work};

/// Makes the record of one program. While the graph is compiled it keeps copies; the record is
/// written down by [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct Recorder {
    /// The graphs so far, to which stages and passes refer by their numbers.
    graphs: Vec<Graph>,
    program: Program,
    /// The graph that the passes were given.
    given: u32,
    code: Option<Code>,
}

impl Recorder {
    /// A record of the program of this name, of a model's for this size of batch.
    #[must_use]
    pub fn new(name: &str, batch: Option<usize>) -> Self {
        let program = Program { name: name.to_owned(), batch, ..Program::default() };
        Self { program, ..Self::default() }
    }

    fn add(&mut self, graph: &Graph) -> u32 {
        self.graphs.push(graph.clone());
        (self.graphs.len() - 1) as u32
    }

    /// Adds the graph as it is now.
    pub fn stage(&mut self, name: &str, graph: &Graph) {
        let graph = self.add(graph);
        self.program.stages.push(Stage { name: name.to_owned(), graph });
    }

    /// Runs the whole pipeline, as [`brolga_passes::optimize`] does, and records each pass and the
    /// stage `optimized`.
    ///
    /// # Errors
    /// As [`brolga_passes::optimize`].
    pub fn optimize(&mut self, graph: &mut Graph) -> Result<Report, PassError> {
        self.run(PassManager::new(pipeline()), graph)
    }

    /// Runs passes, and records each of them and the stage `optimized`. Passes that have run are
    /// recorded if a later one fails, too.
    ///
    /// # Errors
    /// As [`PassManager::run`].
    pub fn run(
        &mut self,
        manager: PassManager<'_>,
        graph: &mut Graph,
    ) -> Result<Report, PassError> {
        self.given = self.add(graph);
        let graphs = &mut self.graphs;
        let (mut revision, mut after) = (graph.revision(), Vec::new());
        let mut manager = manager.explain(true).dump(Dump::All, |name, graph| {
            if graph.revision() != revision {
                revision = graph.revision();
                graphs.push(graph.clone());
            }
            after.push((name.to_owned(), graphs.len() as u32 - 1));
        });
        let report = manager.run(graph);
        drop(manager);
        self.add_passes(report.as_ref().ok(), after);
        let report = report?;
        self.stage("optimized", graph);
        Ok(report)
    }

    /// Adds the runs of passes with the graphs after them; without a report they have no rewrites.
    fn add_passes(&mut self, report: Option<&Report>, after: Vec<(String, u32)>) {
        let program = &mut self.program;
        let mut runs: HashMap<String, u32> = HashMap::new();
        let (mut rewrites, mut refusals, mut before) = (0, 0, self.given);
        for (index, (name, graph)) in after.into_iter().enumerate() {
            let run = runs.entry(name.clone()).or_default();
            *run += 1;
            let pass = report.and_then(|report| report.passes.get(index));
            let count = pass.map_or(0, |pass| pass.rewrites);
            let refused = pass.map_or(0, |pass| pass.refusals);
            let nodes = |graph: u32| self.graphs[graph as usize].len();
            program.passes.push(PassRecord {
                name,
                run: *run,
                time_ns: pass.map_or(0, |pass| nanoseconds(pass.time)),
                nodes_before: nodes(before),
                nodes_after: nodes(graph),
                before: Work::default(),
                after: Work::default(),
                rewrites: rewrites..rewrites + count,
                refusals: refusals..refusals + refused,
                changes: pass.map_or(0..0, |pass| pass.changes.clone()),
                graph,
            });
            (rewrites, refusals, before) = (rewrites + count, refusals + refused, graph);
        }
        if let Some(report) = report {
            program.rewrites = report.rewrites.iter().map(RewriteRecord::from).collect();
            program.refusals = report.refusals.iter().map(RefusalRecord::from).collect();
            program.journal.clone_from(&report.journal);
        }
    }

    /// Adds the kernels of the optimized graph and their code.
    pub fn code(&mut self, graph: &Graph, described: &Described<'_>, isa: &str) {
        self.program.isa = Some(isa.to_owned());
        self.code = Some(Code::new(graph, described));
    }

    /// Adds the memory plan and the schedule.
    pub fn plan(&mut self, plan: &Plan) {
        self.program.plan = Some(plan.clone());
    }

    /// Adds the time that compiling took.
    pub fn compile_time(&mut self, time: Duration) {
        self.program.compile_ns = Some(nanoseconds(time));
    }

    /// Writes the record down.
    #[must_use]
    pub fn finish(self) -> Program {
        let Self { graphs, mut program, given, code } = self;
        let (mut builder, mut works) = (GraphsBuilder::default(), Works::default());
        // The index and the work of each graph.
        let written: Vec<(u32, Work)> = graphs
            .iter()
            .map(|graph| {
                let index = builder.add(graph);
                (index, works.of(graph, &builder, index))
            })
            .collect();
        let mut before = given;
        for pass in &mut program.passes {
            pass.before = written[before as usize].1;
            before = pass.graph;
            (pass.graph, pass.after) = written[before as usize];
        }
        for stage in &mut program.stages {
            stage.graph = written[stage.graph as usize].0;
        }
        if let Some(code) = code {
            code.write(&mut program);
        }
        Program { graphs: builder.finish(), ..program }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The work of nodes that have been met: it follows from op and types.
#[derive(Debug, Default)]
struct Works {
    /// By the indices of nodes in the list of all.
    nodes: FxHashMap<u32, Work>,
    /// Arithmetic by op and types.
    flops: FxHashMap<(u32, Vec<u32>, Vec<u32>), Work>,
}

impl Works {
    /// The work of a graph that has been added.
    fn of(&mut self, graph: &Graph, builder: &GraphsBuilder, index: u32) -> Work {
        let graphs = builder.graphs();
        let record = &graphs.graphs[index as usize];
        let inner = graph.order().into_iter().filter(|&id| !graph.is_input(id));
        let order = graph.inputs().iter().copied().chain(inner);
        let mut sum = Work::default();
        let mut types: FxHashMap<Uid, &NodeRecord> = FxHashMap::default();
        for (id, &node) in order.zip(&record.nodes) {
            let record = &graphs.nodes[node as usize];
            types.insert(record.uid, record);
            let own = match self.nodes.get(&node) {
                Some(&known) => known,
                None => {
                    let own = self.node(graph, id, graphs, record, &types);
                    self.nodes.insert(node, own);
                    own
                }
            };
            sum = sum.plus(own);
        }
        sum
    }

    fn node(
        &mut self,
        graph: &Graph,
        id: NodeId,
        graphs: &Graphs,
        record: &NodeRecord,
        nodes: &FxHashMap<Uid, &NodeRecord>,
    ) -> Work {
        // Bodies are no part of an op in a record.
        if !record.bodies.is_empty() || matches!(graphs.op(record), Op::Parameter(_)) {
            return work(graph, id);
        }
        let ty = |(uid, port): &(Uid, u32)| {
            nodes.get(uid).and_then(|node| node.types.get(*port as usize)).copied()
        };
        let operands: Option<Vec<u32>> = record.operands.iter().map(ty).collect();
        let Some(operands) = operands else { return work(graph, id) };
        let key = (record.op, operands, record.types.clone());
        *self.flops.entry(key).or_insert_with(|| work(graph, id))
    }
}
