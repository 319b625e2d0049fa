//! The gradient of the sum of a graph's outputs, compared with differences.

use brolga_autodiff::GradError;
use brolga_ir::{Data, Graph, NodeId, Tensor, Tracer, Value, interpret};
use brolga_onnx::{ElementType, Imported, ImportedOutput};

/// The relative difference that a gradient may have from the difference of two sums of `f32`.
const RELATIVE: f64 = 0.02;

/// Compares the gradient by all inputs of `f32`, along one direction. `None` if it is near enough, or
/// if there is nothing to compare: no float among inputs and outputs, or no way between them. Halves
/// and floats of less bits are too coarse for differences.
pub(crate) fn difference(imported: &Imported, inputs: &[Tensor]) -> Option<String> {
    let graph = &imported.graph;
    let is_exact =
        |output: &ImportedOutput| matches!(output.element, ElementType::F32 | ElementType::F64);
    if !imported.outputs.iter().all(is_exact) {
        return None;
    }
    let (mut with_gradient, wrt) = match differentiated(graph) {
        Ok(Some(found)) => found,
        Ok(None) => return None,
        Err(error) => return Some(error.to_string()),
    };
    let places: Vec<usize> =
        (0..inputs.len()).filter(|&at| wrt.contains(&graph.inputs()[at])).collect();
    with_gradient.remove_unneeded([]);
    let results = interpret(&with_gradient, inputs).ok()?;
    let gradients = &results[results.len() - places.len()..];
    let step = |scale: f64| {
        let mut moved = inputs.to_vec();
        for &at in &places {
            moved[at] = along(&inputs[at], scale);
        }
        interpret(graph, &moved).ok().map(|outputs| total(&outputs))
    };
    let mut slope = 0.0;
    let mut size = 0.0;
    for (&at, gradient) in places.iter().zip(gradients) {
        let direction = direction(inputs[at].shape().elements());
        for (g, d) in gradient.data().to_f64().iter().zip(&direction) {
            slope += g * d;
            size += (g * d).abs();
        }
    }
    let h = 1.0 / 256.0;
    let (ahead, here, behind) = (step(h)?, step(0.0)?, step(-h)?);
    let (right, left) = ((ahead - here) / h, (here - behind) / h);
    let measured = (right + left) / 2.0;
    let near = |a: f64, b: f64| (a - b).abs() <= RELATIVE * (size + measured.abs()) + 1e-3;
    // Corners and steps have no gradient to compare, nor has what is not finite.
    if !measured.is_finite() || !near(right, left) && !(right - left).is_nan() && size.is_finite() {
        return None;
    }
    (!near(measured, slope)).then(|| format!("the slope is {slope}, differences give {measured}"))
}

/// The graph with the gradients as its last outputs, and the inputs that they are of.
fn differentiated(graph: &Graph) -> Result<Option<(Graph, Vec<NodeId>)>, GradError> {
    let tracer = Tracer::resume(graph.clone());
    let outputs: Vec<Value> = graph.outputs().iter().map(|output| output.value).collect();
    let floats = outputs.iter().map(|&value| tracer.at(value)).filter(|v| v.dtype().is_float());
    let sums = floats.map(|v| {
        let axes: Vec<usize> = (0..v.shape().rank()).collect();
        v.cast(brolga_ir::DType::F32).reduce_sum(&axes, false)
    });
    let Some(loss) = sums.reduce(|a, b| a + b) else { return Ok(None) };
    let inputs = graph.inputs().iter().copied();
    let inputs: Vec<NodeId> =
        inputs.filter(|&id| graph.ty(id.into()).dtype == brolga_ir::DType::F32).collect();
    let mut of = Vec::new();
    for id in inputs {
        // An input without a way to the loss has no gradient to compare.
        let input = tracer.at(id.into());
        match brolga_autodiff::gradients(&tracer, &loss, &[input]) {
            Ok(gradients) => of.push((id, gradients)),
            Err(GradError::NoPath { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if of.is_empty() {
        return Ok(None);
    }
    of.iter().flat_map(|(_, gradients)| gradients).for_each(|gradient| tracer.output(gradient));
    let graph = tracer.finish().ok();
    Ok(graph.map(|graph| (graph, of.into_iter().map(|(id, _)| id).collect())))
}

/// Numbers from −1 to 1, the same each time.
fn direction(count: usize) -> Vec<f64> {
    (0..count).map(|at| ((at * 7 + 3) as f64 * 1.7).sin()).collect()
}

fn along(x: &Tensor, scale: f64) -> Tensor {
    let values = x.data().to_f64();
    let moved = values.iter().zip(direction(values.len())).map(|(x, d)| (x + d * scale) as f32);
    Tensor::new(x.shape().clone(), Data::F32(moved.collect())).expect("as many elements")
}

/// The sum of all float outputs.
fn total(outputs: &[Tensor]) -> f64 {
    let floats = outputs.iter().filter(|tensor| tensor.dtype().is_float());
    floats.flat_map(|tensor| tensor.data().to_f64()).sum()
}
