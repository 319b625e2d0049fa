//! `brolga gradcheck`: gradients beside differences in double precision.

use std::collections::HashMap;
use std::fmt::Write;

use brolga_autodiff::grad;
use brolga_ir::text::Names;
use brolga_ir::{Data, Graph, NodeId, Op, Tensor, Type, Value as GraphValue};
use clap::Args;
use serde_json::{Value, json};

use crate::Report;
use crate::columns::{cut, place, table};
use crate::error::CliError;
use crate::inputs::{Inputs, fnv1a, split_mix_64};
use crate::memory::MemoryLimit;
use crate::stage::{GraphStage, graphs_at};
use crate::statistics::short_number;
use crate::streams::Streams;
use crate::subject::Subject;
use crate::widen::{widen_tensor, widened};

/// The first step of the differences, relative to the size of a value.
const STEP: f64 = 1e-4;
/// How often a step is made smaller, since a kink lies within it.
const HALVINGS: usize = 14;

/// Compare the gradient by every node with differences of the loss, in f64
///
/// All floats become f64. For every node that the loss depends on, the cotangent that
/// differentiation gives is multiplied with a random direction, and compared with the
/// difference of the loss when the node's value moves in that direction. A wrong gradient rule is
/// therefore seen at the operands of its op, and at nodes that these need.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  brolga gradcheck mlp --batch 2")]
pub(crate) struct GradCheck {
    #[command(flatten)]
    subject: Subject,
    /// Of a file: the index of the output that is the loss
    #[arg(long, value_name = "N", default_value_t = 0)]
    loss: usize,
    #[command(flatten)]
    inputs: Inputs,
    /// The greatest relative error that is right
    #[arg(long, value_name = "X", default_value_t = 1e-5)]
    tolerance: f64,
    /// How many nodes are shown; all that are wrong are
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    #[command(flatten)]
    memory: MemoryLimit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong,
    /// However small the step is, the loss has a kink within it.
    Kink,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Kink => "kink",
        }
    }
}

struct Row {
    name: String,
    id: String,
    op: &'static str,
    place: String,
    layer: Option<String>,
    ty: String,
    gradient: f64,
    difference: f64,
    error: f64,
    verdict: Verdict,
    users: Vec<String>,
}

impl GradCheck {
    pub(crate) fn run(&self, streams: &mut Streams<'_>) -> Result<Report, CliError> {
        let mut loaded = self.subject.load(streams)?;
        let stored = loaded.take_stored()?;
        let graphs = graphs_at(loaded, GraphStage::Traced, &Default::default())?;
        self.inputs.check(&graphs)?;
        let (mut text, mut documents, mut holds) = (String::new(), vec![], true);
        for graph in &graphs {
            self.memory.check(graph)?;
            let inputs = self.inputs.of(graph, &stored)?;
            let (loss, rows, skipped) = self.check(graph, &inputs)?;
            let wrong: Vec<&Row> =
                rows.iter().filter(|row| row.verdict == Verdict::Wrong).collect();
            holds &= wrong.is_empty();
            let kinks = rows.iter().filter(|row| row.verdict == Verdict::Kink).count();
            let _ = writeln!(
                text,
                "graph {}: loss {}, {} gradients\n  {} wrong, {kinks} at a kink, {} nodes without one",
                graph.name(),
                short_number(loss),
                rows.len(),
                wrong.len(),
                skipped.len(),
            );
            let mut order: Vec<&Row> = rows.iter().collect();
            let rank = |row: &Row| (row.verdict != Verdict::Wrong, row.verdict != Verdict::Kink);
            order.sort_by(|a, b| rank(a).cmp(&rank(b)).then(b.error.total_cmp(&a.error)));
            order.truncate(self.top.max(wrong.len()));
            text.push_str(&rows_text(&order));
            // Cotangents go from the loss to the inputs: what is wrong first is the last.
            if let Some(row) = wrong.last() {
                let _ = writeln!(
                    text,
                    "the last wrong one before the loss is that of {}: look at the gradient rule of {}",
                    row.name,
                    row.users.join(", ")
                );
            }
            documents.push(json!({
                "name": graph.name(),
                "loss": loss,
                "nodes": rows.iter().map(Row::json).collect::<Vec<_>>(),
                "without_gradient": skipped,
            }));
        }
        let json = json!({ "graphs": documents });
        Ok(Report { text, json, holds })
    }

    /// The loss, a row for each value with a gradient in the order of the graph, and the names of
    /// floats without one.
    fn check(
        &self,
        graph: &Graph,
        inputs: &[Tensor],
    ) -> Result<(f64, Vec<Row>, Vec<String>), CliError> {
        let Some(&output) = graph.outputs().get(self.loss) else {
            let message = format!("graph `{}` has no output {}", graph.name(), self.loss);
            let help = format!("it has {}, counted from 0", graph.outputs().len());
            return Err(CliError::argument(message, help));
        };
        // An error of the loss itself is the user's.
        grad(&mut graph.clone(), output.value, &[])?;
        let mut wide = widened(graph).map_err(|mistake| {
            let message = format!("graph `{}` has no form in f64: {mistake}", graph.name());
            CliError::argument(message, "check the gradients of another graph")
        })?;
        let loss = wide.outputs()[self.loss].value;
        wide.set_outputs(vec![brolga_ir::Output { value: loss, replaces: None }]);
        wide.remove_dead();
        let wide = wide;
        self.memory.check(&wide)?;
        let inputs = self.wide_inputs(graph, inputs);

        let (mut values, order) = (Evaluator::new(&wide, &inputs), wide.order());
        values.run(&order);
        let names = Names::new(&wide);
        let is_float = |value: &GraphValue| wide.ty(*value).dtype.is_float();
        let candidates = order.iter().flat_map(|&id| crate::view::results(&wide, id));
        let candidates: Vec<GraphValue> = candidates
            .filter(is_float)
            .filter(|value| !matches!(wide.node(value.node).op, Op::Constant(_)))
            .collect();
        let (targets, without) = differentiable(&wide, loss, &candidates);
        let gradients = self.gradients(&wide, loss, &targets, &inputs)?;
        let at = values.number(loss);
        let mut rows = vec![];
        for (&value, gradient) in targets.iter().zip(&gradients) {
            let direction = direction_of(wide.ty(value), &names.of(value));
            let slope: f64 =
                gradient.data().to_f64().iter().zip(&direction).map(|(g, d)| g * d).sum();
            let users = wide.dependents([value.node]);
            let is_later = |id: &NodeId| *id != value.node && users.contains(id);
            let later: Vec<NodeId> = order.iter().copied().filter(is_later).collect();
            let (difference, noise, smooth) = values.slope(value, &direction, loss, &later);
            let size = slope.abs().max(difference.abs());
            let distance = (slope - difference).abs();
            let error = if distance <= noise { 0.0 } else { distance / size };
            let verdict = match (error <= self.tolerance, smooth) {
                (true, _) => Verdict::Right,
                (false, true) => Verdict::Wrong,
                (false, false) => Verdict::Kink,
            };
            let node = wide.node(value.node);
            let mut users: Vec<NodeId> = wide.users_of(value).collect();
            users.sort_unstable();
            users.dedup();
            let user = |&id: &NodeId| format!("`{}` ({})", wide.node(id).op.name(), names.of(id));
            rows.push(Row {
                name: names.of(value),
                id: node.uid.to_string(),
                op: node.op.name(),
                place: place(&node.origin),
                layer: node.origin.layer.as_deref().map(str::to_owned),
                ty: graph_type(wide.ty(value)),
                gradient: slope,
                difference,
                error,
                verdict,
                users: users.iter().map(user).collect(),
            });
        }
        let skipped = without.into_iter().map(|value| names.of(value)).collect();
        Ok((at, rows, skipped))
    }

    /// The inputs as `f64`. Those that are pseudo-random are moved a little, since multiples of
    /// 2⁻¹⁰ meet kinks such as 0 of `relu`.
    fn wide_inputs(&self, graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
        let parameters = graph.inputs().iter().filter_map(|&id| graph.parameter(id));
        let moved = |(parameter, tensor): (&brolga_ir::ops::Parameter, &Tensor)| {
            let wide = widen_tensor(tensor);
            if !tensor.dtype().is_float() || self.inputs.is_given(&parameter.name) {
                return wide;
            }
            let mut state = fnv1a(parameter.name.bytes());
            let mut offset = || (split_mix_64(&mut state) >> 11) as f64 / 2.0_f64.powi(63);
            let values = wide.data().to_f64().into_iter().map(|x| x + offset()).collect();
            Tensor::new(wide.shape().clone(), Data::F64(values)).unwrap_or(wide)
        };
        parameters.zip(inputs).map(moved).collect()
    }

    /// The cotangents of these values.
    fn gradients(
        &self,
        wide: &Graph,
        loss: GraphValue,
        targets: &[GraphValue],
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>, CliError> {
        let mut graph = wide.clone();
        let gradients = grad(&mut graph, loss, targets)?;
        let output = |value| brolga_ir::Output { value, replaces: None };
        graph.set_outputs(gradients.into_iter().map(output).collect());
        graph.remove_dead();
        self.memory.check(&graph)?;
        Ok(brolga_ir::interpret(&graph, inputs)?)
    }
}

/// The type as the graph before widening has it, as far as its shape goes.
fn graph_type(ty: &Type) -> String {
    ty.shape.to_string()
}

/// The values by which the loss can be differentiated, and those by which it cannot.
fn differentiable(
    graph: &Graph,
    loss: GraphValue,
    candidates: &[GraphValue],
) -> (Vec<GraphValue>, Vec<GraphValue>) {
    let works = |targets: &[GraphValue]| grad(&mut graph.clone(), loss, targets).is_ok();
    if works(candidates) {
        return (candidates.to_vec(), vec![]);
    }
    candidates.iter().copied().partition(|&value| works(&[value]))
}

/// A random direction: numbers of both signs between 0.5 and 1.5, so that no sum is 0 by chance.
fn direction_of(ty: &Type, name: &str) -> Vec<f64> {
    let mut state = fnv1a(name.bytes());
    let number = |_| {
        let bits = split_mix_64(&mut state);
        let size = 0.5 + (bits >> 12) as f64 / 2.0_f64.powi(52);
        if bits & 1 == 0 { size } else { -size }
    };
    (0..ty.shape.elements()).map(number).collect()
}

/// All values of a graph, a part of which can be computed again.
struct Evaluator<'a> {
    graph: &'a Graph,
    values: HashMap<NodeId, Vec<Tensor>>,
}

impl<'a> Evaluator<'a> {
    fn new(graph: &'a Graph, inputs: &[Tensor]) -> Self {
        let inputs = graph.inputs().iter().zip(inputs);
        Self { graph, values: inputs.map(|(&id, tensor)| (id, vec![tensor.clone()])).collect() }
    }

    fn run(&mut self, nodes: &[NodeId]) {
        for &id in nodes {
            let node = self.graph.node(id);
            if matches!(node.op, Op::Parameter(_)) {
                continue;
            }
            let operands = self.graph.operands(id);
            let operands: Vec<&Tensor> = operands
                .iter()
                .map(|value| &self.values[&value.node][value.port as usize])
                .collect();
            let results = node.op.definition().evaluate(&operands, &node.types);
            self.values.insert(id, results);
        }
    }

    fn number(&self, value: GraphValue) -> f64 {
        self.values[&value.node][value.port as usize].data().to_f64()[0]
    }

    /// The slope of the loss when a value moves in this direction, the error that rounding may
    /// make in it, and whether the loss has no kink within the step. `later` are the nodes that
    /// depend on the value.
    fn slope(
        &mut self,
        value: GraphValue,
        direction: &[f64],
        loss: GraphValue,
        later: &[NodeId],
    ) -> (f64, f64, bool) {
        let kept: Vec<(NodeId, Vec<Tensor>)> =
            later.iter().chain([&value.node]).map(|&id| (id, self.values[&id].clone())).collect();
        let tensor = self.values[&value.node][value.port as usize].clone();
        let base = tensor.data().to_f64();
        let mean = base.iter().map(|x| x.abs()).sum::<f64>() / base.len().max(1) as f64;
        let at = self.number(loss);
        let mut moved = |step: f64| {
            let values = base.iter().zip(direction).map(|(x, d)| x + step * d).collect();
            if let Some(tensor) = Tensor::new(tensor.shape().clone(), Data::F64(values)) {
                self.values.entry(value.node).and_modify(|all| all[value.port as usize] = tensor);
            }
            self.run(later);
            self.number(loss)
        };
        let mut step = STEP * mean.max(1e-3);
        let mut best = (0.0, f64::INFINITY, false);
        for _ in 0..HALVINGS {
            let [a, b, c, d] = [step, -step, step / 2.0, -step / 2.0].map(&mut moved);
            let (wide, near) = ((a - b) / (2.0 * step), (c - d) / step);
            // Of Richardson: the error of the second order is gone.
            let slope = (4.0 * near - wide) / 3.0;
            let noise = 64.0 * f64::EPSILON * at.abs().max(a.abs()) / step;
            let one_sided = [(c - at) / (step / 2.0), (at - d) / (step / 2.0)];
            let size = slope.abs().max(noise);
            let smooth = (wide - near).abs() <= 1e-3 * size
                && (one_sided[0] - one_sided[1]).abs() <= 0.05 * size + noise;
            best = (slope, noise, smooth);
            if smooth {
                break;
            }
            step /= 2.0;
        }
        self.values.extend(kept);
        best
    }
}

impl Row {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "id": self.id,
            "op": self.op,
            "layer": self.layer,
            "gradient": self.gradient,
            "difference": self.difference,
            "error": self.error,
            "verdict": self.verdict.name(),
        })
    }
}

fn rows_text(rows: &[&Row]) -> String {
    let cells = |row: &&Row| {
        vec![
            cut(&row.name, 20),
            cut(row.op, 12),
            cut(&row.place, 12),
            cut(&row.ty, 14),
            short_number(row.gradient),
            short_number(row.difference),
            short_number(row.error),
            row.verdict.name().to_owned(),
        ]
    };
    let heading = ["node", "op", "layer", "shape", "gradient", "difference", "error", ""];
    table(4, &heading, &rows.iter().map(cells).collect::<Vec<_>>())
}
