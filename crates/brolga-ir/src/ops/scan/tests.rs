use super::*;
use crate::ops::checks::{mistake, tensor, vector};
use crate::text::parse_graph;
use crate::trace::Tracer;
use crate::types::DType;

fn scan(text: &str, length: usize, carries: usize, sequences: usize) -> Scan {
    let body = Arc::new(parse_graph(text, "body").expect("a graph"));
    Scan { length, carries, sequences, reverse: false, checkpoint: None, body }
}

/// cₜ₊₁ = cₜ·s + xₜ, yₜ = cₜ
const STEP: &str = "graph step(%c: f32[], %x: f32[], %s: f32[]) {
    %0: f32[] = mul %c, %s
    %1: f32[] = add %0, %x
    return %1, %c
}";

#[test]
fn steps_run_in_either_direction() {
    let (c, x, s) = (tensor([], [1.0_f32]), vector([1.0_f32, 2.0, 3.0]), tensor([], [10.0_f32]));
    let forward = scan(STEP, 3, 1, 1);
    let types = [tensor([], [0.0_f32]).ty(), x.ty()];
    let run = |scan: &Scan| scan.evaluate(&[&c, &x, &s], &types);
    assert_eq!(run(&forward), [tensor([], [1123.0_f32]), vector([1.0_f32, 11.0, 112.0])]);
    let backward = Scan { reverse: true, ..forward };
    assert_eq!(run(&backward), [tensor([], [1321.0_f32]), vector([132.0_f32, 13.0, 1.0])]);
}

#[test]
fn without_steps_the_carries_stay() {
    let (c, x, s) = (tensor([], [7.0_f32]), vector::<f32>([]), tensor([], [10.0_f32]));
    let results = scan(STEP, 0, 1, 1).evaluate(&[&c, &x, &s], &[c.ty(), x.ty()]);
    assert_eq!(results, [c, x]);
}

#[test]
fn refused_operands_and_bodies() {
    let given = ["f32[]", "f32[3]", "f32[]"];
    insta::assert_snapshot!(mistake(scan(STEP, 3, 1, 1), &given[..1]), @"`scan` takes 2 operands or more, not 1: its carries and sequences");
    insta::assert_snapshot!(mistake(scan(STEP, 3, 1, 1), &given[..2]), @"`scan step` takes 3 operands, not 2");
    insta::assert_snapshot!(mistake(scan(STEP, 4, 1, 1), &given), @"
    `scan`: a sequence is f32[3], which has not the length 4
      help: steps lie along the first axis
    ");
    insta::assert_snapshot!(mistake(scan(STEP, 3, 1, 1), &["f32[]", "f32[]", "f32[]"]), @"
    `scan`: a sequence is f32[], which has not the length 3
      help: steps lie along the first axis
    ");
    insta::assert_snapshot!(mistake(scan(STEP, 3, 1, 1), &["f32[2]", "f32[3]", "f32[]"]), @"`scan step`: an operand is f32[2], its body takes f32[]");
    insta::assert_snapshot!(mistake(scan(STEP, 3, 3, 0), &["f32[]", "f32[]", "f32[]"]), @"`scan step`: its body returns 2 values, not one for each of 3 carries");
    let wide = STEP.replace("return %1, %c", "%2: f32[1] = reshape %1 {shape=[1]} return %2, %c");
    insta::assert_snapshot!(mistake(scan(&wide, 3, 1, 1), &given), @"
    `scan step`: a carry is f32[], its next value f32[1]
      help: a carry has one type in all steps
    ");
    let none = Scan { checkpoint: Some(0), ..scan(STEP, 3, 1, 1) };
    insta::assert_snapshot!(mistake(none, &given), @"
    `scan`: there is no checkpoint every 0 steps
      help: without checkpoint all carries are kept
    ");
    let endless =
        scan(&STEP.replace(", %x: f32[]", "").replace("add %0, %x", "add %0, %s"), 1 << 25, 1, 0);
    insta::assert_snapshot!(mistake(endless, &["f32[]", "f32[]"]), @"`scan` has more than 16777216 steps");
}

#[test]
fn mistakes_in_tracing() {
    let t = Tracer::new("f");
    let x = t.input("x", Type::f32([2]));
    let (last, stacks) = t.scan("step").carries(&[&x]).run(|step| (step.carries.to_vec(), vec![]));
    assert_eq!((last.len(), stacks.len()), (1, 0));
    insta::assert_snapshot!(t.error().expect("no length").mistake, @"
    `scan step`: its length is not known
      help: without a sequence, `length` tells the number of steps
    ");
    let t = Tracer::new("f");
    let x = t.input("x", Type::f32([2]));
    let (last, stacks) =
        t.scan("step").length(2).carries(&[&x]).run(|step| (vec![], vec![step.carries[0].clone()]));
    assert_eq!((last.len(), stacks.len()), (0, 1));
    insta::assert_snapshot!(t.error().expect("no carry").mistake, @"
    `scan step`: the step gives 0 next values for 1 carries
      help: it gives one for each carry, in their order
    ");
}

#[test]
fn steps_lie_along_any_axis() {
    let t = Tracer::new("f");
    let x = t.input("x", Type::f32([2, 3, 4]));
    let sum = t.scalar(DType::F32, 0.0).broadcast([2, 4]);
    let (last, all) = t.scan("sum").carries(&[&sum]).over(&[&x], 1).run(|step| {
        let sum = &step.carries[0] + &step.slices[0];
        (vec![sum.clone()], vec![sum.clone(), sum.reduce_sum(&[0, 1], false)])
    });
    assert_eq!(last[0].ty(), &Type::f32([2, 4]));
    assert_eq!((all[0].ty(), all[1].ty()), (&Type::f32([2, 3, 4]), &Type::f32([3])));
    for result in last.iter().chain(&all) {
        t.output(result);
    }
    drop((x, sum, last, all));
    insta::assert_snapshot!(t.finish().expect("a graph"), @"
    func sum(%c0: f32[2,4], %x0: f32[2,4]) {
      %0: f32[2,4] = add %c0, %x0
      %1: f32[] = reduce_sum %0 {axes=[0,1], keepdims=false}
      return %0, %0, %1
    }

    graph f(%x: f32[2,3,4]) {
      %0: f32[] = constant {value=0}
      %1: f32[2,4] = broadcast %0 {shape=[2,4]}
      %2: f32[3,2,4] = transpose %x {permutation=[1,0,2]}
      %3: f32[2,4], %4: f32[3,2,4], %5: f32[3] = scan sum %1, %2 {carries=1, length=3, reverse=false, sequences=1}
      %6: f32[2,3,4] = transpose %4 {permutation=[1,0,2]}
      return %3, %6, %5
    }
    ");
}
