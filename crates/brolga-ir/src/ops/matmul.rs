//! The matrix product with batch dimensions.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Shape, Type};

/// `C[.., m, n] = Σₖ A[.., m, k] · B[.., k, n]`.
///
/// With `transpose_a` the operand is given as `[.., k, m]`, with `transpose_b` as `[.., n, k]`.
/// Batch dimensions, those before the last two, are equal. Each element is a chain of fused
/// multiply-adds in ascending `k`, starting from +0; `bf16` and `f16` accumulate in f32 and round
/// at the end; integers wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matmul {
    /// Whether the last two axes of the left operand are exchanged.
    #[serde(default)]
    pub transpose_a: bool,
    /// Whether the last two axes of the right operand are exchanged.
    #[serde(default)]
    pub transpose_b: bool,
}

/// The extents of a matrix product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatmulDims {
    /// The product of the batch dimensions.
    pub batch: usize,
    /// Rows of the result.
    pub m: usize,
    /// Columns of the result.
    pub n: usize,
    /// The contracted extent.
    pub k: usize,
}

impl Matmul {
    /// The extents for operands of these shapes, which the type rule has accepted.
    pub fn dims(&self, a: &Shape, b: &Shape) -> MatmulDims {
        let (batch, a) = a.split_at(a.rank() - 2);
        let b = &b[b.rank() - 2..];
        let (m, k) = if self.transpose_a { (a[1], a[0]) } else { (a[0], a[1]) };
        let n = if self.transpose_b { b[0] } else { b[1] };
        MatmulDims { batch: batch.iter().product(), m, n, k }
    }
}

impl Operation for Matmul {
    fn family(&self) -> Family<'_> {
        Family::Contraction { cotangent: None }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [a, b] = expect_operands(Self::NAME, operands)?;
        if a.dtype != b.dtype || a.dtype == DType::Bool {
            return Err(Mistake::new(format!(
                "`{name}` takes numbers of one element type, not {} and {}",
                a.dtype, b.dtype
            )));
        }
        let (ra, rb) = (a.shape.rank(), b.shape.rank());
        if ra < 2 || ra != rb || a.shape[..ra - 2] != b.shape[..rb - 2] {
            return Err(Mistake::new(format!("`{name}`: {a} and {b} are no batches of matrices"))
                .help("both need the same rank, at least 2, and equal extents before the last two axes"));
        }
        let inner = |shape: &Shape, last: bool| shape[ra - 1 - usize::from(!last)];
        let (ka, kb) = (inner(&a.shape, !self.transpose_a), inner(&b.shape, self.transpose_b));
        if ka != kb {
            return Err(Mistake::new(format!(
                "`{name}`: the contracted extents differ, {ka} in {a} and {kb} in {b}"
            )));
        }
        let dims = self.dims(&a.shape, &b.shape);
        let shape = a.shape[..ra - 2].iter().copied().chain([dims.m, dims.n]);
        Ok(Types::from_elem(Type { dtype: a.dtype, shape: Shape::new(shape) }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let dims = self.dims(operands[0].shape(), operands[1].shape());
        let half = |a: Vec<f32>, b: Vec<f32>| {
            self.product(dims, &a, &b, 0.0, |a, b, c| a.mul_add(b, c)).into_iter()
        };
        let data = match (operands[0].data(), operands[1].data()) {
            (Data::F32(a), Data::F32(b)) => {
                Data::F32(self.product(dims, a, b, 0.0, |a, b, c| a.mul_add(b, c)))
            }
            (Data::F64(a), Data::F64(b)) => {
                Data::F64(self.product(dims, a, b, 0.0, |a, b, c| a.mul_add(b, c)))
            }
            (Data::BF16(a), Data::BF16(b)) => {
                let widen = |v: &[bf16]| v.iter().map(|x| x.to_f32()).collect();
                Data::BF16(half(widen(a), widen(b)).map(bf16::from_f32).collect())
            }
            (Data::F16(a), Data::F16(b)) => {
                let widen = |v: &[f16]| v.iter().map(|x| x.to_f32()).collect();
                Data::F16(half(widen(a), widen(b)).map(f16::from_f32).collect())
            }
            (Data::I64(a), Data::I64(b)) => {
                Data::I64(self.product(dims, a, b, 0, |a, b, c| c.wrapping_add(a.wrapping_mul(b))))
            }
            (Data::I32(a), Data::I32(b)) => {
                Data::I32(self.product(dims, a, b, 0, |a, b, c| c.wrapping_add(a.wrapping_mul(b))))
            }
            (Data::U8(a), Data::U8(b)) => {
                Data::U8(self.product(dims, a, b, 0, |a, b, c| c.wrapping_add(a.wrapping_mul(b))))
            }
            _ => unreachable!("the type rule admits numbers of one element type"),
        };
        vec![Tensor::of(results[0].shape.clone(), data)]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let MatmulDims { batch, m, n, k } = self.dims(&w.shape(operands[0]), &w.shape(operands[1]));
        let (a_extents, b_extents) = (
            if self.transpose_a { [batch, k, m] } else { [batch, m, k] },
            if self.transpose_b { [batch, n, k] } else { [batch, k, n] },
        );
        w.each(&[batch, m, n], |w, at| {
            let [matrix, row, column] = [0, 1, 2].map(|axis| at[axis].clone());
            let zero = w.zero(w.dtype(results[0]));
            let sum = w.variable(zero);
            w.repeat(k, |w, k| {
                let swap =
                    |swapped: bool, [x, y]: [Index; 2]| if swapped { [y, x] } else { [x, y] };
                let [x, y] = swap(self.transpose_a, [row.clone(), k.clone()]);
                let a = w.load(operands[0], w.at(&a_extents, &[matrix.clone(), x, y]));
                let [x, y] = swap(self.transpose_b, [k, column.clone()]);
                let b = w.load(operands[1], w.at(&b_extents, &[matrix.clone(), x, y]));
                w.update(sum, |w, sum| w.multiply_add(a, b, sum));
            });
            let sum = w.get(sum);
            w.store(results[0], w.at(&[batch, m, n], at), sum);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (a, b, dc) = (&node.operands[0], &node.operands[1], node.cotangent());
        let da = || match self.transpose_a {
            true => b.matmul_with(dc, self.transpose_b, true),
            false => dc.matmul_with(b, false, !self.transpose_b),
        };
        let db = || match self.transpose_b {
            true => dc.matmul_with(a, true, self.transpose_a),
            false => a.matmul_with(dc, !self.transpose_a, false),
        };
        Ok(vec![node.wants(0).then(da), node.wants(1).then(db)])
    }
}

impl Matmul {
    fn product<T: Copy>(
        &self,
        MatmulDims { batch, m, n, k }: MatmulDims,
        a: &[T],
        b: &[T],
        zero: T,
        fma: impl Fn(T, T, T) -> T,
    ) -> Vec<T> {
        let (a_row, a_k) = if self.transpose_a { (1, m) } else { (k, 1) };
        let (b_col, b_k) = if self.transpose_b { (k, 1) } else { (1, n) };
        let mut c = vec![zero; batch * m * n];
        if k == 0 {
            return c;
        }
        for (index, c) in c.chunks_exact_mut(n.max(1)).enumerate() {
            let (matrix, row) = (index / m, index % m);
            let (a, b) = (&a[matrix * m * k + row * a_row..], &b[matrix * k * n..]);
            for i in 0..k {
                let x = a[i * a_k];
                for (j, c) in c.iter_mut().enumerate() {
                    *c = fma(x, b[i * b_k + j * b_col], *c);
                }
            }
        }
        c
    }
}

impl Var {
    /// The matrix product of the last two axes; see [`Matmul`].
    #[track_caller]
    #[must_use]
    pub fn matmul(&self, other: &Var) -> Var {
        self.matmul_with(other, false, false)
    }

    /// The matrix product with either operand transposed; see [`Matmul`].
    #[track_caller]
    #[must_use]
    pub fn matmul_with(&self, other: &Var, transpose_a: bool, transpose_b: bool) -> Var {
        self.binary(Matmul { transpose_a, transpose_b }, other)
    }
}

impl Draw for Matmul {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let op = Self { transpose_a: pen.rng.one_in(3), transpose_b: pen.rng.one_in(3) };
        let ranks = pen.rng.pick(&[2, 2, 2, 3, 4]);
        let a = pen.operand(|shape| shape.rank() >= 2, |pen| pen.shape(ranks));
        let (batch, last) = a.shape().split_at(a.shape().rank() - 2);
        let (m, k) = if op.transpose_a { (last[1], last[0]) } else { (last[0], last[1]) };
        let n = pen.columns(batch.iter().product(), m, k);
        let last = if op.transpose_b { [n, k] } else { [k, n] };
        let b: Shape = batch.iter().copied().chain(last).collect();
        let b = pen.value(a.dtype(), b);
        Some((op, vec![a, b]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{assert_adjoint, integers, mistake, run, tensor};

    fn matmul(transpose_a: bool, transpose_b: bool) -> Matmul {
        Matmul { transpose_a, transpose_b }
    }

    #[test]
    fn multiplies_rows_by_columns() {
        let a = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
        let b = tensor([3, 2], [7, 8, 9, 10, 11, 12]);
        let c = tensor([2, 2], [58, 64, 139, 154]);
        assert_eq!(run(matmul(false, false), &[&a, &b]), c);
        let a_t = tensor([3, 2], [1, 4, 2, 5, 3, 6]);
        let b_t = tensor([2, 3], [7, 9, 11, 8, 10, 12]);
        assert_eq!(run(matmul(true, false), &[&a_t, &b]), c);
        assert_eq!(run(matmul(false, true), &[&a, &b_t]), c);
        assert_eq!(run(matmul(true, true), &[&a_t, &b_t]), c);
    }

    #[test]
    fn batches_are_multiplied_one_by_one() {
        let a = tensor([2, 1, 2], [1.0_f32, 2.0, 3.0, 4.0]);
        let b = tensor([2, 2, 1], [5.0_f32, 6.0, 7.0, 8.0]);
        assert_eq!(run(matmul(false, false), &[&a, &b]), tensor([2, 1, 1], [17.0_f32, 53.0]));
    }

    #[test]
    fn products_are_fused_in_ascending_order() {
        let ulp = f32::EPSILON;
        // (1 + ε)² − (1 + 2ε) = ε² only if the product is not rounded before the sum.
        let a = tensor([1, 2], [-(1.0 + 2.0 * ulp), 1.0 + ulp]);
        let b = tensor([2, 1], [1.0, 1.0 + ulp]);
        assert_eq!(run(matmul(false, false), &[&a, &b]), tensor([1, 1], [ulp * ulp]));
        let a = tensor([1, 3], [1e30_f32, 1.0, -1e30]);
        let b = tensor([3, 1], [1.0_f32; 3]);
        assert_eq!(run(matmul(false, false), &[&a, &b]), tensor([1, 1], [0.0_f32]));
    }

    #[test]
    fn empty_extents_give_zeros_or_nothing() {
        let (a, b) = (tensor::<f32>([2, 0], []), tensor::<f32>([0, 3], []));
        assert_eq!(run(matmul(false, false), &[&a, &b]), tensor([2, 3], [0.0_f32; 6]));
        assert_eq!(run(matmul(true, false), &[&b, &b]), tensor([3, 3], [0.0_f32; 9]));
        let (a, b) = (tensor([1, 1], [2_u8]), tensor::<u8>([1, 0], []));
        assert_eq!(run(matmul(false, false), &[&a, &b]), tensor::<u8>([1, 0], []));
    }

    #[test]
    fn half_precision_rounds_once() {
        let a = tensor([1, 3], [256.0, 1.0, 1.0].map(bf16::from_f32));
        let b = tensor([3, 1], [bf16::ONE; 3]);
        assert_eq!(run(matmul(false, false), &[&a, &b]), tensor([1, 1], [bf16::from_f32(258.0)]));
    }

    #[test]
    fn gradients_are_products_again() {
        for (transpose_a, transpose_b) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let a = integers(if transpose_a { [2, 4, 3] } else { [2, 3, 4] });
            let b = integers(if transpose_b { [2, 5, 4] } else { [2, 4, 5] });
            assert_adjoint(matmul(transpose_a, transpose_b), &[&a, &b], &integers([2, 3, 5]));
        }
    }

    #[test]
    fn operands_that_do_not_fit_are_mistakes() {
        let plain = matmul(false, false);
        insta::assert_snapshot!(
            mistake(plain, &["f32[2,3]", "f32[2,3]"]),
            @"`matmul`: the contracted extents differ, 3 in f32[2,3] and 2 in f32[2,3]"
        );
        insta::assert_snapshot!(mistake(plain, &["f32[3]", "f32[3,2]"]), @r"
        `matmul`: f32[3] and f32[3,2] are no batches of matrices
          help: both need the same rank, at least 2, and equal extents before the last two axes
        ");
        insta::assert_snapshot!(
            mistake(plain, &["f32[2,3]", "f64[3,2]"]),
            @"`matmul` takes numbers of one element type, not f32 and f64"
        );
    }
}
