//! Calls of functions.

use brolga_ir::ops::{Call, CustomGradient};
use brolga_ir::{Tensor, parse_graph};

use crate::check::{Case, case, check};
use crate::numbers::Numbers;

pub(crate) fn cases() -> Vec<Case> {
    let mut numbers = Numbers::default();
    let dense = "func square(%x: f64[2,3]) { %0: f64[2,3] = mul %x, %x return %0 }
        graph dense(%x: f64[2,4], %w: f64[4,3], %b: f64[3]) {
            %0: f64[2,3] = matmul %x, %w
            %1: f64[2,3] = add %0, %b
            %2: f64[2,3] = tanh %1
            %3: f64[2,3] = call square %2
            return %3
        }";
    let second_unused = "graph two(%x: f64[3]) {
            %0: f64[3] = exp %x
            %1: f64[3] = mul %0, %x
            return %1, %0
        }";
    vec![
        call(dense, vec![numbers.any([2, 4]), numbers.any([4, 3]), numbers.any([3])]),
        call(second_unused, vec![numbers.any([3])]),
        call("graph same(%x: f64[0]) { return %x }", vec![numbers.any([0])]),
        own(
            "graph tanh(%x: f64[2,3]) { %0: f64[2,3] = tanh %x return %0 }",
            "graph gradient(%x: f64[2,3], %y: f64[2,3], %d: f64[2,3]) {
                %0: f64[2,3] = mul %y, %y
                %1: f64[] = constant {value=1}
                %2: f64[2,3] = sub %1, %0
                %3: f64[2,3] = mul %2, %d
                return %3
            }",
            vec![numbers.any([2, 3])],
        ),
        own(
            "graph dense(%x: f64[2,4], %w: f64[4,3]) {
                %0: f64[2,3] = matmul %x, %w
                return %0
            }",
            "graph gradient(%x: f64[2,4], %w: f64[4,3], %y: f64[2,3], %d: f64[2,3]) {
                %0: f64[2,4] = matmul %d, %w {transpose_b=true}
                %1: f64[4,3] = matmul %x, %d {transpose_a=true}
                return %0, %1
            }",
            vec![numbers.any([2, 4]), numbers.any([4, 3])],
        ),
    ]
}

/// A gradient of the user's own that is the derivative.
fn own(function: &str, gradient: &str, operands: Vec<Tensor>) -> Case {
    let [function, gradient] =
        [function, gradient].map(|text| parse_graph(text, "function").expect("a graph").into());
    case(CustomGradient::new(function, gradient), operands)
}

fn call(text: &str, operands: Vec<Tensor>) -> Case {
    let function = parse_graph(text, "function").expect("a graph");
    case(Call { function: function.into() }, operands)
}

#[test]
fn calls_agree_with_differences() {
    check(&cases());
}
