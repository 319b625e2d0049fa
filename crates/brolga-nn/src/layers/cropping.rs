//! What the layers share that cut the borders off sequences, images and volumes.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::images::images;
use super::sides::Sides;
use super::{Base, Layer, WeightSpec};
use crate::registry::Object;
use crate::trace::Call;

/// [`Cropping1D`](super::Cropping1D), [`Cropping2D`](super::Cropping2D) and
/// [`Cropping3D`](super::Cropping3D): what is left without the borders of `AXES` spatial axes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cropping<const AXES: usize> {
    #[serde(flatten)]
    pub(super) base: Base,
    #[serde(default = "default")]
    cropping: Sides<AXES>,
}

/// Keras takes off 1 from sequences and volumes, nothing from images.
fn default<const AXES: usize>() -> Sides<AXES> {
    usize::from(AXES != 2).into()
}

impl<const AXES: usize> Default for Cropping<AXES> {
    fn default() -> Self {
        Self::new(default())
    }
}

impl<const AXES: usize> Cropping<AXES> {
    /// This much off each side.
    pub fn new(cropping: impl Into<Sides<AXES>>) -> Self {
        Self { base: Base::default(), cropping: cropping.into() }
    }
}

impl<const AXES: usize> Layer for Cropping<AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let (extents, _) = images::<AXES>(self.class_name(), inputs)?;
        let leaves =
            |(&extent, sides): (&usize, &[usize; 2])| sides[0].saturating_add(sides[1]) < extent;
        if extents.iter().zip(&self.cropping.0).all(leaves) {
            return Ok(vec![]);
        }
        let message = format!("cropping {:?} leaves nothing of extents {extents}", self.cropping.0);
        Err(Mistake::new(message).help("crop less than the extent of each axis"))
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| {
            let shape = x.shape();
            let (mut starts, mut limits) = (vec![0; shape.rank()], shape.to_vec());
            for (axis, &[before, after]) in (1..).zip(&self.cropping.0) {
                starts[axis] = before;
                limits[axis] = shape[axis].saturating_sub(after);
            }
            x.slice(&starts, &limits, &vec![1; shape.rank()])
        })
    }
}
