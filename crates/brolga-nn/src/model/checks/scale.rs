//! Inputs of large numbers.

use std::collections::BTreeSet;

use brolga_ir::op::Family;
use brolga_ir::{DType, Graph, NodeId};

use super::spread;
use crate::arguments::number;
use crate::data::Data;
use crate::head::is_weight;
use crate::model::batch::Samples;
use crate::model::step::Plan;
use crate::warning::{Warning, WarningKind};

/// The root mean square from which on numbers are called unscaled, if none of them is below 0. It
/// is that of no data between 0 and 1, nor of a standard deviation of 1; pixels from 0 to 255
/// exceed it.
const LARGE: f64 = 16.0;

/// Inputs of large numbers that a layer multiplies with its weights as they are.
pub(super) fn unscaled(plan: &Plan<'_>, samples: &Samples<'_>) -> Option<Warning> {
    let inputs = &plan.built.inputs;
    let (port, largest) = inputs.iter().find_map(|port| {
        let x = samples.input(&port.program_input("x", inputs))?;
        if port.ty.dtype != DType::F32 { None } else { Some((port, large(x)?)) }
    })?;
    // Only now, since a model is not traced in no time.
    let graph = plan.predict(2).ok()?;
    let input = port.program_input("x", inputs);
    let layer = multiplied(&graph, graph.input(&input)?)?;
    let message = format!(
        "fit: `{input}` has numbers up to {}, which layer `{layer}` takes as they are",
        number(largest)
    );
    let help = "numbers from 0 to 1 are learned better: divide by the largest, or begin the model with \
                Rescaling::new(1.0 / 255.0), Normalization or BatchNormalization";
    Some(Warning::new(WarningKind::Unscaled, message, help))
}

/// The largest element, if the elements are large.
fn large(x: &Data<'_>) -> Option<f64> {
    let (mut least, mut most, mut squares, mut count) = (0.0_f64, 0.0_f64, 0.0, 0.0);
    for row in spread(x) {
        x.range(row, 1).each(|_, x| {
            least = least.min(x);
            most = most.max(x);
            squares += x * x;
            count += 1.0;
        });
    }
    (least >= 0.0 && most.is_finite() && squares > LARGE * LARGE * count).then_some(most)
}

/// The first layer that multiplies an input with weights, if on the way there elements are only
/// moved or pooled.
fn multiplied(graph: &Graph, input: NodeId) -> Option<String> {
    let (mut stack, mut seen) = (vec![input], BTreeSet::new());
    while let Some(id) = stack.pop() {
        if !seen.insert(id) {
            continue;
        }
        for (user, slot) in graph.uses(id) {
            let node = graph.node(user);
            match node.op.family() {
                Family::Contraction { cotangent: None } => {
                    let others = graph.operands(user);
                    let weights = others.iter().enumerate().filter(|(other, _)| *other != slot);
                    if weights.map(|(_, &value)| value).any(|value| is_weight(graph, value)) {
                        return node.origin.layer.as_deref().map(str::to_owned);
                    }
                }
                Family::View | Family::Window => stack.push(user),
                // The second operand of a gather is an index.
                Family::Movement if slot == 0 || node.op.name() == "concat" => stack.push(user),
                _ => {}
            }
        }
    }
    None
}
