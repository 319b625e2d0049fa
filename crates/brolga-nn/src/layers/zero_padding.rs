//! What the layers share that put zeros around sequences, images and volumes.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::images::images;
use super::sides::Sides;
use super::{Base, Layer, WeightSpec};
use crate::registry::Object;
use crate::trace::Call;

/// [`ZeroPadding1D`](super::ZeroPadding1D), [`ZeroPadding2D`](super::ZeroPadding2D) and
/// [`ZeroPadding3D`](super::ZeroPadding3D): zeros before and after each of `AXES` spatial axes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ZeroPadding<const AXES: usize> {
    #[serde(flatten)]
    pub(super) base: Base,
    #[serde(default = "one")]
    padding: Sides<AXES>,
}

fn one<const AXES: usize>() -> Sides<AXES> {
    1.into()
}

/// One zero on each side.
impl<const AXES: usize> Default for ZeroPadding<AXES> {
    fn default() -> Self {
        Self::new(one())
    }
}

impl<const AXES: usize> ZeroPadding<AXES> {
    /// This many zeros on each side.
    pub fn new(padding: impl Into<Sides<AXES>>) -> Self {
        Self { base: Base::default(), padding: padding.into() }
    }
}

impl<const AXES: usize> Layer for ZeroPadding<AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        images::<AXES>(self.class_name(), inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| {
            let [low, high] = [0, 1].map(|side| {
                let inner = self.padding.0.iter().map(|sides| sides[side]);
                [0].into_iter().chain(inner).chain([0]).collect::<Vec<_>>()
            });
            x.pad(&low, &high)
        })
    }
}
