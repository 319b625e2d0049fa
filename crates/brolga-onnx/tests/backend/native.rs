//! Graphs as machine code.

use brolga_codegen::compile;
use brolga_ir::{Graph, Tensor};
use brolga_passes::optimize;
use brolga_runtime::{Executable, Options, State, StateLayout};

/// The outputs of a graph, as machine code computes them.
pub(crate) fn native(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    fn text(error: impl std::fmt::Display) -> String {
        error.to_string()
    }
    let mut kernels = graph.clone();
    optimize(&mut kernels).map_err(text)?;
    let layout = StateLayout::of_graphs([&kernels]).map_err(text)?;
    let options = Options { threads: 1, ..Options::default() };
    let mut executable = Executable::new(&kernels, &layout, &options, compile).map_err(text)?;
    let mut state = State::zeros(&layout).map_err(text)?;
    let parameters = graph.inputs().iter().filter_map(|&id| graph.parameter(id));
    for (parameter, tensor) in parameters.zip(inputs) {
        if layout.ty(&parameter.name).is_some() {
            state.set(&parameter.name, tensor).map_err(text)?;
        } else {
            executable.set_input(parameter.name.as_str(), tensor).map_err(text)?;
        }
    }
    executable.run(&mut state).map_err(text)?;
    (0..graph.outputs().len()).map(|at| executable.output_tensor(at).map_err(text)).collect()
}
