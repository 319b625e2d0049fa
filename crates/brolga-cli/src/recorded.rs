//! Values and times of programs, as records keep them.

use std::collections::HashMap;
use std::sync::Arc;

use brolga_ir::{Graph, Tensor, Uid};
use brolga_record::{Program, Statistics as RecordedStatistics, ValueRecord, ValuesRecord};
use brolga_runtime::Options;

use crate::error::CliError;
use crate::evaluation::evaluate;
use crate::inputs::Inputs;
use crate::memory::MemoryLimit;
use crate::native::Run;
use crate::statistics::Statistics;
use crate::subject::graph_at;

/// The graph that the passes were given.
pub(crate) fn unoptimized(program: &Program) -> Result<(String, Graph), CliError> {
    let stage = program.unoptimized().map_or("traced", |stage| &stage.name);
    Ok((stage.to_owned(), graph_at(program, stage)?))
}

/// The values of all nodes of the graph before the passes; those inside of functions are left out.
pub(crate) fn values(
    program: &Program,
    inputs: &Inputs,
    stored: &[(String, Arc<Tensor>)],
    memory: &MemoryLimit,
) -> Result<ValuesRecord, CliError> {
    let (stage, graph) = unoptimized(program)?;
    memory.check(&graph)?;
    let tensors = inputs.of(&graph, stored)?;
    let mut values = vec![];
    evaluate(&graph, &tensors, &mut |computed| {
        for (port, tensor) in computed.results.iter().enumerate() {
            let key = computed.key(port);
            if !key.calls.is_empty() {
                continue;
            }
            let statistics = Statistics::of(tensor);
            let finite = |x: f64| x.is_finite().then_some(x);
            values.push(ValueRecord {
                node: key.node,
                port: key.port,
                checksum: statistics.hash.clone(),
                statistics: Some(RecordedStatistics {
                    min: statistics.range.map(|(low, _)| low),
                    max: statistics.range.map(|(_, high)| high),
                    mean: statistics.range.and(finite(statistics.mean)),
                    nans: statistics.nan as u64,
                    infinities: (statistics.not_finite() - statistics.nan) as u64,
                }),
            });
        }
    });
    Ok(ValuesRecord { stage, inputs: inputs.describe(), values })
}

/// Runs some steps of the optimized graph, and keeps the times of its kernels.
pub(crate) fn measure(
    program: &mut Program,
    inputs: &Inputs,
    stored: &[(String, Arc<Tensor>)],
    options: &Options,
    steps: u32,
) -> Result<(), CliError> {
    let kernels = graph_at(program, "optimized")?;
    let tensors = inputs.of(&kernels, stored)?;
    let mut run = Run::new(&kernels, &tensors, options, false, steps)?;
    run.steps(steps.min(5), steps)?;
    program.profile = Some(run.profile);
    Ok(())
}

/// Where two runs part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parting {
    /// The node and the index of the result.
    pub(crate) node: (Uid, u32),
    /// What differs.
    pub(crate) why: String,
}

/// How many values have the same bits before the first that differs, and that one.
pub(crate) fn parting(a: &ValuesRecord, b: &ValuesRecord) -> (usize, Option<Parting>) {
    let known: HashMap<(Uid, u32), &ValueRecord> =
        a.values.iter().map(|value| ((value.node, value.port), value)).collect();
    for (equal, value) in b.values.iter().enumerate() {
        let node = (value.node, value.port);
        let why = match known.get(&node) {
            None => "only the second one has it".to_owned(),
            Some(other) if other.checksum != value.checksum => {
                format!("hash {} and {}", other.checksum, value.checksum)
            }
            Some(_) => continue,
        };
        return (equal, Some(Parting { node, why }));
    }
    let met: HashMap<(Uid, u32), ()> =
        b.values.iter().map(|value| ((value.node, value.port), ())).collect();
    let lost = a.values.iter().find(|value| !met.contains_key(&(value.node, value.port)));
    let parting = lost.map(|value| Parting {
        node: (value.node, value.port),
        why: "only the first one has it".to_owned(),
    });
    (b.values.len(), parting)
}
