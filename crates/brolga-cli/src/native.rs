//! Graphs as machine code, run once or many times.

use brolga_codegen::compile;
use brolga_ir::{Graph, Tensor};
use brolga_passes::{check_kernels, optimize};
use brolga_runtime::{Executable, Options, State, StateLayout};

use crate::error::CliError;

/// The graph of kernels that a graph becomes; itself if it is one.
pub(crate) fn kernels(graph: &Graph) -> Result<Graph, CliError> {
    let mut kernels = graph.clone();
    if check_kernels(&kernels).is_err() {
        optimize(&mut kernels)?;
    }
    Ok(kernels)
}

/// A linked program and its state, both filled with the values of the graph's inputs in the order
/// of its signature.
pub(crate) fn program(
    kernels: &Graph,
    inputs: &[Tensor],
    options: &Options,
) -> Result<(Executable, State), CliError> {
    let layout = StateLayout::of_graphs([kernels])?;
    let mut executable = Executable::new(kernels, &layout, options, compile)?;
    let mut state = State::zeros(&layout)?;
    let parameters = kernels.inputs().iter().filter_map(|&id| kernels.parameter(id));
    for (parameter, tensor) in parameters.zip(inputs) {
        if layout.ty(&parameter.name).is_some() {
            state.set(&parameter.name, tensor)?;
        } else {
            executable.set_input(parameter.name.as_str(), tensor)?;
        }
    }
    Ok((executable, state))
}

/// The outputs of a graph, those that replace states included, as machine code computes them.
pub(crate) fn native(
    graph: &Graph,
    inputs: &[Tensor],
    options: &Options,
) -> Result<Vec<Tensor>, CliError> {
    let (mut executable, mut state) = program(&kernels(graph)?, inputs, options)?;
    executable.run(&mut state)?;
    let mut returned = 0..;
    let outputs = graph.outputs().iter().map(|output| {
        let replaced = output.replaces.and_then(|id| graph.parameter(id));
        Ok(match replaced {
            Some(parameter) => state.get(&parameter.name)?,
            None => executable.output_tensor(returned.next().unwrap_or_default())?,
        })
    });
    outputs.collect()
}
