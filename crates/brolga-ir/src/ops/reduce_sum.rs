//! The sum over axes.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::reduce::{Reduction, reduce, reduced_shape, reduced_type};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Combine, Family, Named, Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y = Σ x` over `axes`, in the order of [`reduce`](mod@super::reduce), starting from +0.
///
/// `bf16` and `f16` are summed in f32 and rounded at the end; integers wrap. The sum of nothing is
/// 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReduceSum {
    /// The axes summed over, ascending.
    pub axes: SmallVec<[usize; 4]>,
    /// Whether they stay, with extent 1.
    #[serde(default)]
    pub keepdims: bool,
}

impl Operation for ReduceSum {
    fn family(&self) -> Family<'_> {
        Family::Reduction { combine: Combine::Sum, axes: &self.axes, keepdims: self.keepdims }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let ty = reduced_type(Self::NAME, operands, &self.axes, self.keepdims)?;
        Ok(Types::from_elem(ty, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (shape, axes) = (operands[0].shape(), &self.axes);
        let half = |v: Vec<f32>| reduce(&v, shape, axes, 0.0, &|a, b| a + b).into_iter();
        let data = match operands[0].data() {
            Data::F32(v) => Data::F32(reduce(v, shape, axes, 0.0, &|a, b| a + b)),
            Data::F64(v) => Data::F64(reduce(v, shape, axes, 0.0, &|a, b| a + b)),
            Data::BF16(v) => {
                let sums = half(v.iter().map(|x| x.to_f32()).collect());
                Data::BF16(sums.map(bf16::from_f32).collect())
            }
            Data::F16(v) => {
                let sums = half(v.iter().map(|x| x.to_f32()).collect());
                Data::F16(sums.map(f16::from_f32).collect())
            }
            Data::I64(v) => Data::I64(reduce(v, shape, axes, 0, &i64::wrapping_add)),
            Data::I32(v) => Data::I32(reduce(v, shape, axes, 0, &i32::wrapping_add)),
            Data::U8(v) => Data::U8(reduce(v, shape, axes, 0, &u8::wrapping_add)),
            Data::Bool(_) => unreachable!("the type rule does not admit bool"),
        };
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let identity = Data::zeros(w.dtype(operands[0]), 1);
        Reduction { axes: &self.axes, identity, combine: Writer::add, finish: &|_, sum| sum }
            .write(w, operands[0], results[0]);
    }

    /// The cotangent repeated along the axes.
    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let shape = node.operands[0].shape();
        Ok(vec![Some(node.cotangent().restore_axes(shape, &self.axes))])
    }
}

impl Var {
    /// See [`ReduceSum`].
    #[track_caller]
    #[must_use]
    pub fn reduce_sum(&self, axes: &[usize], keepdims: bool) -> Var {
        self.unary(ReduceSum { axes: axes.into(), keepdims })
    }

    /// Repeats the result of a reduction of a tensor of `shape` over `axes` to that shape.
    #[track_caller]
    #[must_use]
    pub fn restore_axes(&self, shape: &Shape, axes: &[usize]) -> Var {
        // Shapes are aligned at the last axis, so leading axes come back by broadcasting alone.
        let leading = axes.iter().copied().eq(0..axes.len());
        if leading {
            return self.broadcast(shape.clone());
        }
        self.reshape(reduced_shape(shape, axes, true)).broadcast(shape.clone())
    }
}

impl Draw for ReduceSum {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(|_| true, Pen::any_shape);
        let axes = pen.axes(x.shape().rank());
        Some((Self { axes, keepdims: pen.rng.one_in(2) }, vec![x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{assert_adjoint, integers, mistake, run, tensor, vector};

    fn over(axes: &[usize]) -> ReduceSum {
        ReduceSum { axes: axes.into(), keepdims: false }
    }

    #[test]
    fn sums_start_from_positive_zero() {
        assert_eq!(run(over(&[0]), &[&vector([-0.0_f32])]), tensor([], [0.0_f32]));
        assert_eq!(run(over(&[1]), &[&tensor::<f64>([2, 0], [])]), vector([0.0_f64, 0.0]));
    }

    #[test]
    fn lanes_round_in_their_order() {
        // The large terms meet in lane 0 and vanish there, before any other lane is added.
        let mut values = [1.0_f32; 17];
        (values[0], values[16]) = (1e30, -1e30);
        assert_eq!(run(over(&[0]), &[&vector(values)]), tensor([], [15.0_f32]));
        // Along an outer axis they are in different pieces.
        assert_eq!(run(over(&[0]), &[&tensor([17, 1], values)]), vector([0.0_f32]));
    }

    #[test]
    fn half_precision_rounds_once() {
        let x = vector([256.0, 1.0, 1.0].map(bf16::from_f32));
        assert_eq!(run(over(&[0]), &[&x]), tensor([], [bf16::from_f32(258.0)]));
    }

    #[test]
    fn integers_wrap() {
        assert_eq!(run(over(&[0]), &[&vector([i32::MAX, 1])]), tensor([], [i32::MIN]));
        assert_eq!(run(over(&[0]), &[&vector([200_u8, 100])]), tensor([], [44_u8]));
    }

    #[test]
    fn gradient_is_repeated() {
        assert_adjoint(over(&[0, 2]), &[&integers([2, 3, 4])], &integers([3]));
        let keepdims = ReduceSum { keepdims: true, ..over(&[1]) };
        assert_adjoint(keepdims, &[&integers([2, 3])], &integers([2, 1]));
    }

    #[test]
    fn bool_is_a_mistake() {
        insta::assert_snapshot!(mistake(over(&[0]), &["bool[2]"]), @r"
        `reduce_sum` takes numbers, not bool
          help: convert the operand with `cast`
        ");
    }
}
