//! Several steps of native code.

use brolga_codegen::compile;
use brolga_ir::ops::ParameterKind;
use brolga_ir::{Graph, Tensor};
use brolga_runtime::{Backend, Executable, Options, RuntimeError, State, StateLayout};

use crate::compare::Steps;
use crate::failure::{Failure, same_bits};
use crate::plan::Native;

/// Runs the steps and compares outputs and states.
pub(crate) fn compare(kernels: &Graph, native: &Native, steps: &Steps) -> Result<(), Failure> {
    let Native { fused, isa, threads } = *native;
    let form = if fused { "fused" } else { "unfused" };
    let what = format!("native {form}, {isa}, {threads} threads");
    let given = run(kernels, native, steps).map_err(|error| Failure::new(&*what, error))?;
    for (step, (expected, given)) in steps.outputs.iter().zip(given).enumerate() {
        let what = if step == 0 { what.clone() } else { format!("{what}, step {step}") };
        same_bits(&what, expected, &given.outputs)?;
        // A state that is not replaced stays as it is.
        same_bits(&format!("{what}, states"), &steps.inputs[step], &given.inputs)?;
    }
    Ok(())
}

/// The values after a step.
struct Left {
    outputs: Vec<Tensor>,
    /// The inputs, and the states that the step does not replace.
    inputs: Vec<Tensor>,
}

fn run(graph: &Graph, native: &Native, steps: &Steps) -> Result<Vec<Left>, RuntimeError> {
    let layout = StateLayout::of_graphs([graph])?;
    let options = Options {
        backend: Backend::Native,
        threads: native.threads,
        oversubscribe: true,
        isa: Some(native.isa),
        ..Options::default()
    };
    let mut executable = Executable::new(graph, &layout, &options, compile)?;
    let mut state = State::zeros(&layout)?;
    let mut left = vec![];
    for (step, inputs) in steps.inputs.iter().enumerate() {
        for (&id, tensor) in graph.inputs().iter().zip(inputs) {
            let Some(parameter) = graph.parameter(id) else { continue };
            match parameter.kind {
                ParameterKind::Data => executable.set_input(&*parameter.name, tensor)?,
                ParameterKind::State if step == 0 => state.set(&parameter.name, tensor)?,
                ParameterKind::State => {}
            }
        }
        executable.run(&mut state)?;
        left.push(Left {
            outputs: outputs(graph, &executable, &state)?,
            inputs: kept(graph, inputs, &state)?,
        });
    }
    Ok(left)
}

fn outputs(
    graph: &Graph,
    executable: &Executable,
    state: &State,
) -> Result<Vec<Tensor>, RuntimeError> {
    let mut returned = 0..;
    let output =
        |output: &brolga_ir::Output| match output.replaces.and_then(|id| graph.parameter(id)) {
            Some(parameter) => state.get(&parameter.name),
            None => executable.output_tensor(returned.next().unwrap_or_default()),
        };
    graph.outputs().iter().map(output).collect()
}

fn kept(graph: &Graph, inputs: &[Tensor], state: &State) -> Result<Vec<Tensor>, RuntimeError> {
    let replaced = |id| graph.outputs().iter().any(|output| output.replaces == Some(id));
    let kept = |(&id, input): (&_, &Tensor)| match graph.parameter(id) {
        Some(p) if p.kind == ParameterKind::State && !replaced(id) => state.get(&p.name),
        _ => Ok(input.clone()),
    };
    graph.inputs().iter().zip(inputs).map(kept).collect()
}
