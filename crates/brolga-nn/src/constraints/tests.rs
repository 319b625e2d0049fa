//! Norms after constraints.

use brolga_ir::{Tensor, Tracer, interpret};

use super::*;

/// A constraint of this matrix.
fn applied<const N: usize>(
    constraint: &dyn Constraint,
    shape: [usize; 2],
    values: [f32; N],
) -> Vec<f64> {
    let tracer = Tracer::new("constraint");
    let weight = Tensor::f32(shape, values.into()).expect("as many as the shape says");
    tracer.output(&constraint.apply(&tracer.input("w", weight.ty())));
    let graph = tracer.finish().expect("a graph");
    interpret(&graph, &[weight]).expect("a valid graph")[0].data().to_f64()
}

fn near(given: &[f64], expected: &[f64]) {
    let off = given.iter().zip(expected).map(|(g, e)| (g - e).abs()).fold(0.0, f64::max);
    assert!(given.len() == expected.len() && off < 1e-6, "{given:?}, not {expected:?}");
}

/// The columns of the matrix have the norms 5 and ½, its rows 3 and √16.25.
const MATRIX: [f32; 4] = [3.0, 0.0, 4.0, 0.5];

#[test]
fn norms_are_bounded() {
    near(&applied(&MaxNorm::default(), [2, 2], MATRIX), &[1.2, 0.0, 1.6, 0.5]);
    let rows = MaxNorm { max_value: 1.5, axis: (-1).into() };
    let long = 1.5 / 16.25f64.sqrt();
    near(&applied(&rows, [2, 2], MATRIX), &[1.5, 0.0, 4.0 * long, 0.5 * long]);
    let all = MaxNorm { max_value: 1.0, axis: [0, 1].into() };
    let norm = 25.25f64.sqrt();
    near(&applied(&all, [2, 2], MATRIX), &[3.0, 0.0, 4.0, 0.5].map(|x| x / norm));
    near(&applied(&UnitNorm::default(), [2, 2], MATRIX), &[0.6, 0.0, 0.8, 1.0]);
    near(&applied(&NonNeg::default(), [2, 2], [-1.0, 2.0, -0.0, 3.0]), &[0.0, 2.0, 0.0, 3.0]);
}

#[test]
fn norms_move_into_their_range() {
    let within = MinMaxNorm { min_value: 1.0, max_value: 2.0, rate: 1.0, axis: 0.into() };
    near(&applied(&within, [2, 2], MATRIX), &[1.2, 0.0, 1.6, 1.0]);
    let halfway = MinMaxNorm { rate: 0.5, ..within };
    near(&applied(&halfway, [2, 2], MATRIX), &[2.1, 0.0, 2.8, 0.75]);
}

#[test]
fn zeros_stay() {
    let constraints: [&dyn Constraint; 4] = [
        &MaxNorm::default(),
        &MinMaxNorm { min_value: 0.5, ..MinMaxNorm::default() },
        &UnitNorm::default(),
        &NonNeg::default(),
    ];
    for constraint in constraints {
        assert_eq!(applied(constraint, [2, 1], [0.0, 0.0]), [0.0, 0.0], "{constraint:?}");
    }
}
