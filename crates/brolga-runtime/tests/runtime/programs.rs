//! Native programs of hand-written kernels against the interpreter: plan, schedule, updates,
//! barriers.

use std::sync::atomic::Ordering;

use crate::kernels::{Builder, DONE, PATIENT, UNIT, native, numbers};
use brolga_ir::ops::{Constant, Reshape};
use brolga_ir::{Origin, Shape, Tensor};
use brolga_runtime::{MemoryReport, Options};

const THREADS: [usize; 4] = [1, 2, 3, 8];

fn check_on_all_threads(builder: &Builder) -> MemoryReport {
    let executables = THREADS.map(|threads| builder.check(threads));
    executables[0].memory().clone()
}

fn barriers(builder: &Builder, threads: usize) -> Vec<(String, bool)> {
    let (executable, _) = builder.native(threads);
    executable.schedule().iter().map(|stage| (stage.stage.clone(), stage.barrier)).collect()
}

/// Every kind of kernel; no number of threads divides the 65 units.
fn mixed() -> Builder {
    let mut b = Builder::new(1040);
    let (x, y) = (b.data("x"), b.data("y"));
    let a = b.call("neg", &[x]);
    let c = b.call("reverse", &[a]);
    let d = b.call("add", &[c, y]);
    let e = b.call("flip", &[d]);
    let s = b.call("sum", &[e]);
    b.graph.add_output(e);
    b.graph.add_output(s);
    b
}

#[test]
fn every_number_of_threads_gives_the_same_bits() {
    for threads in THREADS {
        mixed().check(threads);
    }
}

#[test]
fn barriers_stand_where_another_workers_bytes_are_touched() {
    let expected = |flags: [bool; 6]| {
        let names = ["neg", "reverse", "add", "flip", "parts", "total"].map(str::to_owned);
        names.into_iter().zip(flags).collect::<Vec<_>>()
    };
    // `reverse` reads units of other workers, `total` the sums of all. `add` and `flip` read the
    // same worker's units. The workspace of `parts` is in the memory of `neg`'s result, which other
    // workers may still read for `reverse`.
    assert_eq!(barriers(&mixed(), 2), expected([false, true, false, false, true, true]));
    assert_eq!(barriers(&mixed(), 1), expected([false; 6]));
}

/// For each stage, whether any worker may do any of its units.
fn shared(builder: &Builder, threads: usize) -> Vec<bool> {
    builder.native(threads).0.schedule().iter().map(|stage| stage.shared).collect()
}

/// The first worker's first units wait for all others, including its own later ones, which another
/// worker has to do.
#[test]
fn a_worker_helps_one_that_is_held_up() {
    let mut b = Builder::new(PATIENT);
    let x = b.data("x");
    let a = b.call("patient", &[x]);
    b.graph.add_output(a);
    assert_eq!(shared(&b, 2), [true]);
    let (mut executable, mut state) = b.native(2);
    let values = numbers(PATIENT, 1);
    executable.write_input(0, &values).unwrap();
    for _ in 0..3 {
        DONE.store(0, Ordering::Relaxed);
        executable.run(&mut state).unwrap();
        assert_eq!(DONE.load(Ordering::Relaxed), PATIENT / UNIT);
        let expected: Vec<f32> = values.iter().map(|x| -x).collect();
        assert_eq!(executable.output::<f32>(0).unwrap(), expected);
    }
}

#[test]
fn long_stages_are_shared() {
    let build = |n: usize| {
        let mut b = Builder::new(n);
        let (x, y) = (b.data("x"), b.data("y"));
        let (a, c) = (b.call("neg", &[x]), b.call("neg", &[y]));
        let d = b.call("add", &[a, c]);
        b.graph.add_output(a);
        b.graph.add_output(c);
        b.graph.add_output(d);
        b
    };
    assert_eq!(shared(&build(1 << 15), 2), [true; 3]);
    // `add` reads the results of both, which any worker may have computed.
    let flags =
        |threads| barriers(&build(1 << 15), threads).into_iter().map(|(_, barrier)| barrier);
    assert_eq!(flags(2).collect::<Vec<_>>(), [false, false, true]);
    // In short stages, each lane reads its own units.
    assert_eq!(flags(8).collect::<Vec<_>>(), [false; 3]);
    let mut apart = Builder::new(1 << 15);
    for name in ["x", "y"] {
        let value = apart.data(name);
        let value = apart.call("neg", &[value]);
        apart.graph.add_output(value);
    }
    let shared = |threads| self::shared(&apart, threads);
    assert_eq!([1, 2, 3].map(shared), [vec![false; 2], vec![true; 2], vec![true; 2]]);
    // With this many lanes, the stages are short.
    assert_eq!(shared(8), [false; 2]);
    for threads in [2, 3, 8] {
        apart.check(threads);
    }
}

#[test]
fn memory_used_again_is_guarded_as_well() {
    let mut b = Builder::new(64);
    let x = b.data("x");
    let a = b.call("neg", &[x]);
    let c = b.call("reverse", &[a]);
    let d = b.call("neg", &[c]);
    b.graph.add_output(d);
    // `d` takes the memory of `a`, which other workers may still read for `reverse`.
    assert_eq!(b.native(2).0.memory().planned, 2 * 256);
    let flags = barriers(&b, 2).into_iter().map(|(_, barrier)| barrier);
    assert_eq!(flags.collect::<Vec<_>>(), [false, true, true]);
    b.check(2);
}

#[test]
fn chains_in_place_take_one_buffer() {
    let mut b = Builder::new(64);
    let mut value = b.data("x");
    for _ in 0..10 {
        value = b.call("flip", &[value]);
    }
    b.graph.add_output(value);
    let report = b.check(2).memory().clone();
    assert_eq!((report.planned, report.inputs, report.arena), (256, 256, 512));
    assert_eq!(report.lower_bound, 512);
}

#[test]
fn an_operand_needed_later_is_not_overwritten() {
    let mut b = Builder::new(64);
    let x = b.data("x");
    let a = b.call("neg", &[x]);
    let c = b.call("flip", &[a]);
    let d = b.call("add", &[a, c]);
    b.graph.add_output(d);
    assert_eq!(b.check(2).memory().planned, 2 * 256);
}

#[test]
fn an_update_is_written_to_the_state() {
    let mut b = Builder::new(64);
    let (x, w) = (b.data("x"), b.state("w"));
    let next = b.call("add", &[w, x]);
    b.update(w, next);
    let executable = b.check(2);
    assert_eq!(executable.memory().planned, 0);
    assert_eq!(executable.schedule().len(), 1);
}

#[test]
fn an_update_waits_for_all_readers_of_the_old_value() {
    let mut b = Builder::new(64);
    let (x, w) = (b.data("x"), b.state("w"));
    let next = b.call("neg", &[x]);
    let old = b.call("reverse", &[w]);
    b.update(w, next);
    b.graph.add_output(old);
    for threads in THREADS {
        let executable = b.check(threads);
        let names: Vec<_> = executable.schedule().iter().map(|s| s.stage.as_str()).collect();
        assert_eq!(names, ["reverse", "neg"]);
        assert_eq!(executable.schedule()[1].barrier, threads > 1);
        assert_eq!(executable.memory().planned, 256);
    }
}

#[test]
fn an_update_that_cannot_be_in_place_is_copied_in_the_end() {
    // `neg` and `reverse` must not overwrite their operands.
    for kernel in ["neg", "reverse"] {
        let mut b = Builder::new(64);
        let w = b.state("w");
        let next = b.call(kernel, &[w]);
        b.update(w, next);
        for threads in THREADS {
            let executable = b.check(threads);
            let names: Vec<_> = executable.schedule().iter().map(|s| s.kernel.as_str()).collect();
            assert_eq!(names, [kernel, "copy to state"]);
        }
    }
    // A task that reads the new value reads the old one, too.
    let mut b = Builder::new(64);
    let (x, w) = (b.data("x"), b.state("w"));
    let next = b.call("neg", &[x]);
    let both = b.call("add", &[next, w]);
    b.update(w, next);
    b.graph.add_output(both);
    let executable = b.check(3);
    let names: Vec<_> = executable.schedule().iter().map(|s| s.kernel.as_str()).collect();
    assert_eq!(names, ["neg", "add", "copy to state"]);
}

#[test]
fn a_value_can_be_output_and_update() {
    let mut b = Builder::new(64);
    let (x, w) = (b.data("x"), b.state("w"));
    let next = b.call("add", &[w, x]);
    let after = b.call("neg", &[next]);
    b.update(w, next);
    b.graph.add_output(next);
    b.graph.add_output(after);
    b.graph.add_output(next);
    check_on_all_threads(&b);
}

#[test]
fn states_can_be_swapped_and_turned_round() {
    let mut b = Builder::new(64);
    let (u, v, w) = (b.state("u"), b.state("v"), b.state("w"));
    b.update(u, v);
    b.update(v, w);
    b.update(w, u);
    b.graph.add_output(u);
    check_on_all_threads(&b);
}

#[test]
fn one_value_can_replace_two_states() {
    let mut b = Builder::new(64);
    let (u, v, x) = (b.state("u"), b.state("v"), b.data("x"));
    let sum = b.call("add", &[u, v]);
    b.update(u, sum);
    b.update(v, sum);
    let w = b.state("w");
    b.update(w, x);
    check_on_all_threads(&b);
}

#[test]
fn a_state_replaced_by_itself_stays() {
    let mut b = Builder::new(64);
    let w = b.state("w");
    b.update(w, w);
    b.graph.add_output(w);
    let executable = b.check(2);
    assert_eq!(executable.schedule().len(), 1, "the copy of the output");
}

#[test]
fn views_are_no_copies() {
    let mut b = Builder::new(64);
    let (x, w) = (b.data("x"), b.state("w"));
    let view = |b: &mut Builder, value, shape: Shape| {
        b.graph.add(Reshape { shape }, &[value], Origin::default()).unwrap()
    };
    let square = view(&mut b, x, [8, 8].into());
    let flat = view(&mut b, square, [64].into());
    let a = b.call("neg", &[flat]);
    let a = view(&mut b, a, [4, 16].into());
    b.graph.add_output(a);
    let old = view(&mut b, w, [1, 64].into());
    let old = view(&mut b, old, [64].into());
    let next = b.call("add", &[old, flat]);
    let next = view(&mut b, next, [64, 1].into());
    let next = view(&mut b, next, [64].into());
    b.update(w, next);
    b.graph.add_output(square);
    for threads in THREADS {
        let executable = b.check(threads);
        assert_eq!(executable.schedule().len(), 2);
        assert_eq!(executable.memory().planned, 256);
    }
}

#[test]
fn constants_are_part_of_the_arena() {
    let mut b = Builder::new(64);
    let x = b.data("x");
    let c = Constant::new(Tensor::f32([64], numbers(64, 5)).unwrap());
    let c = b.graph.add(c, &[], Origin::default()).unwrap();
    let one = Constant::new(Tensor::f32([64], vec![1.0; 64]).unwrap());
    let one = b.graph.add(one, &[], Origin::default()).unwrap();
    // An addition in place would overwrite the constant.
    let sum = b.call("add", &[c, one]);
    let sum = b.call("add", &[sum, x]);
    b.graph.add_output(sum);
    b.graph.add_output(c);
    let w = b.state("w");
    b.update(w, one);
    let report = check_on_all_threads(&b);
    assert_eq!((report.constants, report.planned), (512, 256));
}

#[test]
fn tensors_without_elements_are_fine() {
    let mut b = Builder::new(0);
    let (x, w) = (b.data("x"), b.state("w"));
    let a = b.call("neg", &[x]);
    let c = b.call("reverse", &[a]);
    let next = b.call("add", &[w, c]);
    let s = b.call("sum", &[next]);
    b.update(w, next);
    b.graph.add_output(c);
    b.graph.add_output(s);
    b.graph.add_output(w);
    check_on_all_threads(&b);
}

#[test]
fn a_graph_without_work_runs() {
    let b = Builder::new(16);
    let executable = b.check(2);
    assert_eq!(executable.memory().arena, 0);
}

#[test]
fn inputs_keep_their_values() {
    let mut b = Builder::new(64);
    let x = b.data("x");
    let y = b.call("flip", &[x]);
    b.graph.add_output(y);
    let (mut executable, mut state) = b.native(1);
    executable.input_mut::<f32>("x").unwrap().fill(2.0);
    for _ in 0..2 {
        executable.run(&mut state).unwrap();
        assert_eq!(executable.output::<f32>(0).unwrap(), [-2.0; 64]);
    }
}

#[test]
fn programs_of_one_model_share_its_state() {
    let program = |update: bool| {
        let mut b = Builder::new(64);
        let w = b.state("w");
        if update {
            let x = b.data("x");
            let next = b.call("add", &[w, x]);
            b.update(w, next);
        }
        b.graph.add_output(w);
        b.native(2)
    };
    let ((mut train, mut state), (mut predict, _)) = (program(true), program(false));
    train.input_mut::<f32>(0).unwrap().fill(1.0);
    let before = state.slice::<f32>("w").unwrap().to_vec();
    train.run(&mut state).unwrap();
    predict.run(&mut state).unwrap();
    let after: Vec<_> = before.iter().map(|x| x + 1.0).collect();
    assert_eq!(predict.output::<f32>(0).unwrap(), after);
}

#[test]
fn executables_run_on_threads_of_their_own_at_the_same_time() {
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..5).for_each(|_| drop(mixed().check(3))));
        }
    });
}

/// Work is cut for as many threads as are asked for, but only as many run as there are cores.
#[test]
fn more_threads_than_cores_are_not_started() {
    let threads_of = |oversubscribe| {
        let options = Options { threads: 64, oversubscribe, profile: true, ..Options::default() };
        let (mut executable, mut state) = native(&mixed().graph, &options);
        executable.run(&mut state).unwrap();
        executable.profile().unwrap().threads
    };
    let cores = std::thread::available_parallelism().unwrap().get();
    // The quota of CPU time is rounded up here, and down there.
    assert!([cores, cores + 1].contains(&threads_of(false)));
    assert_eq!(threads_of(true), 64);
}

#[test]
fn many_threads_give_the_same_bits() {
    for threads in [16, 64] {
        mixed().check(threads);
    }
}
