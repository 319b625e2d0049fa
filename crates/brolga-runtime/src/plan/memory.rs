//! The memory report of a plan.

use std::collections::HashMap;

use brolga_ir::ops::ParameterKind;
use brolga_ir::{Graph, Origin, Role};

use crate::layout::Layout;
use crate::memory::{Span, padded};
use crate::memory_plan::{LiveRange, MemoryPlan, pressure};
use crate::regions::Regions;
use crate::report::{LayerMemory, MemoryReport, ValueMemory};
use crate::signature::Signature;
use crate::state::StateLayout;
use crate::tasks::Tasks;

/// The memory of a program.
pub(super) fn report(
    graph: &Graph,
    signature: &Signature,
    states: &StateLayout,
    tasks: &Tasks,
    regions: &Regions,
    plan: &MemoryPlan,
    layout: &Layout,
) -> MemoryReport {
    let steps = tasks.tasks.len() + 1;
    let pressure = pressure(&regions.ranges, steps);
    let most = pressure.iter().copied().max().unwrap_or(0);
    let peak = pressure.iter().position(|&bytes| bytes == most).unwrap_or(0);
    let size = |spans: &[Span]| spans.iter().map(|span| padded(span.bytes)).sum::<usize>();
    let [constants, inputs, scratch] =
        [&layout.constants, &layout.inputs, &layout.scratch].map(|spans| size(spans));
    MemoryReport {
        graph: signature.graph.clone(),
        layers: layers(graph, signature, tasks, regions, peak),
        values: values(tasks, regions, plan, constants + inputs),
        states: states.bytes(),
        constants,
        inputs,
        planned: plan.bytes,
        scratch,
        outputs: size(&layout.outputs),
        arena: layout.bytes,
        lower_bound: constants + inputs + most + scratch,
        total: layout.bytes.saturating_add(states.bytes()),
        planner: plan.planner.to_owned(),
    }
}

/// The regions of a plan whose part of the arena begins at `start`.
fn values(tasks: &Tasks, regions: &Regions, plan: &MemoryPlan, start: usize) -> Vec<ValueMemory> {
    let value = |region: usize| {
        let LiveRange { bytes, first, last } = regions.ranges[region];
        let task = regions.owners[region];
        let workspace = regions.of_workspace[task] == Some(region);
        let offset = start + plan.offsets[region];
        ValueMemory { node: tasks.tasks[task].call.node, workspace, offset, bytes, first, last }
    };
    (0..regions.ranges.len()).map(value).collect()
}

fn layers(
    graph: &Graph,
    signature: &Signature,
    tasks: &Tasks,
    regions: &Regions,
    peak: usize,
) -> Vec<LayerMemory> {
    let mut layers: Vec<LayerMemory> = vec![];
    let mut rows: HashMap<(String, Role), usize> = HashMap::new();
    let mut of = |origin: &Origin, add: &dyn Fn(&mut LayerMemory)| {
        let (layer, role) = (origin.layer.as_deref().unwrap_or_default(), origin.role);
        let row = *rows.entry((layer.to_owned(), role)).or_insert_with(|| {
            let layer = layer.to_owned();
            layers.push(LayerMemory { layer, role, states: 0, values: 0, peak: 0 });
            layers.len() - 1
        });
        add(&mut layers[row]);
    };
    let is_state = |id: &_| graph.parameter(*id).is_some_and(|p| p.kind == ParameterKind::State);
    let nodes = graph.inputs().iter().copied().filter(is_state);
    for (node, state) in nodes.zip(&signature.states) {
        let size = padded(state.span.bytes);
        of(&graph.node(node).origin, &|row| row.states += size);
    }
    for (range, &task) in regions.ranges.iter().zip(&regions.owners) {
        let &LiveRange { bytes, first, last } = range;
        of(&tasks.tasks[task].call.origin, &|row| {
            row.values += bytes;
            row.peak += if (first..=last).contains(&peak) { bytes } else { 0 };
        });
    }
    layers
}
