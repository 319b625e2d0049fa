//! Rows of tables.

use brolga_ir::ops::{Gather, RunSums, ScatterAdd, Update, UpdateRows};
use brolga_ir::{DType, Data, Shape, Tensor};

use crate::check::{Case, case, check};
use crate::numbers::Numbers;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for row in [&[][..], &[3], &[0], &[2, 1]] {
        // Rows are repeated, left out and out of range.
        for (shape, places) in [
            (&[][..], &[2.0][..]),
            (&[5], &[1.0, 0.0, 1.0, 3.0, 1.0]),
            (&[2, 3], &[3.0, 7.0, 0.0, 3.0, 200.0, 3.0]),
            (&[0], &[]),
            (&[1, 1], &[9.0]),
        ] {
            for dtype in [DType::I32, DType::I64, DType::U8] {
                let indices = indices(shape, dtype, places);
                cases.extend(table(row, &indices));
            }
        }
        cases.extend(table(row, &indices(&[3], DType::I32, &[-1.0, 2.0, -4.0])));
    }
    for row in [&[][..], &[3], &[0]] {
        // Runs of 1 to 3, an order that leaves one out, and another that is out of range.
        let keys = indices(&[6], DType::I64, &[-1.0, 2.0, 2.0, 2.0, 5.0, 5.0]);
        let order = indices(&[6], DType::I32, &[3.0, 0.0, 0.0, 9.0, 5.0, 1.0]);
        let shape: Shape = [&[6], row].concat().into();
        cases.push(case(RunSums, [keys, order, Numbers::default().any(shape)]));
    }
    cases
}

fn table(row: &[usize], indices: &Tensor) -> Vec<Case> {
    let with_row = |extents: &[usize]| -> Shape { [extents, row].concat().into() };
    let mut cases = Vec::new();
    for rows in [4, 1, 0] {
        let table = Numbers::default().any(with_row(&[rows]));
        cases.push(case(Gather, [table.clone(), indices.clone()]));
        let updates = Numbers::default().any(with_row(indices.shape()));
        cases.push(case(ScatterAdd { rows }, [indices.clone(), updates.clone()]));
        for update in [Update::Set, Update::Add] {
            let operands = [table.clone(), indices.clone(), updates.clone()];
            cases.push(case(UpdateRows { update }, operands));
        }
    }
    cases
}

fn indices(shape: &[usize], dtype: DType, places: &[f64]) -> Tensor {
    Tensor::new(shape, Data::from_f64(dtype, places)).expect("as many places as elements")
}

#[test]
fn all_of_them() {
    check(&cases());
}
