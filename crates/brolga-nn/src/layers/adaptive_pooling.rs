//! What the pooling layers share whose result has a given size.

use std::marker::PhantomData;

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::images::{images, images_of};
use super::pooling::Taken;
use super::{Base, Layer, WeightSpec};
use crate::config::Extents;
use crate::registry::Object;
use crate::trace::Call;

/// The pooling layers to a given size, such as
/// [`AdaptiveMaxPooling2D`](super::AdaptiveMaxPooling2D): what is taken of windows over `AXES`
/// spatial axes that are as large as the result needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct AdaptivePooling<T, const AXES: usize> {
    #[serde(flatten)]
    pub(super) base: Base,
    pub(super) output_size: Extents<AXES>,
    #[serde(skip)]
    taken: PhantomData<T>,
}

impl<T: Taken, const AXES: usize> AdaptivePooling<T, AXES> {
    /// Results of this size.
    pub fn new(output_size: impl Into<Extents<AXES>>) -> Self {
        Self { base: Base::default(), output_size: output_size.into(), taken: PhantomData }
    }

    /// What is taken of the windows on one axis. Window `i` begins at `⌊i·input / output⌋` and ends
    /// before `⌈(i + 1)·input / output⌉`.
    fn along(&self, x: &Var, axis: usize) -> Var {
        let (input, output) = (x.shape()[axis], self.output_size.0[axis - 1]);
        let window = |index: usize| {
            let (mut starts, mut limits) = (vec![0; x.shape().rank()], x.shape().to_vec());
            starts[axis] = index * input / output;
            limits[axis] = ((index + 1) * input).div_ceil(output);
            let part = x.slice(&starts, &limits, &vec![1; starts.len()]);
            T::of_axes(&part, &[axis], true)
        };
        let windows: Vec<Var> = (0..output).map(window).collect();
        match &windows[..] {
            [first, rest @ ..] if !rest.is_empty() => {
                first.concat(&rest.iter().collect::<Vec<_>>(), axis)
            }
            _ => windows.into_iter().next().unwrap_or_else(|| x.clone()),
        }
    }
}

impl<T: Taken, const AXES: usize> Layer for AdaptivePooling<T, AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let (extents, _) = images::<AXES>(self.class_name(), inputs)?;
        if self.output_size.0.iter().zip(extents.iter()).all(|(output, input)| output <= input) {
            return Ok(vec![]);
        }
        let message =
            format!("output_size {:?} is larger than the input of {extents}", self.output_size.0);
        Err(Mistake::new(message).help("make it smaller, or enlarge the input: UpSampling"))
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match images_of::<AXES>(self.class_name(), &x) {
            // A mean of means is that of the box, since all windows beside each other are alike.
            Ok(_) => (1..=AXES).fold(x, |x, axis| self.along(&x, axis)),
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
