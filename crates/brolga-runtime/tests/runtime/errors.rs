//! The messages of all errors that a caller can cause.

use std::collections::HashMap;

use crate::kernels::{Builder, kernels_of, try_native};
use brolga_codegen::compile;
use brolga_codegen::kernel::{Access, Compiled, CompiledKernel, Touch};
use brolga_ir::text::parse_graph;
use brolga_ir::{NodeId, Tensor, Type};
use brolga_runtime::{Backend, Executable, Options, Planned, RuntimeError, State, StateLayout};
use insta::assert_snapshot;

fn builder() -> Builder {
    let mut b = Builder::new(64);
    let (x, w) = (b.data("x"), b.state("dense/kernel"));
    let next = b.call("add", &[w, x]);
    let sum = b.call("sum", &[next]);
    b.update(w, next);
    b.graph.add_output(sum);
    b
}

fn error<T>(result: Result<T, RuntimeError>) -> String {
    result.err().expect("this is a mistake").to_string()
}

fn layout(states: &[(&str, Type)]) -> StateLayout {
    StateLayout::new(states.iter().cloned()).unwrap()
}

#[test]
fn inputs_and_outputs() {
    let (mut e, _) = builder().native(1);
    assert_snapshot!(error(e.input_mut::<f32>(1)), @"graph `step` has no data input 1; it has `%x`: f32[64]");
    assert_snapshot!(error(e.input_mut::<f32>("y")), @"graph `step` has no data input `%y`; it has `%x`: f32[64]");
    assert_snapshot!(error(e.input_mut::<i32>("x")), @"graph `step`: input `%x` is f32[64]; it cannot be accessed as i32");
    assert_snapshot!(error(e.write_input("x", &[0.0_f32; 63])), @"graph `step`: input `%x` is f32[64], which has 64 elements; 63 were given");
    let tensor = Tensor::zeros(&Type::f32([8, 8]));
    assert_snapshot!(error(e.set_input("x", &tensor)), @"graph `step`: input `%x` is f32[64]; a tensor of type f32[8,8] was given");
    assert_snapshot!(error(e.output::<f32>(1)), @"graph `step` has no output 1; it has 1 that replace no state");
    assert_snapshot!(error(e.output::<u8>(0)), @"graph `step`: output 0 is f32[]; it cannot be accessed as u8");
}

#[test]
fn states() {
    let graph = builder().graph;
    let new = |layout: &StateLayout| error(try_native(&graph, layout, &Options::default()));
    let missing = new(&layout(&[("dense/bias", Type::f32([4]))]));
    assert_snapshot!(missing, @"graph `step` uses the state `dense/kernel`: f32[64], which the layout does not have; there are `dense/bias`");
    assert_snapshot!(new(&layout(&[])), @"graph `step` uses the state `dense/kernel`: f32[64], which the layout does not have; there is no state at all");
    let other = new(&layout(&[("dense/kernel", Type::f32([8, 8]))]));
    assert_snapshot!(other, @"graph `step` uses the state `dense/kernel` as f32[64]; in the layout it is f32[8,8]");

    let twice = StateLayout::new([("w", Type::f32([2])), ("w", Type::f32([3]))]);
    assert_snapshot!(error(twice), @"the state `w` is declared twice, as f32[2] and as f32[3]");
    let large = StateLayout::new([("w", Type::f32([1 << 20, 1 << 30]))]);
    assert_snapshot!(error(large), @"the states take more memory than there are addresses; the first one that does not fit is `w`: f32[1048576,1073741824]");

    let mut state = State::zeros(&layout(&[("w", Type::f32([2]))])).unwrap();
    assert_snapshot!(error(state.get("v")), @"there is no state `v`; there are `w`");
    assert_snapshot!(error(state.slice::<i32>("w")), @"state `w` is f32[2]; it cannot be accessed as i32");
    let tensor = Tensor::zeros(&Type::f32([3]));
    assert_snapshot!(error(state.set("w", &tensor)), @"state `w` is f32[2]; a tensor of type f32[3] was given");
    let (mut e, _) = builder().native(1);
    assert_snapshot!(error(e.run(&mut state)), @r"
    graph `step` was compiled against another layout of states than the given state has
      help: compile it against `state.layout()`
    ");
}

#[test]
fn memory_limit() {
    let graph = builder().graph;
    let states = StateLayout::of_graphs([&graph]).unwrap();
    let options = |limit| Options { memory_limit: Some(limit), threads: 1, ..Options::default() };
    assert!(try_native(&graph, &states, &options(640)).is_ok());
    assert_snapshot!(error(try_native(&graph, &states, &options(639))), @r"
    graph `step` needs 640 B of memory, 639 B are allowed

    layer         role     states  values  at the peak
    dense/kernel  forward   256 B     0 B          0 B
    dense         forward     0 B   128 B        128 B

    part                          memory
    constants                        0 B
    inputs                         256 B
    results, outputs, workspaces   128 B
    scratch of the workers           0 B
    arena                          384 B
    arena, at least                384 B
    states                         256 B
    total                          640 B

    plan: 1.000 times its lower bound (largest first)

      help: a smaller batch and layers with fewer units need less, a larger memory_limit allows more
    ");
    let huge = parse_graph(
        "graph huge(%x: f32[1048576,1048576]) {\n  %0: f32[1048576,1048576] = neg %x\n  return %0\n}",
        "<test>",
    )
    .unwrap();
    let limit = Options { backend: Backend::Interpreter, ..options(1 << 30) };
    let error = Executable::new(&huge, &layout(&[]), &limit, compile).unwrap_err();
    assert!(matches!(error, RuntimeError::MemoryLimit { report, .. } if report.total == 8 << 40));
}

#[test]
fn threads() {
    let graph = builder().graph;
    let states = StateLayout::of_graphs([&graph]).unwrap();
    let with =
        |threads| error(try_native(&graph, &states, &Options { threads, ..Options::default() }));
    assert_snapshot!(with(0), @"0 threads cannot compute; between 1 and 1024 can");
    assert_snapshot!(with(1025), @"1025 threads cannot compute; between 1 and 1024 can");
}

#[test]
fn graphs_that_are_not_of_kernels() {
    let text = "graph f(%x: f32[2]) {\n  %0: f32[2] = relu %x   @dense\n  return %0\n}";
    let graph = parse_graph(text, "<test>").unwrap();
    let native = Executable::new(&graph, &layout(&[]), &Options::default(), compile);
    assert_snapshot!(error(native), @r"
    graph `f`: node 1 is `relu` of layer `dense`, which has no native code of its own
      help: `optimize` makes kernels of all nodes; the backend `Interpreter` runs any graph
    ");
    let mut graph = graph;
    graph.add_update(graph.inputs()[0], graph.inputs()[0].into());
    let native = Executable::new(&graph, &layout(&[]), &Options::default(), compile);
    let invalid = error(native);
    assert_snapshot!(invalid.lines().next().unwrap_or_default(), @"graph `f`: error: %x replaces %x, which is data and not state");
}

#[test]
fn kernels_that_do_not_fit_their_nodes() {
    let graph = builder().graph;
    let states = StateLayout::of_graphs([&graph]).unwrap();
    let new = |kernels: &HashMap<NodeId, CompiledKernel>| {
        let (kernels, (_, object)) = (kernels.clone(), kernels_of(&graph));
        // SAFETY: it is an error, so nothing runs.
        let compiled = unsafe { Compiled::new(&graph, kernels, object) };
        error(Planned::native(compiled, &states, &Options::default()))
    };
    let (mut kernels, _) = kernels_of(&graph);
    for kernel in kernels.values_mut() {
        kernel.in_place.push((0, 7));
    }
    assert_snapshot!(new(&kernels), @"kernel `add`: result 0 of 1 may overwrite operand 7 of 2");
    for kernel in kernels.values_mut() {
        kernel.stages[0].reads.push(Touch { slot: 4, access: Access::Whole });
    }
    assert_snapshot!(new(&kernels), @"kernel `add`: a stage touches slot 4 of an operand table of 4");
    assert_snapshot!(new(&HashMap::new()), @"kernel `add`: it has not been compiled");
}

/// Nothing of this size is allocated: the distance of the tile's rows exceeds an instruction's
/// displacement.
#[test]
fn rows_that_no_tile_reaches() {
    let text = "graph f(%x: f32[6,200000000], %w: f32[200000000,1]) {
      %0: f32[6,1] = kernel %x, %w {kind=\"contraction\"} matmul(
        %x: f32[6,200000000],
        %w: f32[200000000,1]
      ) {
        %0: f32[6,1] = matmul %x, %w {transpose_a=false, transpose_b=false}
        return %0
      } @dense
      return %0
    }";
    let graph = parse_graph(text, "<test>").unwrap();
    let options = Options { isa: Some(brolga_codegen::VectorIsa::V128), ..Options::default() };
    let error = Executable::new(&graph, &layout(&[]), &options, compile).unwrap_err();
    assert_snapshot!(error, @"
    kernel `matmul` of layer `dense`: tile program `contraction_6x1`: 2400000000 bytes from a pointer, expected less than 2 GiB
      at: rank1 1 vectors of %b first 1 with
    ");
}
