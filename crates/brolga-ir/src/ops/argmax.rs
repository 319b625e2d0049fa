//! The index of the maximum along an axis.

use serde::{Deserialize, Serialize};

use super::pool::wins as beats;
use super::reduce::reduced_type;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::for_each_dtype;
use crate::loops::{Buffer, Index, Scalar, Writer};
use crate::op::{Combine, Family, Named, Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// The index of the greatest element along `axis`, as `i32`.
///
/// Of several equal ones the first wins (+0 and −0 are equal), and the first NaN wins over all
/// numbers. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argmax {
    /// The axis searched.
    pub axis: usize,
    /// Whether it stays, with extent 1.
    #[serde(default)]
    pub keepdims: bool,
}

impl Operation for Argmax {
    fn family(&self) -> Family<'_> {
        Family::Reduction {
            combine: Combine::Argmax,
            axes: std::slice::from_ref(&self.axis),
            keepdims: self.keepdims,
        }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let ty = reduced_type(Self::NAME, operands, &[self.axis], self.keepdims)?;
        let (x, axis) = (operands[0], self.axis);
        match x.shape[axis] {
            0 => Err(Mistake::new(format!("`{name}`: axis {axis} of {x} has no element"))
                .help("the axis must have an extent of at least 1")),
            extent if i32::try_from(extent - 1).is_err() => {
                Err(Mistake::new(format!("`{name}`: the indices of axis {axis} of {x} exceed i32")))
            }
            _ => Ok(Types::from_elem(Type { dtype: DType::I32, shape: ty.shape }, 1)),
        }
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let shape = operands[0].shape();
        let (extent, step) = (shape[self.axis], shape.strides()[self.axis]);
        let indices = for_each_dtype!(operands[0].data(), v => {
            (0..results[0].shape.elements())
                .map(|row| {
                    let start = row / step * extent * step + row % step;
                    first_maximum((0..extent).map(|i| v[start + i * step]))
                })
                .collect()
        });
        vec![Tensor::of(results[0].shape.clone(), Data::I32(indices))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let shape = w.shape(operands[0]);
        let mut extents = shape.to_vec();
        extents[self.axis] = 1;
        let found = w.shape(results[0]).elements();
        if found == 0 {
            return;
        }
        w.each(&extents, |w, at| {
            let mut element = at.to_vec();
            let first = w.load(operands[0], w.at(&shape, &element));
            let zero = w.zero(DType::I32);
            let (best, index) = (w.variable(first), w.variable(zero));
            w.range(Index::number(1), Index::number(shape[self.axis]), |w, candidate| {
                element[self.axis] = candidate.clone();
                let next = w.load(operands[0], w.at(&shape, &element));
                let (old, old_index) = (w.get(best), w.get(index));
                let wins = beats(w, next, old);
                let next_index = w.number(Scalar::I32, candidate);
                let new = w.select(wins, next, old);
                let new_index = w.select(wins, next_index, old_index);
                w.set(best, new);
                w.set(index, new_index);
            });
            let index = w.get(index);
            w.store(results[0], w.at(&extents, at), index);
        });
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None])
    }
}

/// The index of the first NaN, or else of the first maximum.
fn first_maximum<T: PartialOrd + Copy>(values: impl Iterator<Item = T>) -> i32 {
    let is_nan = |x: T| x.partial_cmp(&x).is_none();
    let first = values.zip(0..).reduce(|best, next| {
        let wins = next.0 > best.0 || (is_nan(next.0) && !is_nan(best.0));
        if wins { next } else { best }
    });
    first.map_or(0, |(_, index)| index)
}

impl Var {
    /// See [`Argmax`].
    #[track_caller]
    #[must_use]
    pub fn argmax(&self, axis: usize, keepdims: bool) -> Var {
        self.unary(Argmax { axis, keepdims })
    }
}

impl Draw for Argmax {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(
            |shape| shape.iter().any(|&extent| extent > 0),
            |pen| [pen.extent(2), pen.rng.between(1, 33)].into(),
        );
        let searched = |&axis: &usize| x.shape()[axis] > 0;
        let axes: Vec<usize> = (0..x.shape().rank()).filter(searched).collect();
        Some((Self { axis: pen.rng.pick(&axes), keepdims: pen.rng.one_in(2) }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, tensor, vector, vjp};

    fn along(axis: usize) -> Argmax {
        Argmax { axis, keepdims: false }
    }

    #[test]
    fn the_first_maximum_wins() {
        let x = tensor([2, 3], [1.0_f32, 5.0, 5.0, -0.0, 0.0, -1.0]);
        assert_eq!(run(along(1), &[&x]), vector([1, 0]));
        assert_eq!(run(along(0), &[&x]), vector([0, 0, 0]));
        let keepdims = Argmax { keepdims: true, ..along(1) };
        assert_eq!(run(keepdims, &[&x]), tensor([2, 1], [1, 0]));
        assert_eq!(vjp(along(1), &[&x], &vector([0, 0])), [None]);
    }

    #[test]
    fn the_first_nan_wins_over_numbers() {
        let x = vector([f32::INFINITY, f32::NAN, 1.0, f32::NAN]);
        assert_eq!(run(along(0), &[&x]), tensor([], [1]));
        assert_eq!(run(along(0), &[&vector([f32::NEG_INFINITY; 3])]), tensor([], [0]));
    }

    #[test]
    fn inner_axes_are_searched_by_columns() {
        let x = tensor([2, 2, 2], [200_u8, 3, 100, 4, 5, 5, 6, 4]);
        assert_eq!(run(along(1), &[&x]), tensor([2, 2], [0, 1, 1, 0]));
        assert_eq!(run(along(0), &[&tensor::<f32>([2, 0], [])]), vector::<i32>([]));
    }

    #[test]
    fn an_empty_axis_is_a_mistake() {
        insta::assert_snapshot!(mistake(along(1), &["f32[2,0]"]), @r"
        `argmax`: axis 1 of f32[2,0] has no element
          help: the axis must have an extent of at least 1
        ");
        insta::assert_snapshot!(mistake(along(0), &["f32[]"]), @"`argmax`: there is no axis 0 in []");
        insta::assert_snapshot!(
            mistake(along(0), &["u8[2147483649]"]),
            @"`argmax`: the indices of axis 0 of u8[2147483649] exceed i32"
        );
    }
}
