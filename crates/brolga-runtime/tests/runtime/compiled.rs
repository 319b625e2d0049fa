//! Kernels of real code generation, from text to a run.

use brolga_codegen::compile;
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
        let options = Options { backend, threads, oversubscribe: true, ..Options::default() };
        let mut step = Executable::new(&graph, &layout, &options, compile).unwrap();
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

/// Sums over nothing, gradients of convolutions without channels and without filters: their
/// workspaces have no bytes.
const EMPTY: &str = r#"graph empty(%a: f32[3,0], %b: f32[0,3], %x: f32[2,4,4,0], %dy: f32[2,3,3,5], %w: f32[2,2,0,5], %none: f32[2,3,3,0], %one: f32[2,4,4,1]) {
  %0: f32[0] = kernel %a {kind="columns"} reduce_sum(%a: f32[3,0]) {
    %0: f32[0] = reduce_sum %a {axes=[0], keepdims=false}
    return %0
  }
  %1: f32[3] = kernel %b {kind="columns"} reduce_sum(%b: f32[0,3]) {
    %0: f32[3] = reduce_sum %b {axes=[0], keepdims=false}
    return %0
  }
  %2: f32[2,2,0,5], %3: f32[5] = kernel %x, %dy {kind="contraction"} conv_grad_filter(%x: f32[2,4,4,0], %dy: f32[2,3,3,5]) {
    %0: f32[2,2,0,5] = conv_grad_filter %x, %dy {kernel=[2,2], strides=[1,1]}
    %1: f32[5] = reduce_sum %dy {axes=[0,1,2], keepdims=false}
    return %0, %1
  }
  %4: f32[2,4,4,0] = kernel %dy, %w {kind="contraction"} conv_grad_input(%dy: f32[2,3,3,5], %w: f32[2,2,0,5]) {
    %0: f32[2,4,4,0] = conv_grad_input %dy, %w {input=[4,4], strides=[1,1]}
    return %0
  }
  %5: f32[2,2,0,5] = kernel %x, %dy {kind="contraction"} conv_grad_filter(%x: f32[2,4,4,0], %dy: f32[2,3,3,5]) {
    %0: f32[2,2,0,5] = conv_grad_filter %x, %dy {kernel=[2,2], strides=[1,1]}
    return %0
  }
  %6: f32[2,2,1,0] = kernel %one, %none {kind="contraction"} conv_grad_filter(%x: f32[2,4,4,1], %dy: f32[2,3,3,0]) {
    %0: f32[2,2,1,0] = conv_grad_filter %x, %dy {kernel=[2,2], strides=[1,1]}
    return %0
  }
  return %0, %1, %2, %3, %4, %5, %6
}"#;

#[test]
fn kernels_over_nothing_have_a_workspace_without_bytes() {
    let graph = parse_graph(EMPTY, "<test>").unwrap_or_else(|errors| panic!("{errors}"));
    let layout = StateLayout::of_graphs([&graph]).unwrap();
    let run = |backend, threads| {
        let options = Options { backend, threads, oversubscribe: true, ..Options::default() };
        let mut program = Executable::new(&graph, &layout, &options, compile).unwrap();
        for place in [3, 6] {
            program.input_mut::<f32>(place).unwrap().fill(0.7);
        }
        program.run(&mut State::zeros(&layout).unwrap()).unwrap();
        (0..7).map(|output| program.output_tensor(output).unwrap()).collect::<Vec<_>>()
    };
    let expected = run(Backend::Interpreter, 1);
    assert_eq!(expected[1].data().to_f64(), [0.0; 3]);
    for threads in [1, 2, 3] {
        assert_eq!(run(Backend::Native, threads), expected, "{threads} threads");
    }
}

/// A table of which rows are replaced: in place, or beside the old one if that is returned too.
fn table(returns_old: bool) -> String {
    let old = if returns_old { ", %w" } else { "" };
    format!(
        r#"graph step(%i: i32[3], %u: f32[3,5], state %w: f32[40,5]) {{
  %0: f32[40,5] = kernel %w, %i, %u {{kind="move"}} replace(%w: f32[40,5], %i: i32[3], %u: f32[3,5]) {{
    %0: f32[40,5] = update_rows %w, %i, %u {{update="set"}}
    return %0
  }}
  return %0 => %w{old}
}}"#
    )
}

#[test]
fn a_table_in_which_rows_are_replaced_in_place_is_not_copied() {
    for (returns_old, stages) in [(false, vec!["update_rows"]), (true, vec!["copy", "update_rows"])]
    {
        let graph = parse_graph(&table(returns_old), "<test>").unwrap_or_else(|e| panic!("{e}"));
        let layout = StateLayout::of_graphs([&graph]).unwrap();
        let run = |backend, threads| {
            let options = Options { backend, threads, oversubscribe: true, ..Options::default() };
            let mut step = Executable::new(&graph, &layout, &options, compile).unwrap();
            let mut state = State::zeros(&layout).unwrap();
            for (index, w) in state.slice_mut::<f32>("w").unwrap().iter_mut().enumerate() {
                *w = index as f32;
            }
            step.input_mut::<i32>("i").unwrap().copy_from_slice(&[7, 39, 7]);
            for (index, u) in step.input_mut::<f32>("u").unwrap().iter_mut().enumerate() {
                *u = -1.0 - index as f32;
            }
            (0..2).for_each(|_| step.run(&mut state).unwrap());
            let old = returns_old.then(|| step.output_tensor(0).unwrap());
            let names: Vec<String> =
                step.schedule().iter().map(|stage| stage.stage.clone()).collect();
            (state.get("w").unwrap(), old, names)
        };
        let (table, old, _) = run(Backend::Interpreter, 1);
        for threads in [1, 2, 3] {
            let (given, given_old, names) = run(Backend::Native, threads);
            assert_eq!((given, given_old), (table.clone(), old.clone()), "{threads} threads");
            assert_eq!(names, stages);
        }
    }
}
