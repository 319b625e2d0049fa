//! Initializers: the first values of weights, computed on the host from the seed alone.
//!
//! A new initializer is a new file and one line in the list below.

mod constant;
mod function;
mod identity;
mod normal;
mod orthogonal;
mod stft;
mod uniform;
mod variance_scaling;

use brolga_ir::{Mistake, Shape};

pub use brolga_runtime::{Distribution as RandomDistribution, Draw, Random};

use crate::registry::{Choice, Object, family, snake_case};

pub use constant::{Constant, Ones, Zeros};
pub use function::Function;
pub use identity::Identity;
pub use normal::{RandomNormal, TruncatedNormal};
pub use orthogonal::Orthogonal;
pub use stft::STFT;
pub use uniform::RandomUniform;
pub use variance_scaling::{
    Distribution, FanAxes, FanMode, GlorotNormal, GlorotUniform, HeNormal, HeUniform, LecunNormal,
    LecunUniform, VarianceScaling,
};

family! {
    "initializer" Initializer(snake_case) of "keras.initializers" {
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
        Orthogonal ["OrthogonalInitializer"],
        Identity ["IdentityInitializer"],
        STFT ["STFTInitializer"],
    }
}

/// The first values of a weight.
pub trait Initializer: Object {
    /// Fails for a shape that the initializer does not take.
    ///
    /// # Errors
    /// The mistake, with the shape that is expected.
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        let _ = shape;
        Ok(())
    }

    /// Whether parts of a weight can be written on their own; true by default. Otherwise
    /// [`Initializer::fill`] is called once for the whole.
    fn divisible(&self) -> bool {
        true
    }

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
mod tests;

/// The values of a weight that has some already.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Kept {
    pub(crate) values: Vec<f32>,
}

crate::object!(Kept);

impl Initializer for Kept {
    fn fill(&self, _: &Shape, _: Random, start: usize, values: &mut [f32]) {
        values.copy_from_slice(&self.values[start..start + values.len()]);
    }
}
