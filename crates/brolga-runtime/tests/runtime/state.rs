//! States: layout, values, copies.

use brolga_codegen::compile;
use brolga_ir::text::parse_graph;
use brolga_ir::{DType, Data, Tensor, Type};
use brolga_runtime::{Backend, Executable, Options, State, StateLayout};

fn layout() -> StateLayout {
    let types = ["f32[3,5]", "f32[0]", "i64[]", "bool[70]", "bf16[16]", "u8[1]"];
    let names = ["w", "nothing", "step", "mask", "half", "byte"];
    StateLayout::new(names.into_iter().zip(types.map(|ty| ty.parse().unwrap()))).unwrap()
}

#[test]
fn states_lie_one_after_the_other_at_cache_lines() {
    let layout = layout();
    assert_eq!(layout.bytes(), 64 + 64 + 128 + 64 + 64);
    let names: Vec<_> = layout.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["w", "nothing", "step", "mask", "half", "byte"]);
    let state = State::zeros(&layout).unwrap();
    let start = state.slice::<f32>("w").unwrap().as_ptr() as usize;
    assert!(start.is_multiple_of(64));
    assert_eq!(state.slice::<bool>("mask").unwrap().as_ptr() as usize - start, 128);
}

/// A weight and its optimizer slots are read together, so that corresponding elements should be in
/// different sets of a cache.
#[test]
fn large_states_are_not_whole_pages_apart() {
    let ty: Type = "f32[1024]".parse().unwrap();
    let names = ["w", "momentum", "velocity"];
    let state =
        State::zeros(&StateLayout::new(names.map(|name| (name, ty.clone()))).unwrap()).unwrap();
    let starts = names.map(|name| state.slice::<f32>(name).unwrap().as_ptr() as usize);
    let places = starts.map(|start| start % 4096);
    assert!(starts.iter().all(|start| start.is_multiple_of(64)));
    let [w, momentum, velocity] = places;
    assert!(w != momentum && momentum != velocity && velocity != w, "{places:?}");
}

#[test]
fn values_come_back() {
    let mut state = State::zeros(&layout()).unwrap();
    assert!(state.layout().iter().all(|(name, ty)| state.get(name).unwrap() == Tensor::zeros(ty)));
    let mask = Tensor::new([70], Data::Bool((0..70).map(|i| i % 3 == 0).collect())).unwrap();
    state.set("mask", &mask).unwrap();
    state.slice_mut::<f32>("w").unwrap()[14] = f32::NAN;
    state.slice_mut::<i64>("step").unwrap()[0] = i64::MIN;
    state.set("half", &Tensor::full(&Type::new(DType::BF16, [16]), -0.5)).unwrap();
    assert_eq!(state.get("mask").unwrap(), mask);
    assert_eq!(state.slice::<u8>("byte").unwrap(), [0]);

    let mut copy = state.try_clone().unwrap();
    let same = |(name, _)| copy.get(name).unwrap() == state.get(name).unwrap();
    assert!(state.layout().iter().all(same));
    copy.slice_mut::<i64>("step").unwrap()[0] = 1;
    assert_eq!(state.get("step").unwrap().to_i64(), Some(vec![i64::MIN]));
}

#[test]
fn graphs_that_share_states_have_one_layout() {
    let graph = |text: &str| parse_graph(text, "<test>").unwrap();
    let train = graph("graph train(state %w: f32[2], state %m: f32[2]) {\n  return %m => %w\n}");
    let predict = graph("graph predict(state %w: f32[2], %x: f32[2]) {\n  return %x\n}");
    let both = StateLayout::of_graphs([&train, &predict]).unwrap();
    let expected = [("w", Type::f32([2])), ("m", Type::f32([2]))];
    assert_eq!(both, StateLayout::new(expected).unwrap());
    assert_ne!(both, StateLayout::of_graphs([&predict]).unwrap());
    let other = graph("graph other(state %w: f32[3]) {\n  return %w\n}");
    assert!(StateLayout::of_graphs([&train, &other]).is_err());
}

#[test]
fn the_interpreter_runs_any_graph_of_any_type() {
    let text = "graph step(%x: f64[2], state %n: i64[], %b: bool[3]) {
  %0: f64[2] = mul %x, %x
  %1: i64[] = add %n, %n
  %2: bool[3] = not %b
  return %0, %1 => %n, %2
}";
    let graph = parse_graph(text, "<test>").unwrap();
    let layout = StateLayout::of_graphs([&graph]).unwrap();
    let options = Options { backend: Backend::Interpreter, ..Options::default() };
    let mut step = Executable::new(&graph, &layout, &options, compile).unwrap();
    let mut state = State::zeros(&layout).unwrap();
    state.slice_mut::<i64>("n").unwrap()[0] = 21;
    step.write_input("x", &[3.0_f64, -4.0]).unwrap();
    step.set_input("b", &Tensor::new([3], Data::Bool(vec![true, false, true])).unwrap()).unwrap();
    step.run(&mut state).unwrap();
    assert_eq!(step.output::<f64>(0).unwrap(), [9.0, 16.0]);
    assert_eq!(step.output::<bool>(1).unwrap(), [false, true, false]);
    assert_eq!(state.slice::<i64>("n").unwrap(), [42]);
}

#[test]
fn copies_into_other_states_have_their_values() {
    let layout = |n: usize| StateLayout::new([("w", Type::f32([n]))]).unwrap();
    let mut state = State::zeros(&layout(3)).unwrap();
    state.slice_mut::<f32>("w").unwrap().copy_from_slice(&[1.0, 2.0, 3.0]);
    let mut copy = State::zeros(&layout(3)).unwrap();
    copy.copy_from(&state).unwrap();
    assert_eq!(copy.get("w").unwrap(), state.get("w").unwrap());
    let error = State::zeros(&layout(5)).unwrap().copy_from(&state).unwrap_err();
    insta::assert_snapshot!(error, @"states can be copied from states of the same names and types alone");
}
