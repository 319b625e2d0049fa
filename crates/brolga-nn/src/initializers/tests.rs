//! Distributions, seeds and parts of first values.

use std::sync::Arc;

use super::*;
use crate::registry::{Family, by_name};

fn values(initializer: &dyn Initializer, shape: &Shape, random: Random) -> Vec<f32> {
    let mut values = vec![f32::NAN; shape.elements()];
    initializer.fill(shape, random, 0, &mut values);
    values
}

fn moments(name: &str, shape: [usize; 2]) -> (f64, f64, f64) {
    let initializer = by_name::<dyn Initializer>(name).expect(name);
    let values = values(&*initializer, &shape.into(), Random::new(7, 3));
    let count = values.len() as f64;
    let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    let largest = values.iter().fold(0.0, |m: f64, &x| m.max(f64::from(x).abs()));
    (mean, variance, largest)
}

#[test]
fn variances_are_those_of_the_formulas() {
    let (fan_in, fan_out) = (200.0, 300.0);
    for (name, variance, bound) in [
        ("glorot_uniform", 2.0 / (fan_in + fan_out), (6.0f64 / (fan_in + fan_out)).sqrt()),
        ("glorot_normal", 2.0 / (fan_in + fan_out), f64::INFINITY),
        ("he_uniform", 2.0 / fan_in, (6.0f64 / fan_in).sqrt()),
        ("he_normal", 2.0 / fan_in, f64::INFINITY),
        ("lecun_uniform", 1.0 / fan_in, (3.0f64 / fan_in).sqrt()),
        ("lecun_normal", 1.0 / fan_in, f64::INFINITY),
        ("random_uniform", 0.1f64.powi(2) / 12.0, 0.05),
        ("random_normal", 0.05f64.powi(2), f64::INFINITY),
        ("truncated_normal", (0.05 * 0.879_625_661_034_239_8f64).powi(2), 0.1),
    ] {
        let (mean, given, largest) = moments(name, [200, 300]);
        assert!(mean.abs() < 0.02 * variance.sqrt(), "{name}: mean {mean}");
        assert!((given / variance - 1.0).abs() < 0.03, "{name}: variance {given}, not {variance}");
        assert!(largest <= bound * 1.000_001, "{name}: {largest} is beyond {bound}");
    }
    assert_eq!(moments("zeros", [2, 3]), (0.0, 0.0, 0.0));
    assert_eq!(moments("ones", [2, 3]), (1.0, 0.0, 1.0));
}

#[test]
fn values_follow_seed_and_stream_alone() {
    let shape = Shape::from([4, 4]);
    let glorot =
        |seed, stream| values(&GlorotUniform::default(), &shape, Random::new(seed, stream));
    assert_eq!(glorot(1, 0), glorot(1, 0));
    assert_ne!(glorot(1, 0), glorot(2, 0));
    assert_ne!(glorot(1, 0), glorot(1, 1));
    let own = GlorotUniform { seed: Some(5), ..GlorotUniform::default() };
    let [first, second] = [Random::new(1, 0), Random::new(2, 9)];
    assert_eq!(values(&own, &shape, first), values(&own, &shape, second));
}

#[test]
fn parts_are_those_of_the_whole() {
    let random = Random::new(3, 1);
    for name in <dyn Initializer>::classes().iter().map(|class| class.name) {
        let initializer = by_name::<dyn Initializer>(name).expect(name);
        let shapes = [Shape::from([30, 40]), Shape::from([30, 1, 40])];
        let shape = shapes.into_iter().find(|shape| initializer.check(shape).is_ok()).expect(name);
        if !initializer.divisible() {
            continue;
        }
        let whole = values(&*initializer, &shape, random);
        let mut parts = vec![f32::NAN; whole.len()];
        for (part, start) in parts.chunks_mut(77).zip((0..).step_by(77)) {
            initializer.fill(&shape, random, start, part);
        }
        assert_eq!(parts, whole, "{name}");
    }
}

/// The distribution function of the standard normal distribution, by Simpson's rule.
fn normal(x: f64) -> f64 {
    let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let (steps, end) = (200, x.clamp(-9.0, 9.0));
    let step = end / f64::from(steps);
    let sum = (0..steps).map(|i| {
        let at = f64::from(i) * step;
        density(at) + 4.0 * density(at + step / 2.0) + density(at + step)
    });
    0.5 + sum.sum::<f64>() * step / 6.0
}

/// The statistic of Kolmogorov and Smirnov, times the root of the number of values: 1.95 is
/// exceeded once in a thousand times by values of this distribution.
fn deviation(mut values: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let steps = values.iter().zip(0..).map(|(&x, i)| {
        let expected = distribution(x);
        (expected - f64::from(i) / count).max(f64::from(i + 1) / count - expected)
    });
    steps.fold(0.0, f64::max) * count.sqrt()
}

type DistributionFunction = Box<dyn Fn(f64) -> f64>;

#[test]
fn distributions_are_those_of_the_names() {
    let uniform = |bound: f64| move |x: f64| ((x / bound + 1.0) / 2.0).clamp(0.0, 1.0);
    let gauss = |deviation: f64| move |x: f64| normal(x / deviation);
    let truncated = |deviation: f64| {
        let tail = normal(-2.0);
        move |x: f64| ((normal(x / deviation) - tail) / (1.0 - 2.0 * tail)).clamp(0.0, 1.0)
    };
    let scaled = |distribution, mode| {
        let scaling =
            VarianceScaling { scale: 3.0, mode, distribution, ..VarianceScaling::default() };
        Arc::new(scaling) as Arc<dyn Initializer>
    };
    let named = |name| by_name::<dyn Initializer>(name).expect(name);
    let cut = |variance: f64| variance.sqrt() / 0.879_625_661_034_239_8;
    let shape = Shape::from([80, 120]);
    let cases: Vec<(Arc<dyn Initializer>, DistributionFunction)> = vec![
        (named("random_uniform"), Box::new(uniform(0.05))),
        (named("random_normal"), Box::new(gauss(0.05))),
        (named("truncated_normal"), Box::new(truncated(0.05))),
        (named("glorot_uniform"), Box::new(uniform(0.03f64.sqrt()))),
        (named("he_uniform"), Box::new(uniform((6.0f64 / 80.0).sqrt()))),
        (named("lecun_uniform"), Box::new(uniform((3.0f64 / 80.0).sqrt()))),
        (named("glorot_normal"), Box::new(truncated(cut(0.01)))),
        (named("he_normal"), Box::new(truncated(cut(2.0 / 80.0)))),
        (named("lecun_normal"), Box::new(truncated(cut(1.0 / 80.0)))),
        (
            scaled(Distribution::UntruncatedNormal, FanMode::FanOut),
            Box::new(gauss((3.0f64 / 120.0).sqrt())),
        ),
        (scaled(Distribution::TruncatedNormal, FanMode::FanAvg), Box::new(truncated(cut(0.03)))),
        (scaled(Distribution::Uniform, FanMode::FanIn), Box::new(uniform((9.0f64 / 80.0).sqrt()))),
    ];
    for (initializer, distribution) in cases {
        let values = values(&*initializer, &shape, Random::new(11, 2));
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let scale = values.iter().map(|x| x * x).sum::<f64>();
        let neighbours = values.windows(2).map(|pair| pair[0] * pair[1]).sum::<f64>() / scale;
        assert!(neighbours.abs() * 9600f64.sqrt() < 4.0, "{initializer:?}: {neighbours}");
        let deviation = deviation(values, distribution);
        assert!(deviation < 1.95, "{initializer:?}: {deviation}");
    }
}

/// The products of all pairs of rows, or of columns where there are more rows.
fn products(values: &[f32], columns: usize) -> Vec<Vec<f64>> {
    let rows = values.len() / columns;
    let at = |vector: usize, i: usize| {
        f64::from(values[if rows < columns { vector * columns + i } else { i * columns + vector }])
    };
    let (vectors, length) = (rows.min(columns), rows.max(columns));
    let product = |a, b| (0..length).map(|i| at(a, i) * at(b, i)).sum();
    (0..vectors).map(|a| (0..vectors).map(|b| product(a, b)).collect()).collect()
}

#[test]
fn orthogonal_matrices_are_orthogonal() {
    for shape in [vec![1, 1], vec![4, 4], vec![7, 3], vec![3, 7], vec![3, 3, 2, 5], vec![96, 96]] {
        let shape = Shape::from(shape);
        for gain in [1.0, -1.5] {
            let initializer = Orthogonal { gain, seed: None };
            let values = values(&initializer, &shape, Random::new(5, 1));
            for (a, row) in products(&values, shape[shape.rank() - 1]).iter().enumerate() {
                for (b, product) in row.iter().enumerate() {
                    let expected = if a == b { gain * gain } else { 0.0 };
                    assert!((product - expected).abs() < 2e-6, "{shape}: {product}");
                }
            }
        }
    }
}

/// The first column of a 2×2 matrix points in all directions alike, the second to both sides of it.
#[test]
fn orthogonal_matrices_are_uniformly_distributed() {
    let matrices = (0..3000).map(|stream| {
        let initializer = Orthogonal::default();
        values(&initializer, &[2, 2].into(), Random::new(5, stream))
    });
    let matrices: Vec<Vec<f32>> = matrices.collect();
    let angles = matrices.iter().map(|m| f64::from(m[2]).atan2(f64::from(m[0])));
    let uniform = |angle: f64| angle / std::f64::consts::TAU + 0.5;
    assert!(deviation(angles.collect(), uniform) < 1.95);
    let turns = matrices.iter().filter(|m| m[0] * m[3] - m[1] * m[2] > 0.0).count();
    assert!((1400..1600).contains(&turns), "{turns} of 3000");
}

#[test]
fn orthogonal_follows_its_seed() {
    let of = |seed, random| values(&Orthogonal { gain: 1.0, seed }, &[5, 5].into(), random);
    assert_eq!(of(None, Random::new(1, 0)), of(None, Random::new(1, 0)));
    assert_ne!(of(None, Random::new(1, 0)), of(None, Random::new(2, 0)));
    assert_eq!(of(Some(3), Random::new(1, 0)), of(Some(3), Random::new(2, 7)));
}

#[test]
fn identity_is_one_on_the_diagonal() {
    let of = |shape: [usize; 2]| values(&Identity { gain: 2.0 }, &shape.into(), Random::new(0, 0));
    assert_eq!(of([2, 3]), [2.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    assert_eq!(of([3, 2]), [2.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
}
