//! Terms of the loss, and their gradients.

use brolga_autodiff::gradients;
use brolga_ir::{Tensor, Tracer, interpret};

use super::*;

/// The penalty of this matrix and its gradient, in f64.
fn penalty(regularizer: &dyn Regularizer, shape: [usize; 2], values: &[f64]) -> (f64, Vec<f64>) {
    let tracer = Tracer::new("penalty");
    let tensor = Tensor::new(shape, brolga_ir::Data::F64(values.to_vec()));
    let tensor = tensor.expect("as many as the shape says");
    let x = tracer.input("x", tensor.ty());
    let penalty = regularizer.penalty(&x);
    let gradient = gradients(&tracer, &penalty, &[x]).expect("a gradient");
    tracer.output(&penalty);
    tracer.output(&gradient[0]);
    let graph = tracer.finish().expect("a graph");
    let results = interpret(&graph, &[tensor]).expect("a valid graph");
    (results[0].data().to_f64()[0], results[1].data().to_f64())
}

const MATRIX: [f64; 6] = [1.0, -2.0, 0.5, 3.0, 0.25, -1.5];

#[test]
fn penalties_are_those_of_the_formulas() {
    let of = |regularizer: &dyn Regularizer| penalty(regularizer, [3, 2], &MATRIX).0;
    let (magnitudes, squares) = (8.25, 16.5625);
    assert!((of(&L1::default()) - 0.01 * magnitudes).abs() < 1e-12);
    assert!((of(&L2::default()) - 0.01 * squares).abs() < 1e-12);
    assert!((of(&L1L2::new(0.5, 0.25)) - (0.5 * magnitudes + 0.25 * squares)).abs() < 1e-12);
    assert!((of(&L1L2::new(0.5, 0.0)) - 0.5 * magnitudes).abs() < 1e-12);
    assert!((of(&L1L2::new(0.0, 0.25)) - 0.25 * squares).abs() < 1e-12);
    let tracer = Tracer::new("none");
    tracer.output(&L1L2::default().penalty(&tracer.input("x", brolga_ir::Type::f32([2]))));
    let none =
        interpret(&tracer.finish().expect("a graph"), &[Tensor::zeros(&brolga_ir::Type::f32([2]))]);
    assert_eq!(none.expect("a valid graph")[0].data().to_f64(), [0.0]);
}

/// Vectors of lengths 1, 2 and 5 whose products are known.
#[test]
fn products_are_those_of_unit_vectors() {
    let rows = [1.0, 0.0, 0.0, 2.0, 3.0, 4.0];
    let by_rows = OrthogonalRegularizer { factor: 0.5, mode: Vectors::Rows };
    assert!((penalty(&by_rows, [3, 2], &rows).0 - 0.5 * (0.0 + 0.6 + 0.8) / 3.0).abs() < 1e-12);
    let columns = [1.0, 0.0, 3.0, 0.0, 2.0, 4.0];
    let by_columns = OrthogonalRegularizer { mode: Vectors::Columns, ..by_rows };
    let by_columns = penalty(&by_columns, [2, 3], &columns).0;
    assert!((by_columns - penalty(&by_rows, [3, 2], &rows).0).abs() < 1e-15);
    let (value, gradient) = penalty(&by_rows, [2, 2], &[0.0, 0.0, 1.0, 1.0]);
    assert!(value == 0.0 && gradient.iter().all(|g| g.is_finite()));
}

#[test]
fn gradients_are_those_of_differences() {
    const STEP: f64 = 1e-6;
    let orthogonal = |mode| OrthogonalRegularizer { factor: 1.0, mode };
    let (rows, columns) = (orthogonal(Vectors::Rows), orthogonal(Vectors::Columns));
    let all: [&dyn Regularizer; 5] =
        [&L1::new(0.5), &L2::new(0.5), &L1L2::new(0.5, 0.25), &rows, &columns];
    for regularizer in all {
        let gradient = penalty(regularizer, [3, 2], &MATRIX).1;
        for (index, given) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut values = MATRIX;
                values[index] += by;
                penalty(regularizer, [3, 2], &values).0
            };
            let expected = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            assert!((given - expected).abs() < 1e-8, "{regularizer:?}: {given}, not {expected}");
        }
    }
}
