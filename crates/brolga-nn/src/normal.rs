//! Numbers of the normal distribution, made of uniform ones inside of a program.

use brolga_ir::Var;

/// For uniform multiples of 2⁻²⁴ in [0, 1), numbers of the standard normal distribution:
/// `√2 · erf⁻¹(2u − 1 + 2⁻²⁴)`, at most 5.42 from 0.
///
/// The argument is exact in `f32`, and never ±1.
pub(crate) fn standard_normal(uniform: &Var) -> Var {
    let x = uniform * 2.0 - (1.0 - (-24f64).exp2());
    inverse_erf(&x) * std::f64::consts::SQRT_2
}

/// The inverse of the error function in (−1, 1), by the two polynomials of Giles, "Approximating
/// the erfinv function" (2011); about as exact as `f32`.
fn inverse_erf(x: &Var) -> Var {
    const CENTRE: [f64; 9] = [
        2.810_226_36e-8,
        3.432_739_39e-7,
        -3.523_387_7e-6,
        -4.391_506_54e-6,
        2.185_808_7e-4,
        -1.253_725_03e-3,
        -4.177_681_64e-3,
        0.246_640_727,
        1.501_409_41,
    ];
    const TAILS: [f64; 9] = [
        -2.002_142_57e-4,
        1.009_505_58e-4,
        1.349_343_22e-3,
        -3.673_428_44e-3,
        5.739_507_73e-3,
        -7.622_461_3e-3,
        9.438_870_47e-3,
        1.001_674_06,
        2.832_976_82,
    ];
    let polynomial = |coefficients: [f64; 9], w: &Var| {
        let [first, rest @ ..] = coefficients;
        rest.iter().fold(w.constant_like(first), |sum, &coefficient| sum * w + coefficient)
    };
    let w = -((1.0 - x) * (1.0 + x)).log();
    let centre = polynomial(CENTRE, &(&w - 2.5));
    let tails = polynomial(TAILS, &(w.sqrt() - 3.0));
    w.lt(&w.constant_like(5.0)).select(&centre, &tails) * x
}

#[cfg(test)]
mod tests {
    use brolga_ir::{Tensor, Tracer, Type, interpret};

    use super::*;

    fn normal(uniform: Vec<f32>) -> Vec<f32> {
        let tracer = Tracer::new("normal");
        let x = tracer.input("x", Type::f32([uniform.len()]));
        tracer.output(&standard_normal(&x));
        let graph = tracer.finish().expect("a graph");
        let x = Tensor::f32([uniform.len()], uniform).expect("as many as the shape has");
        interpret(&graph, &[x]).expect("the input of the graph")[0].as_f32().expect("f32").to_vec()
    }

    /// `erf` of the result divided by √2 is the argument again.
    #[test]
    fn the_distribution_is_normal() {
        let count = 1 << 8;
        let step = 1.0 / f64::from(count);
        let uniform = (0..count).map(|n| (f64::from(n) * step) as f32).collect();
        for (n, x) in normal(uniform).into_iter().enumerate() {
            let (x, expected) = (f64::from(x), n as f64 * step + (-25f64).exp2());
            // What the result may be off, by the slope of the function.
            let bound = 1e-6 * x.abs().max(1.0) * density(x) + 1e-10;
            assert!((cumulative(x) - expected).abs() < bound, "{x}");
        }
    }

    fn density(x: f64) -> f64 {
        (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt()
    }

    /// The normal distribution's cumulative function, by a sum of 20,000 trapezoids from −9.
    fn cumulative(x: f64) -> f64 {
        let steps = 20_000;
        let width = (x + 9.0) / f64::from(steps);
        let inner: f64 = (1..steps).map(|step| density(-9.0 + f64::from(step) * width)).sum();
        (inner + (density(-9.0) + density(x)) / 2.0) * width
    }

    #[test]
    fn the_least_and_the_greatest_number_are_finite_and_opposite() {
        let ends = normal(vec![0.0, 1.0 - (-24f32).exp2(), 0.5]);
        assert_eq!(ends[0], -ends[1]);
        assert!((5.41..5.43).contains(&ends[1]), "{ends:?}");
        assert!(ends[2].abs() < 1e-7);
    }
}
