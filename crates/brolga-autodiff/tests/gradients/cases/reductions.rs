//! Reductions over every set of axes, and sums and orders along every axis.

use brolga_ir::ops::{Cumsum, ReduceMax, ReduceMean, ReduceMin, ReduceSum, Sort};
use brolga_ir::{Op, Shape};

use crate::check::{Case, case, check, shapes, subsets};
use crate::numbers::Numbers;

pub(crate) fn cases() -> Vec<Case> {
    let long = [Shape::from([17]), Shape::from([17, 2]), Shape::from([2, 9, 17])];
    let mut cases = Vec::new();
    for shape in shapes().into_iter().chain(long) {
        for axis in 0..shape.rank() {
            for [exclusive, reverse] in [[false, false], [false, true], [true, false], [true, true]]
            {
                let op = Cumsum { axis, exclusive, reverse };
                cases.push(case(op, [Numbers::default().any(shape.clone())]));
            }
        }
        for (axis, descending) in (0..shape.rank()).flat_map(|axis| [(axis, false), (axis, true)]) {
            cases.push(case(Sort { axis, descending }, [Numbers::default().any(shape.clone())]));
        }
        for axes in subsets(shape.rank()) {
            let count: usize = axes.iter().map(|&axis| shape[axis]).product();
            for keepdims in [false, true] {
                for op in ops(&axes, keepdims) {
                    // Of no elements there is no mean and no finite extremum.
                    if count > 0 || matches!(op, Op::ReduceSum(_)) {
                        cases.push(case(op, [Numbers::default().any(shape.clone())]));
                    }
                }
            }
        }
    }
    cases
}

fn ops(axes: &[usize], keepdims: bool) -> [Op; 4] {
    [
        ReduceSum { axes: axes.into(), keepdims }.into(),
        ReduceMean { axes: axes.into(), keepdims }.into(),
        ReduceMax { axes: axes.into(), keepdims }.into(),
        ReduceMin { axes: axes.into(), keepdims }.into(),
    ]
}

#[test]
fn all_of_them() {
    check(&cases());
}
