//! Tensors one after the other.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::elementwise::same;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// The operands, at least one, one after the other along `axis`. All other extents are equal.
///
/// The gradient of each operand is its part of the cotangent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concat {
    /// The axis along which the operands follow each other.
    pub axis: usize,
}

impl Operation for Concat {
    fn family(&self) -> Family<'_> {
        Family::Movement
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let Some(&first) = operands.first() else {
            return Err(Mistake::new(format!(
                "`{name}` takes at least one operand, none was given"
            )));
        };
        let axis = self.axis;
        if axis >= first.shape.rank() {
            return Err(Mistake::new(format!("`{name}`: there is no axis {axis} in {first}")));
        }
        let dtypes: Vec<DType> = operands.iter().map(|ty| ty.dtype).collect();
        let dtype = same(Self::NAME, &dtypes)?;
        let mut shape = first.shape.clone();
        for &other in &operands[1..] {
            let fits = other.shape.rank() == shape.rank()
                && (0..shape.rank()).all(|at| at == axis || other.shape[at] == shape[at]);
            if !fits {
                return Err(Mistake::new(format!(
                    "`{name}`: {first} and {other} cannot follow each other along axis {axis}"
                ))
                .help("the ranks, and the extents of all other axes, must be equal"));
            }
            // A saturated extent exceeds the limit on a tensor's size, which is checked for every
            // op.
            shape.dims_mut()[axis] = shape[axis].saturating_add(other.shape[axis]);
        }
        Ok(Types::from_elem(Type { dtype, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let Type { dtype, shape } = &results[0];
        let outer: usize = shape[..self.axis].iter().product();
        let mut data = Data::zeros(*dtype, 0);
        for row in 0..outer {
            for operand in operands {
                let length: usize = operand.shape()[self.axis..].iter().product();
                append(&mut data, operand.data(), row * length..(row + 1) * length);
            }
        }
        vec![Tensor::of(shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let shape = w.shape(results[0]);
        let mut start = 0;
        for &operand in operands {
            let own = w.shape(operand);
            w.each(&own, |w, at| {
                let element = w.load(operand, w.at(&own, at));
                let mut target = at.to_vec();
                target[self.axis] = target[self.axis].clone() + start;
                w.store(results[0], w.at(&shape, &target), element);
            });
            start += own[self.axis];
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let dy = node.cotangent();
        let rank = dy.shape().rank();
        let (mut starts, mut limits) = (vec![0; rank], dy.shape().to_vec());
        let mut part = |(operand, &wanted): (&Var, &bool)| {
            limits[self.axis] = starts[self.axis] + operand.shape()[self.axis];
            let part = wanted.then(|| dy.slice(&starts, &limits, &vec![1; rank]));
            starts[self.axis] = limits[self.axis];
            part
        };
        Ok(node.operands.iter().zip(node.wanted).map(&mut part).collect())
    }
}

/// Appends a run of elements of the same type.
fn append(data: &mut Data, from: &Data, run: Range<usize>) {
    match (data, from) {
        (Data::F32(data), Data::F32(from)) => data.extend_from_slice(&from[run]),
        (Data::F64(data), Data::F64(from)) => data.extend_from_slice(&from[run]),
        (Data::BF16(data), Data::BF16(from)) => data.extend_from_slice(&from[run]),
        (Data::F16(data), Data::F16(from)) => data.extend_from_slice(&from[run]),
        (Data::I64(data), Data::I64(from)) => data.extend_from_slice(&from[run]),
        (Data::I32(data), Data::I32(from)) => data.extend_from_slice(&from[run]),
        (Data::U8(data), Data::U8(from)) => data.extend_from_slice(&from[run]),
        (Data::Bool(data), Data::Bool(from)) => data.extend_from_slice(&from[run]),
        _ => unreachable!("the type rule admits operands of one element type"),
    }
}

impl Var {
    /// This tensor and others after it along an axis; see [`Concat`].
    ///
    /// ```
    /// # use brolga_ir::{Tracer, Type};
    /// let tracer = Tracer::new("example");
    /// let x = tracer.input("x", Type::f32([2, 3]));
    /// let y = tracer.input("y", Type::f32([2, 1]));
    /// assert_eq!(x.concat(&[&y, &x], 1).ty(), &Type::f32([2, 7]));
    /// ```
    #[track_caller]
    #[must_use]
    pub fn concat(&self, others: &[&Var], axis: usize) -> Var {
        let operands: Vec<&Var> = std::iter::once(self).chain(others.iter().copied()).collect();
        self.tracer().apply(Concat { axis }, &operands)
    }
}

impl Draw for Concat {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let x = pen.operand(
            |shape| shape.rank() > 0,
            |pen| {
                let rank = pen.rng.between(1, 4);
                pen.shape(rank)
            },
        );
        let axis = pen.rng.below(x.shape().rank());
        let mut operands = vec![x.clone()];
        for _ in 0..pen.rng.below(3) {
            let mut shape = x.shape().clone();
            if pen.rng.one_in(2) {
                shape.dims_mut()[axis] = pen.extent(shape.rank());
            }
            operands.push(pen.value(x.dtype(), shape));
        }
        Some((Self { axis }, operands))
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::ops::checks::{mistake, run, tensor, vector, vjp};

    #[test]
    fn operands_follow_each_other() {
        let x = tensor([2, 1], [1, 2]);
        let y = tensor([2, 2], [3, 4, 5, 6]);
        let joined = run(Concat { axis: 1 }, &[&x, &y, &x]);
        assert_eq!(joined, tensor([2, 4], [1, 3, 4, 1, 2, 5, 6, 2]));
        assert_eq!(run(Concat { axis: 0 }, &[&x, &x]), tensor([4, 1], [1, 2, 1, 2]));
        assert_eq!(run(Concat { axis: 0 }, &[&x]), x);
    }

    #[test]
    fn empty_operands_add_nothing() {
        let (x, empty) = (vector([f16::NAN]), vector::<f16>([]));
        assert_eq!(run(Concat { axis: 0 }, &[&empty, &x]), x);
        assert_eq!(run(Concat { axis: 0 }, &[&empty, &empty]), empty);
    }

    #[test]
    fn gradient_is_cut_apart() {
        let (x, y) = (tensor([2, 1], [0.0_f32; 2]), tensor([2, 2], [0.0_f32; 4]));
        let dy = tensor([2, 3], [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let (dx, dz) = (tensor([2, 1], [1.0_f32, 4.0]), tensor([2, 2], [2.0_f32, 3.0, 5.0, 6.0]));
        assert_eq!(vjp(Concat { axis: 1 }, &[&x, &y], &dy), [Some(dx), Some(dz)]);
    }

    #[test]
    fn operands_that_do_not_fit_are_mistakes() {
        let concat = Concat { axis: 1 };
        insta::assert_snapshot!(mistake(concat, &[]), @"`concat` takes at least one operand, none was given");
        insta::assert_snapshot!(mistake(concat, &["f32[2]"]), @"`concat`: there is no axis 1 in f32[2]");
        insta::assert_snapshot!(mistake(concat, &["f32[2,3]", "f32[2,4]", "f32[3,3]"]), @r"
        `concat`: f32[2,3] and f32[3,3] cannot follow each other along axis 1
          help: the ranks, and the extents of all other axes, must be equal
        ");
        insta::assert_snapshot!(mistake(concat, &["f32[2,3]", "f32[2]"]), @r"
        `concat`: f32[2,3] and f32[2] cannot follow each other along axis 1
          help: the ranks, and the extents of all other axes, must be equal
        ");
        insta::assert_snapshot!(mistake(concat, &["f32[2,3]", "f64[2,3]"]), @r"
        `concat`: the operands have different element types, f32 and f64
          help: convert one of them with `cast`
        ");
    }
}
