//! Loops over steps: native code and interpreter give the same bits, in whatever order units run.

mod outline;

use brolga_codegen::{CodegenOptions, VectorIsa, compile, dump};
use brolga_ir::{DType, Graph, Tensor, Tracer, Type, Var};

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

/// The functions of a step are the same for sequences of any length: they are compiled once.
#[test]
fn a_body_is_compiled_once_for_sequences_of_any_length() {
    let functions = |length: usize| -> Vec<(String, bool)> {
        let graph = loop_graph(&recurrent_types(DType::F32, length, 5), recurrent(false));
        let compiled = compile(&graph, &CodegenOptions::default()).expect("it compiles");
        let (_, object) = compiled.into_parts();
        object.functions().iter().map(|f| (f.name.clone(), f.reused)).collect()
    };
    let (first, second) = (functions(50), functions(1000));
    assert_eq!(first.len(), second.len());
    let of = |wanted: bool| -> Vec<&str> {
        let functions = second.iter().filter(|(_, reused)| *reused == wanted);
        functions.map(|(name, _)| name.as_str()).collect()
    };
    insta::assert_snapshot!(of(false).join("\n"), @"main/step");
    assert!(of(true).len() >= 4, "{second:?}");
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

/// Checks a loop, and whether it has a carry that stays where it is.
fn check_in_place(stays: bool, inputs: &[Type], build: impl Fn(&Tracer, &[Var]) -> Vec<Var>) {
    let graph = loop_graph(inputs, &build);
    let texts = dump(&graph, &CodegenOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let text = texts[0].nests.join("\n");
    assert_eq!(text.contains("in place at"), stays, "{text}");
    check_loop(inputs, build);
}

/// What a step does to a table, given the number of the step and a row.
type Change = fn(&Var, &Var, &Var) -> (Var, Vec<Var>);

/// A loop that carries a table and the number of the step.
fn changing(change: Change) -> impl Fn(&Tracer, &[Var]) -> Vec<Var> {
    move |t, x| {
        let (carries, sequences) = ([&x[0], &x[1]], [&x[2]]);
        let loops = t.scan("change").carries(&carries).over(&sequences, 0);
        let (last, all) = loops.run(|step| {
            let [table, place] = step.carries else { return (vec![], vec![]) };
            let (table, stacks) = change(table, place, &step.slices[0]);
            (vec![table, place + 1.0], stacks)
        });
        last.into_iter().chain(all).collect()
    }
}

#[test]
fn tables_that_are_carried_stay_where_they_are() {
    let set: Change = |table, place, x| (table.set_rows(place, x), vec![]);
    let read: Change = |table, place, x| {
        let before = table.gather(&(place - 1.0));
        let next = &before * 0.5 + x;
        (table.set_rows(place, &next), vec![before, next])
    };
    // The row is read after the change, of the table before it.
    let late: Change = |table, place, x| {
        let next = table.set_rows(place, x);
        let old = table.gather(place);
        (next, vec![old])
    };
    let twice: Change = |table, place, x| {
        let first = table.set_rows(place, x);
        let row = first.gather(&(place - 1.0));
        let second = first.add_rows(&(place - 1.0), &(row + x));
        (second, vec![])
    };
    for length in [1, 2, 5] {
        for dtype in [DType::F32, DType::BF16, DType::F64] {
            let types = [
                Type::new(dtype, [7, 3]),
                Type::new(DType::I32, []),
                Type::new(dtype, [length, 3]),
            ];
            for change in [set, read, late, twice] {
                check_in_place(true, &types, changing(change));
            }
        }
    }
    let types = [Type::f32([0, 3]), Type::new(DType::I32, []), Type::f32([2, 3])];
    check_in_place(true, &types, changing(read));
}

/// Ten times the steps on a table of ten times the rows move ten times the bytes, not a hundred
/// times.
#[test]
fn a_step_moves_the_rows_that_it_names_alone() {
    let read: Change = |table, place, x| {
        let next = table.gather(&(place - 1.0)) * 0.5 + x;
        (table.set_rows(place, &next), vec![])
    };
    let moved = |length: usize| -> u64 {
        let types =
            [Type::f32([length + 1, 64]), Type::new(DType::I32, []), Type::f32([length, 64])];
        let graph = loop_graph(&types, changing(read));
        let options = CodegenOptions { isa: Some(VectorIsa::Scalar) };
        let texts = dump(&graph, &options).unwrap_or_else(|error| panic!("{error}"));
        texts[0].moved.expect("all of it is scalar loops")
    };
    let (short, long) = (moved(100), moved(1000));
    assert!((9 * short..11 * short).contains(&long), "{short} and {long} bytes");
}

/// What is kept of the table before a change needs a copy.
#[test]
fn tables_that_are_kept_are_copied() {
    let types = [Type::f32([7, 3]), Type::new(DType::I32, []), Type::f32([5, 3])];
    let stacked_before: Change = |table, place, x| (table.set_rows(place, x), vec![table.clone()]);
    let stacked_after: Change = |table, place, x| {
        let next = table.set_rows(place, x);
        (next.clone(), vec![next])
    };
    // The row that is set depends on the table after another change.
    let cyclic: Change = |table, place, x| {
        let other = table.set_rows(&(place + 1.0), x).gather(&(place + 1.0));
        (table.set_rows(place, &(other + table.gather(place))), vec![])
    };
    let depends: Change = |table, place, x| {
        let next = table.set_rows(place, x);
        (next.clone(), vec![table.gather(&next.gather(place).cast(DType::I32))])
    };
    check_in_place(false, &types, changing(stacked_before));
    check_in_place(false, &types, changing(stacked_after));
    check_in_place(true, &types, changing(cyclic));
    let depends_types = [Type::f32([7]), Type::new(DType::I32, []), Type::f32([5])];
    check_in_place(false, &depends_types, changing(depends));
    // Tables that change places.
    let types = [Type::f32([4, 2]), Type::f32([4, 2]), Type::new(DType::I32, []), Type::f32([2])];
    check_in_place(false, &types, |t, x| {
        let (carries, shared) = ([&x[0], &x[1], &x[2]], [&x[3]]);
        let loops = t.scan("swap").length(3).carries(&carries).shared(&shared);
        let (last, _) = loops.run(|step| {
            let [a, b, place] = step.carries else { return (vec![], vec![]) };
            (vec![b.clone(), a.set_rows(place, &step.shared[0]), place + 1.0], vec![])
        });
        last
    });
}

/// A table in a loop that ends by itself, and in a loop in a loop.
#[test]
fn tables_in_other_loops() {
    let types = [Type::f32([7, 3]), Type::new(DType::I32, []), Type::f32([3])];
    for limit in [1, 4, 9] {
        check_in_place(true, &types, |t, x| {
            let (carries, shared) = ([&x[0], &x[1]], [&x[2]]);
            let loops = t.while_loop("fill", limit).carries(&carries).shared(&shared);
            let (last, steps) = loops.run(
                |turn| turn.carries[1].lt(&(turn.carries[1].constant_like(0.0) + 6.0)),
                |turn| {
                    let [table, place] = turn.carries else { return vec![] };
                    let row = table.gather(&(place - 1.0)) + &turn.shared[0];
                    vec![table.set_rows(place, &row), place + 1.0]
                },
            );
            last.into_iter().chain([steps]).collect()
        });
    }
}

/// A constant that a step reads from memory is written there before the loop.
#[test]
fn constants_that_a_step_reads() {
    let types = [Type::f32([7, 3]), Type::new(DType::I32, []), Type::f32([5, 3])];
    let clear: Change = |table, place, x| {
        let zeros = x.tracer().full(x.ty(), 0.0);
        let ones = x.tracer().constant(Tensor::f32([3], vec![1.0, 2.0, 3.0]).expect("three"));
        (table.set_rows(place, &zeros).add_rows(&(place - 1.0), &ones), vec![])
    };
    check_in_place(true, &types, changing(clear));
}

/// h ← tanh(h·u) and a counter, as long as the largest element is above a bound.
fn shrinking(limit: usize) -> impl Fn(&Tracer, &[Var]) -> Vec<Var> {
    move |t, x| {
        let (carries, shared) = ([&x[0], &x[1]], [&x[2], &x[3]]);
        let loops = t.while_loop("shrink", limit).carries(&carries).shared(&shared);
        let (last, steps) = loops.run(
            |turn| {
                let all: Vec<usize> = (0..turn.carries[0].shape().rank()).collect();
                turn.carries[0].reduce_max(&all, false).gt(&turn.shared[1])
            },
            |turn| {
                let h = turn.carries[0].matmul(&turn.shared[0]).tanh() * 0.5;
                vec![h, &turn.carries[1] + 1.0]
            },
        );
        last.into_iter().chain([steps]).collect()
    }
}

fn shrinking_types(dtype: DType, batch: usize) -> [Type; 4] {
    let shapes = [vec![batch, 5], vec![], vec![5, 5], vec![]];
    let dtypes = [dtype, DType::I32, dtype, dtype];
    std::array::from_fn(|i| Type::new(dtypes[i], shapes[i].clone()))
}

#[test]
fn loops_with_a_condition() {
    for dtype in [DType::F32, DType::BF16, DType::F64] {
        for (limit, batch) in [(1, 3), (2, 1), (3, 17), (100, 64)] {
            check_loop(&shrinking_types(dtype, batch), shrinking(limit));
        }
    }
    let types = shrinking_types(DType::F32, 3);
    let graph = loop_graph(&types, shrinking(0));
    insta::assert_snapshot!(lowering(&graph), @"scalar loops (a loop without steps)");
    check_graph(&graph, &types);
}

/// A carried condition, carries that change places, and a loop that never runs.
#[test]
fn conditions_that_are_carried() {
    for limit in [1, 4, 7] {
        let types = [Type::new(DType::Bool, []), Type::f32([4]), Type::f32([4]), Type::f32([])];
        check_loop(&types, |t, x| {
            let (carries, shared) = ([&x[0], &x[1], &x[2]], [&x[3]]);
            let loops = t.while_loop("swap", limit).carries(&carries).shared(&shared);
            let (last, steps) = loops.run(
                |turn| turn.carries[0].clone(),
                |turn| {
                    let [_, a, b] = turn.carries else { return vec![] };
                    let next = b + &turn.shared[0];
                    let sum = next.reduce_sum(&[0], false);
                    vec![sum.lt(&(&sum.constant_like(0.0) + 100.0)), next, a.clone()]
                },
            );
            last.into_iter().chain([steps]).collect()
        });
    }
}

#[test]
fn a_loop_with_a_condition_in_a_loop() {
    let types = [Type::f32([3, 5]), Type::f32([2, 3, 5]), Type::f32([5, 5]), Type::f32([])];
    check_loop(&types, |t, x| {
        let (carries, sequences, shared) = ([&x[0]], [&x[1]], [&x[2], &x[3]]);
        let loops = t.scan("outer").carries(&carries).over(&sequences, 0).shared(&shared);
        let (last, all) = loops.run(|outer| {
            let tracer = outer.carries[0].tracer();
            let first = &outer.carries[0] + &outer.slices[0];
            let (carries, shared) = ([&first], [&outer.shared[0], &outer.shared[1]]);
            let loops = tracer.while_loop("inner", 9).carries(&carries).shared(&shared);
            let (last, steps) = loops.run(
                |turn| turn.carries[0].reduce_max(&[0, 1], false).gt(&turn.shared[1]),
                |turn| vec![turn.carries[0].matmul(&turn.shared[0]).tanh() * 0.5],
            );
            (last, vec![steps])
        });
        last.into_iter().chain(all).collect()
    });
}
