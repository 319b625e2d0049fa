//! What the layers share that move images at random.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::affine::{FillMode, Sampling, transformed};
use super::images::images;
use super::resampling::Interpolation;
use super::{Base, Layer, WeightSpec};
use crate::arguments::Argument;
use crate::registry::Object;
use crate::setters::setters;
use crate::trace::Call;

/// How images are moved: what tells [`RandomRotation`](super::RandomRotation),
/// [`RandomTranslation`](super::RandomTranslation) and [`RandomZoom`](super::RandomZoom) from each
/// other.
pub trait Motion: std::fmt::Debug + Clone + Send + Sync + 'static {
    /// The arguments that are numbers.
    fn arguments(&self) -> Vec<Argument>;

    /// The map from the places of the result to those of images of this size:
    /// `(a₀·x + a₁·y + a₂, b₀·x + b₁·y + b₂)`.
    fn map(&self, call: &mut Call<'_>, x: &Var, size: [f64; 2]) -> [[Var; 3]; 2];
}

/// In training, images moved at random.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RandomAffine<M> {
    #[serde(flatten)]
    pub(super) base: Base,
    #[serde(flatten)]
    pub(super) motion: M,
    #[serde(default = "reflect")]
    fill_mode: FillMode,
    #[serde(default = "bilinear")]
    interpolation: Interpolation,
    #[serde(default)]
    pub(super) fill_value: f64,
}

fn reflect() -> FillMode {
    FillMode::Reflect
}

fn bilinear() -> Interpolation {
    Interpolation::Bilinear
}

impl<M: Motion> RandomAffine<M> {
    pub(super) fn of(motion: M) -> Self {
        let (fill_mode, interpolation) = (reflect(), bilinear());
        Self { base: Base::default(), motion, fill_mode, interpolation, fill_value: 0.0 }
    }

    setters! {
        /// What lies beyond the border: `"reflect"`, the default, `"wrap"`, `"constant"` or
        /// `"nearest"`.
        fill_mode: into FillMode,
        /// How pixels between pixels are computed: `"bilinear"`, the default, or `"nearest"`.
        interpolation: into Interpolation,
        /// The value beyond the border with the fill mode `"constant"`; 0 by default.
        fill_value: f64,
    }

    fn sampling(&self) -> Sampling<'_> {
        Sampling {
            mode: &self.fill_mode,
            value: self.fill_value,
            interpolation: &self.interpolation,
        }
    }
}

impl<M: Motion> Layer for RandomAffine<M>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        self.sampling().check()?;
        images::<2>(self.class_name(), inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match x.shape()[..] {
            [_, height, width, _] if call.training() => {
                let map = self.motion.map(call, &x, [height as f64, width as f64]);
                transformed(&x, map, self.sampling())
            }
            _ => x,
        })
    }
}
