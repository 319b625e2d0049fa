//! Tensors one behind the other.

use brolga_ir::{DType, Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{axis, last};
use super::merging::any_of;
use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::setters::setters;
use crate::trace::Call;

/// The inputs one behind the other along `axis`, the last one by default. All other extents are
/// equal.
///
/// Along an axis of the steps masks follow each other as well, and steps of an input without a mask
/// count; along another one, where all inputs have masks, a step counts that counts in one of them.
///
/// A mistake if they are not, or if `axis` is the batch.
///
/// Keras: <https://keras.io/api/layers/merging_layers/concatenate/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Concatenate {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "last")]
    axis: isize,
}

layer!(Concatenate);

impl Default for Concatenate {
    fn default() -> Self {
        Self { base: Base::default(), axis: last() }
    }
}

impl Concatenate {
    /// A layer that puts its inputs one behind the other along the last axis.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The axis; −1, the last one, by default.
        axis: isize,
    }

    /// The axis along which the inputs follow each other.
    fn check(&self, inputs: &[Type]) -> Result<usize, Mistake> {
        let Some(first) = inputs.first() else {
            return Err(Mistake::new("Concatenate takes a list of inputs, none was given")
                .help("give it at least one"));
        };
        let axis = axis(self.axis, first)?;
        let fits = |ty: &Type| {
            let mut shape = ty.shape.clone();
            if shape.rank() == first.shape.rank() {
                shape.dims_mut()[axis] = first.shape[axis];
            }
            shape == first.shape
        };
        match inputs.iter().all(fits) {
            true => Ok(axis),
            false => {
                let message = format!(
                    "Concatenate cannot put {} one behind the other along axis {}",
                    shapes(inputs),
                    self.axis
                );
                Err(Mistake::new(message)
                    .help("the ranks, and the extents of all other axes, must be equal"))
            }
        }
    }
}

impl Layer for Concatenate {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        self.check(inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let types: Vec<Type> = inputs.iter().map(|input| input.ty().clone()).collect();
        let axis = match self.check(&types) {
            Ok(axis) => axis,
            Err(mistake) => return vec![call.tracer().fail(mistake)],
        };
        let Some(y) = concatenated(inputs, axis) else {
            return vec![call.tracer().fail(Mistake::new("Concatenate takes a list of inputs"))];
        };
        if let Some(mask) = concatenated_mask(&call.masks_of(inputs), inputs, axis) {
            call.set_mask(&y, Some(&mask));
        }
        vec![y]
    }
}

fn concatenated(inputs: &[Var], axis: usize) -> Option<Var> {
    match inputs {
        [] => None,
        [only] => Some(only.clone()),
        [first, rest @ ..] => Some(first.concat(&rest.iter().collect::<Vec<_>>(), axis)),
    }
}

/// The mask of inputs that follow each other, if all have one; those without count where their
/// steps follow.
fn concatenated_mask(masks: &[Option<Var>], inputs: &[Var], axis: usize) -> Option<Var> {
    let rank = masks.iter().flatten().map(|mask| mask.shape().rank()).min()?;
    if axis >= rank {
        return any_of(&masks.iter().cloned().collect::<Option<Vec<_>>>()?);
    }
    let all = |x: &Var| {
        let steps =
            Type::new(DType::Bool, x.shape().iter().take(rank).copied().collect::<Vec<_>>());
        x.tracer().full(&steps, 1.0)
    };
    let each = masks.iter().zip(inputs).map(|(mask, x)| mask.clone().unwrap_or_else(|| all(x)));
    let each: Vec<Var> = each.collect();
    let same = each.iter().all(|mask| mask.shape().rank() == rank);
    concatenated(&each, axis).filter(|_| same)
}
