//! Loops broken on purpose: each number of their tables, and each index, is checked.

use std::sync::Arc;

use brolga_codegen::lower::{Code, Lowered};
use brolga_codegen::steps::{Base, Next, Place, Steps};
use brolga_ir::ops::Kernel;
use brolga_ir::{Op, Type, Var};

use crate::kernels::lowered;
use crate::outline::loop_graph;

/// hₜ₊₁ = xₜ·w + hₜ, gₜ₊₁ = gₜ·xₜ; hₜ₊₁ and the slices are stacked. One carry is written to its
/// stack, one in turns.
fn looped() -> Kernel {
    let types = [[4, 5].into(), [4, 3].into(), [6, 4, 3].into(), [3, 5].into()]
        .map(|shape: brolga_ir::Shape| Type::f32(shape));
    let graph = loop_graph(&types, |t, x| {
        let (carries, sequences, shared) = ([&x[0], &x[1]], [&x[2]], [&x[3]]);
        let loops = t.scan("step").carries(&carries).over(&sequences, 0).shared(&shared);
        let (last, all) = loops.run(|step| {
            let x = &step.slices[0];
            let h = x.matmul(&step.shared[0]) + &step.carries[0];
            let g = &step.carries[1] * x;
            (vec![h.clone(), g], vec![h, x.clone()])
        });
        last.into_iter().chain(all).collect::<Vec<Var>>()
    });
    let kernel = graph.order().into_iter().find_map(|id| match &graph.node(id).op {
        Op::Kernel(kernel) => Some(kernel.clone()),
        _ => None,
    });
    kernel.expect("the graph has a kernel")
}

/// Changes the tables of all stages alike.
fn change(lowered: &mut Lowered, change: &mut dyn FnMut(&mut Steps)) {
    let mut changed: Option<Arc<Steps>> = None;
    for stage in &mut lowered.stages {
        if let Code::Steps(steps, _) = &mut stage.code {
            let steps_of_all = changed.get_or_insert_with(|| {
                change(Arc::make_mut(steps));
                Arc::clone(steps)
            });
            *steps = Arc::clone(steps_of_all);
        }
    }
}

fn base(base: &mut Base, visit: &mut dyn FnMut(&mut usize)) {
    visit(&mut base.slot);
    visit(&mut base.offset);
}

/// Calls `visit` with every number by which a loop addresses memory or calls.
fn numbers(steps: &mut Steps, visit: &mut dyn FnMut(&mut usize)) {
    visit(&mut steps.length);
    visit(&mut steps.units);
    for carry in &mut steps.carries {
        base(&mut carry.first, visit);
        visit(&mut carry.bytes);
        match &mut carry.next {
            Next::Turns(turns) => turns.iter_mut().for_each(|turn| base(turn, visit)),
            Next::InPlace(start) => base(start, visit),
            Next::Slice(start, stride) => {
                base(start, visit);
                visit(stride);
            }
        }
    }
    for place in steps.kernels.iter_mut().flat_map(|callee| &mut callee.table) {
        match place {
            Place::Fixed(start) => base(start, visit),
            Place::Slice(start, stride) => {
                base(start, visit);
                visit(stride);
            }
            Place::Carry(carry) | Place::Next(carry) => visit(carry),
        }
    }
    for call in steps.before.iter_mut().chain(&mut steps.calls).chain(&mut steps.after) {
        visit(&mut call.kernel);
        visit(&mut call.stage);
    }
    for call in steps.calls.iter_mut().chain(&mut steps.after) {
        visit(&mut call.units);
    }
}

#[test]
fn every_number_of_a_table_is_checked() {
    let kernel = looped();
    let right = lowered(&kernel);
    right.check(&kernel.body).expect("it is right as yet");
    let mut count = 0;
    change(&mut right.clone(), &mut |steps| numbers(steps, &mut |_| count += 1));
    assert!(count > 60, "{count}");
    for chosen in 0..count {
        let (mut broken, mut place, mut text) = (right.clone(), 0, String::new());
        change(&mut broken, &mut |steps| {
            numbers(steps, &mut |number| {
                if place == chosen {
                    text = format!("number {chosen}, {number}");
                    *number += 1 << 20;
                }
                place += 1;
            });
        });
        assert!(broken.check(&kernel.body).is_err(), "{text} may be anything");
    }
}

/// The message for the loop after a change.
fn refused(wrong: impl Fn(&mut Steps)) -> String {
    let kernel = looped();
    let mut lowered = lowered(&kernel);
    change(&mut lowered, &mut |steps| wrong(steps));
    let error = lowered.check(&kernel.body).expect_err("it is wrong now").to_string();
    error.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn messages_tell_what_is_wrong() {
    insta::assert_snapshot!(refused(|steps| steps.carries[0].first.offset = 4), @"kernel `main`: the nest `step` touches 80 bytes at slot0 + 4");
    insta::assert_snapshot!(refused(|steps| steps.length += 1), @"kernel `main`: the nest `step` touches 560 bytes at slot6");
    insta::assert_snapshot!(refused(|steps| steps.units += 1), @"kernel `main`: the nest `step` calls 1 units of 1 in each of 2");
    insta::assert_snapshot!(refused(|steps| steps.kernels[0].table.truncate(1)), @"kernel `main`: the nest `step` gives `matmul` a table of 1 places, not 4");
    insta::assert_snapshot!(refused(|steps| steps.calls[0].stage = 9), @"kernel `main`: the nest `step` calls stage 9 of kernel 0, which is not there");
    let narrow = |steps: &mut Steps| {
        let places = steps.kernels.iter_mut().flat_map(|callee| &mut callee.table);
        for place in places {
            if let Place::Slice(_, stride) = place {
                *stride -= 4;
            }
        }
    };
    insta::assert_snapshot!(refused(narrow), @"kernel `main`: the nest `step` touches slices of 48 bytes that are 44 bytes apart");
    let other = |steps: &mut Steps| {
        let places = steps.kernels.iter_mut().flat_map(|callee| &mut callee.table);
        for place in places {
            if let Place::Carry(carry) | Place::Next(carry) = place {
                *carry = 7;
            }
        }
    };
    insta::assert_snapshot!(refused(other), @"kernel `main`: the nest `step` touches 80 bytes of carry 7, which has fewer");
}
