//! Loops over steps: native code and interpreter give the same bits, in whatever order units run.

mod outline;

use brolga_codegen::{CodegenOptions, dump};
use brolga_ir::{DType, Graph, Tracer, Type, Var};

use self::outline::loop_graph;
use crate::common::check_graph;

/// Checks a loop, and that it is no loop of scalar loops.
fn check_loop(inputs: &[Type], build: impl Fn(&Tracer, &[Var]) -> Vec<Var>) {
    let graph = loop_graph(inputs, build);
    let lowering = lowering(&graph);
    assert!(lowering.contains("loop"), "{lowering}: {graph}");
    check_graph(&graph, inputs);
}

fn lowering(graph: &Graph) -> String {
    let texts = dump(graph, &CodegenOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    texts[0].lowering.clone()
}

/// hₜ₊₁ = tanh(xₜ·w + hₜ·u), all of them stacked.
fn recurrent(reverse: bool) -> impl Fn(&Tracer, &[Var]) -> Vec<Var> {
    move |t, x| {
        let (carries, sequences, shared) = ([&x[0]], [&x[1]], [&x[2], &x[3]]);
        let loops = t.scan("step").carries(&carries).over(&sequences, 0).shared(&shared);
        let (last, all) = loops.reverse(reverse).run(|step| {
            let (w, u) = (&step.shared[0], &step.shared[1]);
            let h = (step.slices[0].matmul(w) + step.carries[0].matmul(u)).tanh();
            (vec![h.clone()], vec![h])
        });
        last.into_iter().chain(all).collect()
    }
}

fn recurrent_types(dtype: DType, length: usize, batch: usize) -> [Type; 4] {
    [vec![batch, 5], vec![length, batch, 3], vec![3, 5], vec![5, 5]]
        .map(|shape| Type::new(dtype, shape))
}

#[test]
fn carries_and_stacks_in_either_direction() {
    for dtype in [DType::F32, DType::BF16, DType::F64] {
        for (length, batch) in [(1, 3), (2, 1), (3, 17), (4, 64)] {
            for reverse in [false, true] {
                check_loop(&recurrent_types(dtype, length, batch), recurrent(reverse));
            }
        }
    }
}

#[test]
fn a_loop_without_steps_is_scalar_loops() {
    let types = recurrent_types(DType::F32, 0, 3);
    let graph = loop_graph(&types, recurrent(false));
    insta::assert_snapshot!(lowering(&graph), @"scalar loops (a loop without steps)");
    check_graph(&graph, &types);
}

/// Two carries that change places, one that stays, one that is not returned.
#[test]
fn carries_change_places() {
    for length in [1, 2, 5] {
        let pair = [Type::f32([4]), Type::f32([4]), Type::f32([length, 4])];
        check_loop(&pair, |t, x| {
            let carries = [&x[0], &x[1], &x[0], &x[1]];
            let (last, all) = t.scan("swap").carries(&carries).over(&[&x[2]], 0).run(|step| {
                let [a, b, c, d] = step.carries else { return (vec![], vec![]) };
                (vec![b.clone(), a.clone(), c.clone(), d + &step.slices[0]], vec![d * a])
            });
            [&last[..3], &all].concat()
        });
    }
}

/// What a step returns as it was given: its slice, a shared value, the carry before it.
#[test]
fn what_a_step_is_given_is_stacked() {
    let types = [Type::f32([2, 3]), Type::f32([4, 2, 3]), Type::f32([5])];
    check_loop(&types, |t, x| {
        let (carries, sequences, shared) = ([&x[0]], [&x[1]], [&x[2]]);
        let loops = t.scan("copies").carries(&carries).over(&sequences, 0).shared(&shared);
        let (last, all) = loops.reverse(true).run(|step| {
            let next = &step.carries[0] * &step.slices[0];
            let flat = next.reshape([6]);
            let given = [&step.slices[0], &step.shared[0], &step.carries[0], &next, &next, &flat];
            (vec![next.clone()], given.into_iter().cloned().collect())
        });
        last.into_iter().chain(all).collect()
    });
}

/// A counter of integers, and the rows of a table that it names.
#[test]
fn a_stack_is_read_at_an_index_that_is_carried() {
    let types =
        [Type::new(DType::I32, []), Type::new(DType::I32, [7]), Type::f32([7, 5]), Type::f32([5])];
    check_loop(&types, |t, x| {
        let (carries, sequences, shared) = ([&x[0], &x[3]], [&x[1]], [&x[2]]);
        let loops = t.scan("read").carries(&carries).over(&sequences, 0).shared(&shared);
        let (last, all) = loops.run(|step| {
            let row = step.shared[0].gather(&step.carries[0]);
            let sum = &step.carries[1] + &row;
            (vec![&step.carries[0] + &step.slices[0], sum], vec![row])
        });
        last.into_iter().chain(all).collect()
    });
}

#[test]
fn loops_in_loops() {
    let types = [Type::f32([3, 5]), Type::f32([2, 4, 3, 5]), Type::f32([5, 5])];
    check_loop(&types, |t, x| {
        let (carries, sequences, shared) = ([&x[0]], [&x[1]], [&x[2]]);
        let loops = t.scan("outer").carries(&carries).over(&sequences, 0).shared(&shared);
        let (last, all) = loops.run(|outer| {
            let tracer = outer.carries[0].tracer();
            let (carries, sequences, shared) =
                ([&outer.carries[0]], [&outer.slices[0]], [&outer.shared[0]]);
            let loops = tracer.scan("inner").carries(&carries).over(&sequences, 0).shared(&shared);
            let (last, all) = loops.reverse(true).run(|inner| {
                let h = (&inner.slices[0] + inner.carries[0].matmul(&inner.shared[0])).tanh();
                (vec![h.clone()], vec![h])
            });
            (last, all)
        });
        last.into_iter().chain(all).collect()
    });
}

#[test]
fn steps_without_elements() {
    let types = recurrent_types(DType::F32, 3, 0);
    check_graph(&loop_graph(&types, recurrent(false)), &types);
}
