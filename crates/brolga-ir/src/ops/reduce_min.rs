//! The minimum over axes.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::extremum::{evaluate_over, vjp_over, write_over};
use super::min::Min;
use super::reduce::reduced_type;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Combine, Family, Named, Operation, Types, Vjp};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// `y = min x` over `axes`, by the choice of [`Min`](super::Min) in the order of
/// [`reduce`](mod@super::reduce). NaN wins.
///
/// The minimum of nothing is ∞, or the greatest integer.
///
/// The gradient is divided equally among all elements that equal the minimum:
/// `dx = [x = y] / n · dy`, where `n` is their number, counted and divided by in f32 for `bf16` and
/// `f16`, and rounded at the end. Where the minimum is NaN, so is the gradient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceMin {
    /// The axes reduced, ascending.
    pub axes: SmallVec<[usize; 4]>,
    /// Whether they stay, with extent 1.
    #[serde(default)]
    pub keepdims: bool,
}

impl Operation for ReduceMin {
    fn family(&self) -> Family<'_> {
        Family::Reduction { combine: Combine::Min, axes: &self.axes, keepdims: self.keepdims }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let ty = reduced_type(Self::NAME, operands, &self.axes, self.keepdims)?;
        Ok(Types::from_elem(ty, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        vec![evaluate_over::<Min>(operands[0], &self.axes, &results[0])]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        write_over::<Min>(w, operands[0], results[0], &self.axes);
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(vjp_over(node, &self.axes))])
    }
}

impl Var {
    /// See [`ReduceMin`].
    #[track_caller]
    #[must_use]
    pub fn reduce_min(&self, axes: &[usize], keepdims: bool) -> Var {
        self.unary(ReduceMin { axes: axes.into(), keepdims })
    }
}

impl Draw for ReduceMin {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|_| true, Pen::any_shape);
        let axes = pen.axes(x.shape().rank());
        Some((Self { axes, keepdims: pen.rng.one_in(2) }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, tensor, vector};

    fn over(axes: &[usize]) -> ReduceMin {
        ReduceMin { axes: axes.into(), keepdims: false }
    }

    #[test]
    fn finds_the_minimum_wherever_it_is() {
        for length in [1, 2, 15, 16, 17, 31, 32, 33] {
            for index in 0..length {
                let mut values = vec![2.0_f32; length];
                for extreme in [-1.0, f32::NAN] {
                    values[index] = extreme;
                    let row = tensor([1, length], values.clone());
                    assert_eq!(run(over(&[1]), &[&row]), vector([extreme]));
                    let column = tensor([length, 1], values.clone());
                    assert_eq!(run(over(&[0]), &[&column]), vector([extreme]));
                }
            }
        }
    }

    #[test]
    fn nothing_gives_the_identity() {
        let y = run(over(&[1]), &[&tensor::<f32>([2, 0], [])]);
        assert_eq!(y, vector([f32::INFINITY; 2]));
        let y = run(over(&[0]), &[&vector::<u8>([])]);
        assert_eq!(y, tensor([], [u8::MAX]));
        let y = run(over(&[1]), &[&tensor::<f32>([0, 2], [])]);
        assert_eq!(y, vector::<f32>([]));
    }

    #[test]
    fn wrong_axes_and_types_are_mistakes() {
        insta::assert_snapshot!(mistake(over(&[2]), &["f32[2,3]"]), @"`reduce_min`: there is no axis 2 in [2,3]");
        insta::assert_snapshot!(mistake(over(&[1, 0]), &["f32[2,3]"]), @"`reduce_min`: axes must ascend, [1, 0] do not");
        insta::assert_snapshot!(mistake(over(&[0]), &["bool[2]"]), @r"
        `reduce_min` takes numbers, not bool
          help: convert the operand with `cast`
        ");
    }
}
