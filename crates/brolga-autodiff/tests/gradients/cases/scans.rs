//! Loops: the gradient by what is carried, by sequences, and by values that all steps read.

use std::sync::Arc;

use brolga_ir::ops::Scan;
use brolga_ir::{DType, Data, Shape, Tensor, parse_graph};

use crate::check::{Case, case, check};
use crate::numbers::Numbers;

/// `hₜ₊₁ = tanh(xₜ + hₜ·w + b)`: sums of rows and products over all steps.
const RECURRENT: &str = "graph step(%h: f64[2,3], %x: f64[2,3], %w: f64[3,3], %b: f64[3]) {
    %0: f64[2,3] = matmul %h, %w
    %1: f64[2,3] = add %x, %0
    %2: f64[2,3] = add %1, %b
    %3: f64[2,3] = tanh %2
    return %3, %3
}";

/// The carry is stacked before the step, and the weight is used in two ways.
const STACKED_BEFORE: &str = "graph step(%h: f64[2,3], %w: f64[3,3]) {
    %0: f64[2,3] = matmul %h, %w
    %1: f64[1,3] = slice %w {starts=[1,0], limits=[2,3], strides=[1,1]}
    %2: f64[2,3] = mul %0, %1
    %3: f64[2,3] = sigmoid %2
    return %3, %h
}";

/// A carry of integers counts the steps, and picks rows of a table.
const COUNTED: &str = "graph step(%n: i32[], %h: f64[2], %rows: i32[2], %table: f64[4,2]) {
    %0: i32[] = constant {value=1}
    %1: i32[] = add %n, %0
    %2: f64[2,2] = gather %table, %rows
    %3: f64[2] = reduce_sum %2 {axes=[0], keepdims=false}
    %4: f64[2] = gather %table, %n
    %5: f64[2] = mul %h, %3
    %6: f64[2] = add %5, %4
    return %1, %6, %1
}";

/// A row of a table that is carried depends on the row before it.
const WRITTEN: &str = "graph step(%t: f64[4,2], %n: i32[], %x: f64[2]) {
    %0: f64[2] = gather %t, %n
    %1: f64[2] = mul %0, %x
    %2: f64[2] = tanh %1
    %3: i32[] = constant {value=1}
    %4: i32[] = add %n, %3
    %5: f64[4,2] = update_rows %t, %4, %2 {update=\"set\"}
    return %5, %4, %0
}";

/// Rows are added, two of them to one row, and replaced; a row is read before and after.
const ADDED: &str = "graph step(%t: f64[4,2], %n: i32[], %rows: i32[2], %x: f64[2,2]) {
    %0: f64[2,2] = gather %t, %rows
    %1: f64[2,2] = mul %0, %x
    %2: f64[4,2] = update_rows %t, %rows, %1 {update=\"add\"}
    %3: f64[2] = gather %2, %n
    %4: f64[2] = tanh %3
    %5: f64[4,2] = update_rows %2, %n, %4 {update=\"set\"}
    %6: i32[] = constant {value=1}
    %7: i32[] = add %n, %6
    return %5, %7, %4
}";

/// The whole table is read, and a row of it too.
const WHOLE: &str = "graph step(%t: f64[4,2], %n: i32[], %x: f64[2]) {
    %0: f64[4,2] = mul %t, %t
    %1: f64[2] = reduce_sum %0 {axes=[0], keepdims=false}
    %2: f64[2] = gather %t, %n
    %3: f64[2] = add %1, %2
    %4: f64[2] = mul %3, %x
    %5: f64[4,2] = update_rows %t, %n, %4 {update=\"set\"}
    return %5, %n
}";

/// No carry: each step by itself.
const MAPPED: &str = "graph step(%x: f64[3], %s: f64[3], %t: f64[1]) {
    %0: f64[3] = mul %x, %s
    %1: f64[3] = mul %0, %t
    %2: f64[3] = exp %1
    return %2
}";

/// A carry does not depend on the one before, and another carry on both.
const FORGETFUL: &str = "graph step(%a: f64[2], %b: f64[2], %x: f64[2]) {
    %0: f64[2] = mul %x, %x
    %1: f64[2] = mul %a, %b
    %2: f64[2] = tanh %1
    return %0, %2, %1
}";

/// A loop in a loop, whose inner one has a call.
const NESTED: &str = "func cell(%h: f64[2], %x: f64[2], %s: f64[2]) {
    %0: f64[2] = mul %h, %s
    %1: f64[2] = add %0, %x
    %2: f64[2] = tanh %1
    return %2
}
func inner(%h: f64[2], %x: f64[2], %s: f64[2]) {
    %0: f64[2] = call cell %h, %x, %s
    return %0, %0
}
graph step(%h: f64[2], %x: f64[3,2], %s: f64[2]) {
    %0: f64[2], %1: f64[3,2] = scan inner %h, %x, %s {carries=1, length=3, sequences=1}
    return %0, %1
}";

fn scan(text: &str, length: usize, carries: usize, sequences: usize) -> Scan {
    let body = Arc::new(parse_graph(text, "body").expect("a graph"));
    Scan { length, carries, sequences, reverse: false, checkpoint: None, body }
}

fn integers(shape: impl Into<Shape>, values: &[f64]) -> Tensor {
    Tensor::new(shape, Data::from_f64(DType::I32, values)).expect("as many values as elements")
}

/// All cases of the op.
pub(super) fn cases() -> Vec<Case> {
    let mut numbers = Numbers::default();
    let mut any = |shape: &[usize]| numbers.small(shape.to_vec());
    let mut cases = Vec::new();
    for length in [0, 1, 3] {
        for reverse in [false, true] {
            let step = scan(RECURRENT, length, 1, 1);
            let operands = [any(&[2, 3]), any(&[length, 2, 3]), any(&[3, 3]), any(&[3])];
            cases.push(case(Scan { reverse, ..step }, operands));
        }
        cases.push(case(scan(STACKED_BEFORE, length, 1, 0), [any(&[2, 3]), any(&[3, 3])]));
        cases.push(case(scan(MAPPED, length, 0, 1), [any(&[length, 3]), any(&[3]), any(&[1])]));
        let operands = [any(&[2]), any(&[2]), any(&[length, 2])];
        cases.push(case(scan(FORGETFUL, length, 2, 1), operands));
        for text in [WRITTEN, WHOLE] {
            for reverse in [false, true] {
                let operands = [any(&[4, 2]), integers([], &[0.0]), any(&[length, 2])];
                cases.push(case(Scan { reverse, ..scan(text, length, 2, 1) }, operands));
            }
        }
        let rows: Vec<f64> = (0..2 * length).map(|place| (place % 3 / 2) as f64).collect();
        let rows = integers([length, 2], &rows);
        let operands = [any(&[4, 2]), integers([], &[0.0]), rows, any(&[length, 2, 2])];
        cases.push(case(scan(ADDED, length, 2, 2), operands));
        let rows: Vec<f64> = (0..2 * length).map(|place| (place % 4) as f64).collect();
        let operands =
            [integers([], &[0.0]), any(&[2]), integers([length, 2], &rows), any(&[4, 2])];
        cases.push(case(scan(COUNTED, length, 2, 1), operands));
    }
    for (length, every) in [(4, 2), (5, 2), (5, 1), (3, 7), (5, 3)] {
        for reverse in [false, true] {
            let step = Scan { reverse, checkpoint: Some(every), ..scan(RECURRENT, length, 1, 1) };
            let operands = [any(&[2, 3]), any(&[length, 2, 3]), any(&[3, 3]), any(&[3])];
            cases.push(case(step, operands));
        }
    }
    cases.push(case(scan(NESTED, 2, 1, 1), [any(&[2]), any(&[2, 3, 2]), any(&[2])]));
    cases
}

#[test]
fn scans_agree_with_differences() {
    check(&cases());
}
