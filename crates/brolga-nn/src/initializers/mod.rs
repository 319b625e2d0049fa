//! Initializers: the first values of weights, computed on the host from the seed alone.
//!
//! A new initializer is a new file and one line in the list below.

mod constant;
mod normal;
mod uniform;
mod variance_scaling;

use brolga_ir::Shape;

pub use brolga_runtime::{Distribution as RandomDistribution, Draw, Random};

use crate::registry::{Choice, Object, family, snake_case};

pub use constant::{Constant, Ones, Zeros};
pub use normal::{RandomNormal, TruncatedNormal};
pub use uniform::RandomUniform;
pub use variance_scaling::{
    Distribution, FanMode, GlorotNormal, GlorotUniform, HeNormal, HeUniform, LecunNormal,
    LecunUniform, VarianceScaling,
};

family! {
    "initializer" Initializer(snake_case) {
        GlorotUniform,
        GlorotNormal,
        HeUniform,
        HeNormal,
        LecunUniform,
        LecunNormal,
        VarianceScaling,
        Zeros ["zero"],
        Ones ["one"],
        Constant,
        RandomUniform ["uniform"],
        RandomNormal ["normal"],
        TruncatedNormal,
    }
}

/// The first values of a weight.
pub trait Initializer: Object {
    /// Writes the values of a weight of this shape, in row-major order, from the element `start`
    /// on.
    ///
    /// Several threads write parts of one weight at a time, so the value of an element follows from
    /// its index, not from calls before. `random` is the weight's own source of randomness; an
    /// initializer with a seed of its own uses that.
    fn fill(&self, shape: &Shape, random: Random, start: usize, values: &mut [f32]);
}

impl<T: Initializer + 'static> From<T> for Choice<dyn Initializer> {
    fn from(initializer: T) -> Self {
        Self::Object(std::sync::Arc::new(initializer))
    }
}

/// The low and the high half of a seed.
pub(crate) fn words(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

#[cfg(test)]
mod tests {
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
            assert!(
                (given / variance - 1.0).abs() < 0.03,
                "{name}: variance {given}, not {variance}"
            );
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
        let own = GlorotUniform { seed: Some(5) };
        let [first, second] = [Random::new(1, 0), Random::new(2, 9)];
        assert_eq!(values(&own, &shape, first), values(&own, &shape, second));
    }

    #[test]
    fn parts_are_those_of_the_whole() {
        let (shape, random) = (Shape::from([30, 40]), Random::new(3, 1));
        for name in <dyn Initializer>::classes().iter().map(|class| class.name) {
            let initializer = by_name::<dyn Initializer>(name).expect(name);
            let whole = values(&*initializer, &shape, random);
            let mut parts = vec![f32::NAN; whole.len()];
            for (part, start) in parts.chunks_mut(77).zip((0..).step_by(77)) {
                initializer.fill(&shape, random, start, part);
            }
            assert_eq!(parts, whole, "{name}");
        }
    }
}
