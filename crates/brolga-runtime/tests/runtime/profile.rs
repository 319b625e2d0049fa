//! Profiles: counts and structure, but not times.

use crate::kernels::{Builder, native};
use brolga_codegen::compile;
use brolga_runtime::{Backend, Executable, Options, StateLayout};

fn builder() -> Builder {
    let mut b = Builder::new(64);
    let x = b.data("x");
    let y = b.call("reverse", &[x]);
    let sum = b.call("sum", &[y]);
    b.graph.add_output(sum);
    b
}

#[test]
fn kernels_are_counted_and_timed() {
    let options = Options { profile: true, threads: 2, oversubscribe: true, ..Options::default() };
    let (mut executable, mut state) = native(&builder().graph, &options);
    for _ in 0..3 {
        executable.run(&mut state).unwrap();
    }
    let profile = executable.profile().unwrap();
    let rows = profile.kernels.iter().map(|k| (k.name.as_str(), k.calls, k.flops, k.bytes));
    // `sum` reads its operand, writes and reads a workspace of four elements, and writes one.
    let expected = [("reverse", 3, 64, 512), ("sum", 3, 128, 256 + 16 + 16 + 4)];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
    let sizes = profile.kernels.iter().map(|k| (k.written, k.working_set));
    // `reverse` needs both tensors at once, `sum` its operand, four elements and one.
    assert_eq!(sizes.collect::<Vec<_>>(), [(256, 512), (16 + 4, 256 + 16 + 4)]);
    assert!(profile.kernels.iter().all(|k| k.layer == "dense" && (0.0..=1.0).contains(&k.share)));
    assert!(profile.time_ns > 0);
    let text = profile.to_string();
    assert!(text.starts_with("step: 3 steps of "), "{text}");
    assert_eq!(text.lines().count(), 4, "{text}");

    assert!(!text.contains("limit") && profile.kernels.iter().all(|k| k.of_limit.is_none()));
    let gflops = profile.kernels[0].gflops;
    let limited = profile.with_limit(4e9 * gflops);
    assert!(limited.kernels[0].of_limit.is_some_and(|part| (part - 0.25).abs() < 1e-9));
    let text = limited.to_string();
    let heading = text.lines().nth(1).unwrap();
    assert!(heading.ends_with("memory  % of limit"), "{text}");
    executable.reset_profile();
    assert_eq!(executable.profile().unwrap().steps, 0);
}

#[test]
fn the_interpreter_is_timed_by_node() {
    let graph = builder().graph;
    let layout = StateLayout::of_graphs([&graph]).unwrap();
    let options = Options { profile: true, backend: Backend::Interpreter, ..Options::default() };
    let mut executable = Executable::new(&graph, &layout, &options, compile).unwrap();
    let mut state = brolga_runtime::State::zeros(&layout).unwrap();
    executable.run(&mut state).unwrap();
    let profile = executable.profile().unwrap();
    let names: Vec<_> = profile.kernels.iter().map(|k| k.name.as_str()).collect();
    assert_eq!((profile.steps, names), (1, vec!["reverse", "sum"]));
}

#[test]
fn without_the_option_there_is_none() {
    assert!(builder().native(2).0.profile().is_none());
}
