//! What the layers share that drop whole channels.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::dropout::dropped;
use super::images::images;
use super::{Base, Layer, WeightSpec};
use crate::registry::Object;
use crate::trace::Call;

/// [`SpatialDropout1D`](super::SpatialDropout1D), [`SpatialDropout2D`](super::SpatialDropout2D) and
/// [`SpatialDropout3D`](super::SpatialDropout3D): dropout of whole channels over `AXES` spatial
/// axes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SpatialDropout<const AXES: usize> {
    #[serde(flatten)]
    pub(super) base: Base,
    pub(super) rate: f64,
}

impl<const AXES: usize> SpatialDropout<AXES> {
    /// Zeros with this probability, from 0 to 1.
    pub fn new(rate: f64) -> Self {
        Self { base: Base::default(), rate }
    }
}

impl<const AXES: usize> Layer for SpatialDropout<AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        images::<AXES>(self.class_name(), inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let mut shape = x.shape().clone();
            shape.dims_mut()[1..=AXES].fill(1);
            dropped(call, &x, self.rate, shape)
        })
    }
}
