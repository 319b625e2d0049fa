//! The dot product of two tensors, sample by sample.

use brolga_ir::{Mistake, Shape, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{Axes, axis};
use super::subtract::two;
use super::unit_normalization::unit;
use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::setters::setters;
use crate::trace::Call;

/// `y[b, i.., j..] = Σₖ x₀[b, i.., k] · x₁[b, j.., k]`, where `k` runs over the axis `axes[0]` of
/// `x₀` and `axes[1]` of `x₁`.
///
/// The result has the other axes of `x₀`, then those of `x₁`; of two vectors it is `[batch, 1]`.
/// With `normalize` both are divided by their Euclidean norms along these axes first, which gives
/// the cosine of the angle between them.
///
/// A mistake if there are not two inputs, the extents of the axes differ, or one is the batch.
///
/// Keras: <https://keras.io/api/layers/merging_layers/dot/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dot {
    #[serde(flatten)]
    base: Base,
    axes: Axes,
    #[serde(default)]
    normalize: bool,
}

layer!(Dot);

/// A norm below this one divides as this one does.
const LEAST_NORM: f64 = 1e-7;

impl Dot {
    /// A product along one axis of both inputs, or along one axis of each.
    pub fn new(axes: impl Into<Axes>) -> Self {
        Self { base: Base::default(), axes: axes.into(), normalize: false }
    }

    setters! {
        /// Whether the norms along the axes are 1 first; false by default.
        normalize: bool,
    }

    /// The axis of each input along which products are summed.
    fn check(&self, inputs: &[Type]) -> Result<[usize; 2], Mistake> {
        let [a, b] = two("Dot", inputs)?;
        let axes = match &self.axes {
            Axes::One(one) => [*one; 2],
            Axes::Many(many) => <[isize; 2]>::try_from(&**many).map_err(|_| {
                Mistake::new(format!("Dot takes one axis, or one for each input, given {many:?}"))
                    .help("give one number, or two")
            })?,
        };
        let [of_a, of_b] = [axis(axes[0], a)?, axis(axes[1], b)?];
        let (extent_a, extent_b) = (a.shape[of_a], b.shape[of_b]);
        if extent_a == extent_b {
            return Ok([of_a, of_b]);
        }
        let message = format!(
            "Dot sums products along axis {of_a} of extent {extent_a} and axis {of_b} of extent {extent_b} of {}",
            shapes(inputs)
        );
        Err(Mistake::new(message).help("the extents must be equal: choose other axes"))
    }
}

impl Layer for Dot {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        self.check(inputs).map(|_| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let types: Vec<Type> = inputs.iter().map(|input| input.ty().clone()).collect();
        let axes = match self.check(&types) {
            Ok(axes) => axes,
            Err(mistake) => return vec![call.tracer().fail(mistake)],
        };
        let operand = |place: usize| {
            let (x, axis) = (&inputs[place], axes[place]);
            if self.normalize { unit(x, &[axis], LEAST_NORM) } else { x.clone() }
        };
        let [(a, kept_a), (b, kept_b)] = [0, 1].map(|place| rows(&operand(place), axes[place]));
        let mut shape: Vec<usize> =
            a.shape()[..1].iter().copied().chain(kept_a).chain(kept_b).collect();
        if shape.len() == 1 {
            shape.push(1);
        }
        vec![a.matmul_with(&b, false, true).reshape(shape)]
    }
}

/// A tensor as `[batch, rest, extent of the axis]`, and the extents of the rest.
fn rows(x: &Var, axis: usize) -> (Var, Vec<usize>) {
    let rank = x.shape().rank();
    let rest: Vec<usize> = (1..rank).filter(|&other| other != axis).collect();
    let kept: Vec<usize> = rest.iter().map(|&axis| x.shape()[axis]).collect();
    let shape = Shape::from([x.shape()[0], kept.iter().product(), x.shape()[axis]]);
    let order: Vec<usize> = [0].into_iter().chain(rest).chain([axis]).collect();
    let moved = if order.is_sorted() { x.clone() } else { x.transpose(&order) };
    (moved.reshape(shape), kept)
}
