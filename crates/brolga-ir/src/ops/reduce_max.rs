//! The maximum over axes.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::extremum::{evaluate_over, vjp_over, write_over};
use super::max::Max;
use super::reduce::reduced_type;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Combine, Family, Named, Operation, Types, Vjp};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// `y = max x` over `axes`, by the choice of [`Max`](super::Max) in the order of
/// [`reduce`](mod@super::reduce). NaN wins.
///
/// The maximum of nothing is −∞, or the least integer.
///
/// The gradient is divided equally among all elements that equal the maximum:
/// `dx = [x = y] / n · dy`, where `n` is their number, counted and divided by in f32 for `bf16` and
/// `f16`, and rounded at the end. Where the maximum is NaN, so is the gradient.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceMax {
    /// The axes reduced, ascending.
    pub axes: SmallVec<[usize; 4]>,
    /// Whether they stay, with extent 1.
    #[serde(default)]
    pub keepdims: bool,
}

impl Operation for ReduceMax {
    fn family(&self) -> Family<'_> {
        Family::Reduction { combine: Combine::Max, axes: &self.axes, keepdims: self.keepdims }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let ty = reduced_type(Self::NAME, operands, &self.axes, self.keepdims)?;
        Ok(Types::from_elem(ty, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        vec![evaluate_over::<Max>(operands[0], &self.axes, &results[0])]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        write_over::<Max>(w, operands[0], results[0], &self.axes);
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(vjp_over(node, &self.axes))])
    }
}

impl Var {
    /// See [`ReduceMax`].
    #[track_caller]
    #[must_use]
    pub fn reduce_max(&self, axes: &[usize], keepdims: bool) -> Var {
        self.unary(ReduceMax { axes: axes.into(), keepdims })
    }
}

impl Draw for ReduceMax {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|_| true, Pen::any_shape);
        let axes = pen.axes(x.shape().rank());
        Some((Self { axes, keepdims: pen.rng.one_in(2) }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;
    use crate::ops::checks::{gradient, mistake, run, tensor, vector};

    fn over(axes: &[usize]) -> ReduceMax {
        ReduceMax { axes: axes.into(), keepdims: false }
    }

    #[test]
    fn finds_the_maximum_wherever_it_is() {
        for length in [1, 2, 15, 16, 17, 31, 32, 33] {
            for index in 0..length {
                let mut values = vec![-2.0_f32; length];
                for extreme in [1.0, f32::NAN] {
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
    fn axes_are_reduced_together() {
        let x = tensor([2, 3, 2], (0..12).map(|i| i * 5 % 12));
        // 0 5 | 10 3 | 8 1, then 6 11 | 4 9 | 2 7
        assert_eq!(run(over(&[0, 2]), &[&x]), vector([11, 10, 8]));
        let keepdims = ReduceMax { keepdims: true, ..over(&[1]) };
        let y = tensor([2, 1, 2], [10, 5, 6, 11]);
        assert_eq!(run(keepdims, &[&x]), y);
        assert_eq!(run(over(&[]), &[&x]), x);
    }

    #[test]
    fn nothing_gives_the_identity() {
        let y = run(over(&[1]), &[&tensor::<f32>([2, 0], [])]);
        assert_eq!(y, vector([f32::NEG_INFINITY; 2]));
        let y = run(over(&[0]), &[&vector::<u8>([])]);
        assert_eq!(y, tensor([], [u8::MIN]));
        let y = run(over(&[1]), &[&tensor::<f32>([0, 2], [])]);
        assert_eq!(y, vector::<f32>([]));
    }

    #[test]
    fn of_equal_zeros_the_later_lane_is_taken() {
        assert_eq!(run(over(&[0]), &[&vector([0.0_f32, -0.0])]), tensor([], [-0.0_f32]));
        assert_eq!(run(over(&[0]), &[&vector([-0.0_f32, 0.0])]), tensor([], [0.0_f32]));
    }

    #[test]
    fn equal_elements_share_the_gradient() {
        let x = tensor([3, 2], [3.0, 1.0, 3.0, f32::NAN, 0.0, 2.0]);
        let dx = gradient(over(&[0]), &x, &vector([6.0_f32, 1.0]));
        assert_eq!(dx, tensor([3, 2], [3.0, f32::NAN, 3.0, f32::NAN, 0.0, f32::NAN]));
        let dx = gradient(over(&[1]), &tensor::<f32>([2, 0], []), &vector([1.0_f32, 2.0]));
        assert_eq!(dx, tensor::<f32>([2, 0], []));
    }

    #[test]
    fn ties_are_counted_beyond_the_integers_of_half_types() {
        let ties = 70_000;
        let x = vector(vec![f16::ONE; ties]);
        let dx = gradient(over(&[0]), &x, &tensor([], [f16::ONE]));
        assert_eq!(dx, vector(vec![f16::from_f32(1.430_511_5e-5); ties]));
        let x = vector(vec![bf16::ONE; ties]);
        let dx = gradient(over(&[0]), &x, &tensor([], [bf16::from_f32(3.0)]));
        assert_eq!(dx, vector(vec![bf16::from_f32(3.0 / ties as f32); ties]));
    }

    #[test]
    fn wrong_axes_and_types_are_mistakes() {
        insta::assert_snapshot!(mistake(over(&[2]), &["f32[2,3]"]), @"`reduce_max`: there is no axis 2 in [2,3]");
        insta::assert_snapshot!(mistake(over(&[1, 0]), &["f32[2,3]"]), @"`reduce_max`: axes must ascend, [1, 0] do not");
        insta::assert_snapshot!(mistake(over(&[0]), &["bool[2]"]), @r"
        `reduce_max` takes numbers, not bool
          help: convert the operand with `cast`
        ");
    }
}
