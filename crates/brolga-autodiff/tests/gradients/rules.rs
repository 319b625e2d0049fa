//! Ties, kinks and special values, where differences have no meaning: the rules as they are
//! written, of order 1 and 2.

use brolga_autodiff::gradients;
use brolga_ir::ops::Pooling;
use brolga_ir::{DType, Tensor, Tracer, Var, interpret};

use crate::numbers::doubles;

const NAN: f64 = f64::NAN;
const INFINITY: f64 = f64::INFINITY;

/// The gradients of `Σ (1 + place) · y` by the operands.
fn first(operands: &[Tensor], function: impl Fn(&[Var]) -> Var) -> Vec<Vec<f64>> {
    differentiate(operands, |x| weighted(&function(x)))
}

/// The gradients of `½ Σ (1 + place) · g²` by the operands, where g are the gradients of `½ Σ y²`:
/// for a y that is linear around a point, they tell which parts of it the gradient takes part in.
fn second(operands: &[Tensor], function: impl Fn(&[Var]) -> Var) -> Vec<Vec<f64>> {
    differentiate(operands, |x| {
        let y = function(x);
        let inner = gradients(y.tracer(), &total(&(&y * &y * 0.5)), x).expect("y depends on x");
        let parts = inner.iter().map(|g| weighted(&(g * g * 0.5)));
        parts.reduce(|a, b| a + b).expect("at least one operand")
    })
}

fn differentiate(operands: &[Tensor], loss: impl Fn(&[Var]) -> Var) -> Vec<Vec<f64>> {
    let tracer = Tracer::new("rule");
    let inputs =
        operands.iter().enumerate().map(|(place, x)| tracer.input(&format!("x{place}"), x.ty()));
    let inputs: Vec<Var> = inputs.collect();
    let gradients = gradients(&tracer, &loss(&inputs), &inputs).expect("y depends on x");
    gradients.iter().for_each(|gradient| tracer.output(gradient));
    let graph = tracer.finish().expect("no mistake");
    let outputs = interpret(&graph, operands).expect("the operands are the inputs");
    outputs.iter().map(|output| output.data().to_f64()).collect()
}

fn total(y: &Var) -> Var {
    y.reduce_sum(&(0..y.shape().rank()).collect::<Vec<_>>(), false)
}

fn weighted(y: &Var) -> Var {
    let count = y.shape().elements();
    let weights = (0..count).map(|place| (1 + place) as f64).collect();
    total(&(y * y.tracer().constant(doubles(y.shape().clone(), weights))))
}

fn row(values: &[f64]) -> Tensor {
    doubles([values.len()], values.to_vec())
}

/// Fails unless the numbers are the same; NaN is NaN, and −0 is 0.
#[track_caller]
fn assert_same(given: &[f64], expected: &[f64]) {
    let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
    let agree = given.len() == expected.len() && given.iter().zip(expected).all(same);
    assert!(agree, "{given:?} is not {expected:?}");
}

#[test]
fn relu_and_abs_are_flat_at_their_kink() {
    let x = [row(&[-2.0, -0.0, 0.0, 3.0, NAN])];
    assert_same(&first(&x, |x| x[0].relu())[0], &[0.0, 0.0, 0.0, 4.0, 0.0]);
    assert_same(&second(&x, |x| x[0].relu())[0], &[0.0, 0.0, 0.0, 12.0, 0.0]);
    assert_same(&first(&x, |x| x[0].abs())[0], &[-1.0, 0.0, 0.0, 4.0, NAN]);
    assert_same(&second(&x, |x| x[0].abs())[0], &[-2.0, 0.0, 0.0, 12.0, NAN]);
}

#[test]
fn what_is_flushed_has_no_gradient() {
    let x = [row(&[f64::MIN_POSITIVE / 2.0, 0.0, -1.0])];
    assert_same(&first(&x, |x| x[0].flush())[0], &[0.0, 0.0, 3.0]);
}

#[test]
fn equal_operands_share_the_gradient() {
    let operands = [row(&[1.0, 2.0, -0.0, NAN]), row(&[1.0, 1.0, 0.0, 1.0])];
    for extremum in [Var::maximum, Var::minimum] {
        let shares = first(&operands, |x| extremum(&x[0], &x[1]));
        assert_same(&[shares[0][0], shares[1][0]], &[0.5, 0.5]);
        assert_same(&[shares[0][2], shares[1][2]], &[1.5, 1.5]);
        // No comparison with NaN holds.
        assert_same(&[shares[0][3], shares[1][3]], &[0.0, 0.0]);
    }
    assert_same(&first(&operands, |x| x[0].maximum(&x[1]))[0][..2], &[0.5, 2.0]);
    assert_same(&first(&operands, |x| x[0].minimum(&x[1]))[0][..2], &[0.5, 0.0]);
    // g = y/2 for both operands, so each gradient is Σ ½·½·y over the two g, shared again by halves
    // of y.
    let shares = second(&[row(&[4.0]), row(&[4.0])], |x| x[0].maximum(&x[1]));
    assert_same(&[shares[0][0], shares[1][0]], &[1.0, 1.0]);
}

#[test]
fn an_operand_with_itself_has_the_whole_gradient() {
    let x = [row(&[3.0, -1.0])];
    assert_same(&first(&x, |x| x[0].maximum(&x[0]))[0], &[1.0, 2.0]);
    assert_same(&first(&x, |x| x[0].minimum(&x[0]))[0], &[1.0, 2.0]);
}

#[test]
fn equal_elements_of_a_reduction_share_the_gradient() {
    let x = [doubles([2, 4], vec![5.0, 1.0, 5.0, 0.0, 2.0, 2.0, 2.0, 2.0])];
    for keepdims in [false, true] {
        let gradient = first(&x, |x| x[0].reduce_max(&[1], keepdims));
        assert_same(&gradient[0], &[0.5, 0.0, 0.5, 0.0, 0.5, 0.5, 0.5, 0.5]);
        let gradient = first(&x, |x| x[0].reduce_min(&[1], keepdims));
        assert_same(&gradient[0], &[0.0, 0.0, 0.0, 1.0, 0.5, 0.5, 0.5, 0.5]);
    }
    // All eight elements: the two fives share.
    assert_same(
        &first(&x, |x| x[0].reduce_max(&[0, 1], false))[0],
        &[0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0],
    );
    // g = y/2 at both places of the maximum, weighted by 1 and 3: Σ weight·½·g = 5, shared again.
    assert_same(
        &second(&x, |x| x[0].reduce_max(&[0, 1], false))[0],
        &[2.5, 0.0, 2.5, 0.0, 0.0, 0.0, 0.0, 0.0],
    );
}

#[test]
fn an_extremum_that_is_nan_has_a_gradient_of_nan() {
    let x = [row(&[1.0, NAN, 2.0])];
    assert_same(&first(&x, |x| x[0].reduce_max(&[0], false))[0], &[NAN; 3]);
    assert_same(&first(&x, |x| x[0].reduce_min(&[0], false))[0], &[NAN; 3]);
}

#[test]
fn reductions_of_nothing_have_gradients_of_nothing() {
    let x = [doubles([2, 0], vec![])];
    for keepdims in [false, true] {
        assert_same(&first(&x, |x| x[0].reduce_mean(&[1], keepdims))[0], &[]);
        assert_same(&first(&x, |x| x[0].reduce_max(&[1], keepdims))[0], &[]);
        assert_same(&first(&x, |x| x[0].reduce_min(&[1], keepdims))[0], &[]);
    }
}

#[test]
fn pooling_takes_the_first_of_equal_maxima() {
    let x = [doubles([1, 2, 4, 1], vec![1.0, 3.0, 0.0, 0.0, 3.0, 3.0, 0.0, 0.0])];
    let pooled = |x: &[Var]| x[0].max_pool(Pooling::new([2, 2], [1, 1], [[0, 0]; 2]));
    // Windows start in columns 0, 1 and 2; their first maxima are at (0, 1), (0, 1) and (0, 2).
    assert_same(&first(&x, pooled)[0], &[0.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    // g = 2·3 at the second place (weight 2), 0 at the third: 2·2·g.
    assert_same(&second(&x, pooled)[0], &[0.0, 24.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    let x = [doubles([1, 1, 3, 1], vec![1.0, NAN, NAN])];
    assert_same(
        &first(&x, |x| x[0].max_pool(Pooling::new([1, 3], [1, 1], [[0, 0]; 2])))[0],
        &[0.0, 1.0, 0.0],
    );
}

#[test]
fn averages_at_borders_divide_by_the_pixels_or_by_the_window() {
    let x = [doubles([1, 1, 3, 1], vec![1.0, 2.0, 3.0])];
    let padding = [[0, 0], [1, 1]];
    let pixels = first(&x, |x| x[0].avg_pool(Pooling::new([1, 2], [1, 1], padding), false));
    assert_same(&pixels[0], &[1.0 + 2.0 / 2.0, 2.0 / 2.0 + 3.0 / 2.0, 3.0 / 2.0 + 4.0]);
    let window = first(&x, |x| x[0].avg_pool(Pooling::new([1, 2], [1, 1], padding), true));
    assert_same(&window[0], &[1.5, 2.5, 3.5]);
}

#[test]
fn roots_and_logarithms_are_steep_at_zero() {
    let x = [row(&[0.0, 4.0])];
    assert_same(&first(&x, |x| x[0].sqrt())[0], &[INFINITY, 0.5]);
    assert_same(&first(&x, |x| x[0].rsqrt())[0], &[-INFINITY, -0.125]);
    assert_same(&first(&x, |x| x[0].log())[0], &[INFINITY, 0.5]);
}

#[test]
fn powers_of_what_is_not_positive() {
    let operands = [row(&[0.0, 0.0, 0.0, -2.0, -2.0]), row(&[0.0, 1.0, 2.0, 3.0, 2.0])];
    let gradients = first(&operands, |x| x[0].pow(&x[1]));
    assert_same(&gradients[0], &[0.0, 2.0, 0.0, 4.0 * 12.0, 5.0 * -4.0]);
    assert_same(&gradients[1], &[0.0; 5]);
    // By the base alone, a constant exponent: y = x³, g = y·3x² = 3x⁵, and 1·g·15x⁴.
    let cubed = |x: &[Var]| x[0].pow(&x[0].constant_like(3.0));
    assert_same(&second(&[row(&[-1.0])], cubed)[0], &[-45.0]);
    assert_same(&second(&[row(&[0.0])], cubed)[0], &[0.0]);
    // By both: no logarithm of 0 comes near the gradients of the gradient.
    let both = second(&[row(&[0.0, -3.0]), row(&[2.0, 2.0])], |x| x[0].pow(&x[1]));
    assert_same(&both[0], &[0.0, 2.0 * 2.0 * -27.0 * 2.0 * 27.0]);
    assert_same(&[both[1][0]], &[0.0]);
}

#[test]
fn a_quotient_by_zero() {
    let gradients = first(&[row(&[1.0, 0.0]), row(&[0.0, 0.0])], |x| &x[0] / &x[1]);
    assert_same(&gradients[0], &[INFINITY, INFINITY]);
    assert_same(&gradients[1], &[-INFINITY, NAN]);
}

#[test]
fn a_branch_not_taken_adds_nothing() {
    // The classic trap of differentiating both branches: √x has an infinite gradient at 0, and ∞ ·
    // 0 is NaN. The operand that is not chosen must be harmless itself.
    let x = [row(&[0.0, 4.0])];
    let guarded = |x: &[Var]| {
        let (zero, one) = (x[0].constant_like(0.0), x[0].constant_like(1.0));
        let positive = x[0].gt(&zero);
        positive.select(&positive.select(&x[0], &one).sqrt(), &zero)
    };
    assert_same(&first(&x, guarded)[0], &[0.0, 0.5]);
}

#[test]
fn a_cast_between_floats_rounds_the_cotangent() {
    let x = [row(&[1.0, 2.0])];
    let rounded = |x: &[Var]| {
        let weights = x[0].tracer().constant(row(&[1.0 / 3.0, 2.0])).cast(DType::F32);
        (x[0].cast(DType::F32) * weights).cast(DType::F64)
    };
    assert_same(&first(&x, rounded)[0], &[f64::from(1.0_f32 / 3.0), 4.0]);
}

#[test]
fn half_precision_has_gradients_of_its_type() {
    for dtype in [DType::BF16, DType::F16, DType::F32] {
        let gradient = first(&[row(&[3.0, -1.0])], |x| x[0].cast(dtype).relu().cast(DType::F64));
        assert_same(&gradient[0], &[1.0, 0.0]);
    }
}
