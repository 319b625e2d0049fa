//! Makes the record of one program while it is compiled.

use std::collections::HashMap;
use std::time::Duration;

use brolga_codegen::Described;
use brolga_ir::{Graph, NodeId, Op, Uid};
use brolga_passes::{Dump, PassError, PassManager, Report, pipeline};
use brolga_runtime::Plan;
use rustc_hash::FxHashMap;

use crate::code::add_code;
use crate::graphs::{Graphs, GraphsBuilder, NodeRecord};
use crate::passes::{PassRecord, RefusalRecord, RewriteRecord};
use crate::record::{Program, Stage};
use crate::work::{Work, work};

/// Makes the record of one program.
#[derive(Debug, Default)]
pub struct Recorder {
    graphs: GraphsBuilder,
    program: Program,
    works: Works,
}

impl Recorder {
    /// A record of the program of this name, of a model's for this size of batch.
    #[must_use]
    pub fn new(name: &str, batch: Option<usize>) -> Self {
        let program = Program { name: name.to_owned(), batch, ..Program::default() };
        Self { program, ..Self::default() }
    }

    /// Adds the graph as it is now.
    pub fn stage(&mut self, name: &str, graph: &Graph) {
        let graph = self.graphs.add(graph);
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
        let (graphs, works) = (&mut self.graphs, &mut self.works);
        let first = graphs.add(graph);
        let mut last = (first, graph.len(), works.of(graph, graphs, first));
        let (mut revision, mut after) = (graph.revision(), Vec::new());
        let before = last;
        let mut manager = manager.explain(true).dump(Dump::All, |name, graph| {
            if graph.revision() != revision {
                revision = graph.revision();
                let index = graphs.add(graph);
                last = (index, graph.len(), works.of(graph, graphs, index));
            }
            after.push((name.to_owned(), last));
        });
        let report = manager.run(graph);
        drop(manager);
        let known = report.as_ref().ok();
        self.add_passes(known, before, &after);
        let report = report?;
        self.stage("optimized", graph);
        Ok(report)
    }

    /// Adds the runs of passes; without a report they have no rewrites.
    fn add_passes(
        &mut self,
        report: Option<&Report>,
        mut before: (u32, usize, Work),
        after: &[(String, (u32, usize, Work))],
    ) {
        let program = &mut self.program;
        let mut runs: HashMap<&str, u32> = HashMap::new();
        let (mut rewrites, mut refusals) = (0, 0);
        for (index, (name, now)) in after.iter().enumerate() {
            let run = runs.entry(name).or_default();
            *run += 1;
            let pass = report.and_then(|report| report.passes.get(index));
            let count = pass.map_or(0, |pass| pass.rewrites);
            let refused = pass.map_or(0, |pass| pass.refusals);
            program.passes.push(PassRecord {
                name: name.clone(),
                run: *run,
                time_ns: pass.map_or(0, |pass| nanoseconds(pass.time)),
                nodes_before: before.1,
                nodes_after: now.1,
                before: before.2,
                after: now.2,
                rewrites: rewrites..rewrites + count,
                refusals: refusals..refusals + refused,
                changes: pass.map_or(0..0, |pass| pass.changes.clone()),
                graph: now.0,
            });
            (rewrites, refusals, before) = (rewrites + count, refusals + refused, *now);
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
        add_code(&mut self.program, graph, described);
    }

    /// Adds the memory plan and the schedule.
    pub fn plan(&mut self, plan: &Plan) {
        self.program.plan = Some(plan.clone());
    }

    /// Adds the time that compiling took.
    pub fn compile_time(&mut self, time: Duration) {
        self.program.compile_ns = Some(nanoseconds(time));
    }

    /// The record.
    #[must_use]
    pub fn finish(self) -> Program {
        Program { graphs: self.graphs.finish(), ..self.program }
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
