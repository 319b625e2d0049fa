//! Kernels of the real code generation, from text to running.

use brolga_ir::text::parse_graph;
use brolga_runtime::{Backend, Executable, Options, State, StateLayout};

const STEP: &str = r#"graph step(%x: f32[32,10], state %w: f32[32,10]) {
  %0: f32[32,10] = kernel %x, %w {kind="rows"} product(%a: f32[32,10], %b: f32[32,10]) {
    %0: f32[32,10] = mul %a, %b
    %1: f32[32,10] = relu %0
    return %1
  }   @dense
  %1: f32[320] = reshape %0 {shape=[320]}
  %2: f32[32,10] = reshape %1 {shape=[32,10]}
  %3: f32[32,10] = kernel %2, %w {kind="rows"} step(%a: f32[32,10], %b: f32[32,10]) {
    %0: f32[32,10] = sub %b, %a
    return %0
  }   @dense #update
  return %1, %3 => %w
}"#;

#[test]
fn compiled_kernels_give_the_bits_of_the_interpreter() {
    let graph = parse_graph(STEP, "<test>").unwrap_or_else(|errors| panic!("{errors}"));
    let layout = StateLayout::of_graphs([&graph]).unwrap();
    let run = |backend, threads| {
        let options = Options { backend, threads, ..Options::default() };
        let mut step = Executable::new(&graph, &layout, &options).unwrap();
        let mut state = State::zeros(&layout).unwrap();
        for (index, w) in state.slice_mut::<f32>("w").unwrap().iter_mut().enumerate() {
            *w = 0.37 * index as f32 - 50.0;
        }
        for (index, x) in step.input_mut::<f32>("x").unwrap().iter_mut().enumerate() {
            *x = 1.1 - 0.013 * index as f32;
        }
        (0..3).for_each(|_| step.run(&mut state).unwrap());
        (step.output_tensor(0).unwrap(), state.get("w").unwrap())
    };
    let reference = run(Backend::Interpreter, 1);
    for threads in [1, 2, 3, 8] {
        assert_eq!(run(Backend::Native, threads), reference, "{threads} threads");
    }
}
