//! What several of these tests do.

use std::error::Error;

use brolga::codegen::compile;
use brolga::ir::{Graph, Tensor, interpret};
use brolga::passes::optimize;
use brolga::runtime::{Executable, Options, State, StateLayout};

/// What a test returns; it can come from another thread.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Runs a graph natively on so many threads and asserts that its outputs have the interpreter's
/// bits.
pub(crate) fn runs_as_interpreted(graph: &Graph, inputs: &[Tensor], threads: usize) -> Outcome {
    let expected = interpret(graph, inputs)?;
    let mut kernels = graph.clone();
    optimize(&mut kernels)?;
    let layout = StateLayout::of_graphs([&kernels])?;
    let options = Options { threads, oversubscribe: true, ..Options::default() };
    let mut program = Executable::new(&kernels, &layout, &options, compile)?;
    for (index, input) in inputs.iter().enumerate() {
        program.set_input(index, input)?;
    }
    program.run(&mut State::zeros(&layout)?)?;
    for (index, expected) in expected.iter().enumerate() {
        let given = program.output_tensor(index)?;
        assert_eq!(given.data().canonical_bits(), expected.data().canonical_bits());
    }
    Ok(())
}
