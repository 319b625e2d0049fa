//! Calls of functions.

use brolga_ir::ops::Call;
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
    ]
}

fn call(text: &str, operands: Vec<Tensor>) -> Case {
    let function = parse_graph(text, "function").expect("a graph");
    case(Call { function: function.into() }, operands)
}

#[test]
fn calls_agree_with_differences() {
    check(&cases());
}
