//! Initializers: the first values of weights, computed on the host from the seed alone.
//!
//! A new initializer is a new file and one line in the list below.

mod constant;
mod normal;
mod uniform;
mod variance_scaling;

use brolga_ir::Shape;
use brolga_ir::lanes::random_bits_at;

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
    /// The values of a weight of this shape in row-major order.
    ///
    /// `random` is the weight's own source of randomness; an initializer with a seed of its own uses that.
    fn values(&self, shape: &Shape, random: Random) -> Vec<f32>;
}

impl<T: Initializer + 'static> From<T> for Choice<dyn Initializer> {
    fn from(initializer: T) -> Self {
        Self::Object(std::sync::Arc::new(initializer))
    }
}

/// A source of random numbers for one weight: each number is a function of seed, stream and place, by
/// [`Philox`](brolga_ir::lanes::philox4x32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    seed: u64,
    stream: u32,
}

/// Where the steps of a training count from 0, initial values take their numbers from above this step.
const INITIAL: u32 = 1 << 31;

impl Random {
    /// The source of this stream under this seed.
    pub fn new(seed: u64, stream: u32) -> Self {
        Self { seed, stream }
    }

    /// The same stream under an initializer's own seed, if it has one.
    #[must_use]
    pub fn or_seed(self, seed: Option<u64>) -> Self {
        seed.map_or(self, |seed| Self { seed, stream: 0 })
    }

    /// 32 random bits: draw `draw` at a place.
    fn bits(self, place: usize, draw: u32) -> u32 {
        random_bits_at(words(self.seed), INITIAL | draw, self.stream, place as u64)
    }

    /// A number from [0, 1) at a place.
    pub fn uniform(self, place: usize) -> f64 {
        f64::from(self.bits(place, 0)) / 2f64.powi(32)
    }

    /// A number of the standard normal distribution at a place, by Box and Muller's transform of draws `2·draw` and `2·draw + 1`.
    pub fn normal(self, place: usize, draw: u32) -> f64 {
        let [u, v] = [0, 1].map(|half| f64::from(self.bits(place, 2 * draw + half)));
        let radius = (-2.0 * ((u + 1.0) / 2f64.powi(32)).ln()).sqrt();
        radius * (std::f64::consts::TAU * v / 2f64.powi(32)).cos()
    }

    /// A number of the standard normal distribution within two standard deviations: the first draw that is.
    pub fn truncated_normal(self, place: usize) -> f64 {
        (0..INITIAL / 2)
            .map(|draw| self.normal(place, draw))
            .find(|x| x.abs() <= 2.0)
            .unwrap_or(0.0)
    }
}

/// The low and the high half of a seed.
pub(crate) fn words(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::by_name;

    fn moments(name: &str, shape: [usize; 2]) -> (f64, f64, f64) {
        let initializer = by_name::<dyn Initializer>(name).expect(name);
        let values = initializer.values(&shape.into(), Random::new(7, 3));
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
        let values = |seed, stream| {
            GlorotUniform::default().values(&[4, 4].into(), Random::new(seed, stream))
        };
        assert_eq!(values(1, 0), values(1, 0));
        assert_ne!(values(1, 0), values(2, 0));
        assert_ne!(values(1, 0), values(1, 1));
        let own = GlorotUniform { seed: Some(5) };
        let shape = Shape::from([4, 4]);
        assert_eq!(own.values(&shape, Random::new(1, 0)), own.values(&shape, Random::new(2, 9)));
    }
}
