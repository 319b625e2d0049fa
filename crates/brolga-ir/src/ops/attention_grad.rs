//! The gradient of attention.

use serde::{Deserialize, Serialize};

use super::attend::{
    Attending, AttentionDims, Formula, Looped, Operands, Place, Real, chain, repeated, wide,
};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::lanes::Lanes;
use crate::loops::{self, Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{DType, Shape, Type};

/// The gradients `dq`, `dk` and `dv` of [`Attention`](super::Attention), of the scores computed
/// again.
///
/// Operands are those of the attention, and after `v`, in `f32` for halves: `g: [.., queries,
/// values]`, the cotangent of the output divided by the sum of exponentials, and `[.., queries, 1]`
/// each, the sums of g times the output, and the greatest scores m. For each query and key,
/// with the score s of the attention,
///
/// p = exp(s − m), u = g·v, ds = p·(u′ − sum) · `scale`,
///
/// where u′ and p′ are u and p after dropout: they are multiplied by the inverse of the probability
/// of being kept, or are 0. For a key that the query may not attend to ds is 0, and with `zeroed` p′
/// too. The results are
///
/// dq = Σ ds·k in ascending key, dk = Σ ds·q and dv = Σ p′·g in ascending query, of neighbours that
/// share keys one after the other.
///
/// u and these three are chains of fused multiply-adds from +0; ds is rounded after each step, the
/// product with `scale` is left out if that is 1. The keys of a query are those that the attention
/// looks at. `bf16` and `f16` are computed in `f32` and rounded at the end. The gradient is that of
/// the same formula in other ops, which stores scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttentionGrad {
    /// How queries attend to keys.
    pub how: Attending,
}

/// Queries, keys, values, cotangents, sums and greatest scores.
const FIXED: usize = 6;

impl AttentionGrad {
    fn compute<T: Real>(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let x = Operands::<T>::new(self.how, FIXED, operands);
        let [g, sums, m] = [3, 4, 5].map(|operand| T::read(operands[operand].data()));
        let AttentionDims { batch, queries, keys, features, values, .. } = x.dims;
        let groups = x.dims.groups();
        let mut dq = vec![T::ZERO; batch * queries * features];
        let mut dk = vec![T::ZERO; groups * keys * features];
        let mut dv = vec![T::ZERO; groups * keys * values];
        let add = |sums: &mut [T], a: T, b: &[T]| {
            sums.iter_mut().zip(b).for_each(|(sum, &b)| *sum = a.fma(b, *sum));
        };
        for row in 0..batch * queries {
            let (n, i) = (row / queries, row % queries);
            let (q, g) = (&x.q[row * features..][..features], &g[row * values..][..values]);
            for key in x.blocks(i).flatten() {
                let at = x.group(n) * keys + key;
                let (k, v) = (&x.k[at * features..][..features], &x.v[at * values..][..values]);
                let p = (x.score(n, i, key) - m[row]).exp();
                let u = x.dropped(chain(v, g), n, i, key);
                let hidden = x.is_hidden(n, i, key);
                let ds = p * (u - sums[row]);
                let ds = self.how.factor().map_or(ds, |scale| ds * T::of(scale.into()));
                let ds = if hidden { T::ZERO } else { ds };
                let unseen = self.how.zeroed && hidden;
                let p = if unseen { T::ZERO } else { x.dropped(p, n, i, key) };
                add(&mut dq[row * features..][..features], ds, k);
                add(&mut dk[at * features..][..features], ds, q);
                add(&mut dv[at * values..][..values], p, g);
            }
        }
        let tensors = results.iter().zip([dq, dk, dv]);
        tensors.map(|(ty, x)| Tensor::of(ty.shape.clone(), T::write(ty.dtype, x))).collect()
    }
}

impl Operation for AttentionGrad {
    fn family(&self) -> Family<'_> {
        Family::Attention
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let y = self.how.check(Self::NAME, FIXED, operands)?;
        let wanted = |last: usize| -> Type {
            let (lead, _) = y.shape.split_at(y.shape.rank() - 1);
            let shape: Shape = lead.iter().copied().chain([last]).collect();
            Type { dtype: wide(y.dtype), shape }
        };
        let values = y.shape[y.shape.rank() - 1];
        let parts = [("cotangents", values), ("sums", 1), ("greatest scores", 1)];
        for ((what, last), &given) in parts.into_iter().zip(&operands[3..]) {
            let wanted = wanted(last);
            if *given != wanted {
                let message = format!("`{name}`: the {what} are {given}, expected {wanted}");
                return Err(Mistake::new(message));
            }
        }
        Ok(operands[..3].iter().map(|&ty| ty.clone()).collect())
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        match operands[0].dtype() {
            DType::F64 => self.compute::<f64>(operands, results),
            _ => self.compute::<f32>(operands, results),
        }
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let x = Looped::new(self.how, w, FIXED, operands);
        let [g, row_sums, m] = [operands[3], operands[4], operands[5]];
        let AttentionDims { share, queries, keys, features, values, .. } = x.dims;
        let sums = [results[0], results[1], results[2]].map(|result| x.sums(w, result));
        let [dq, dk, dv] = sums;
        w.each(&[x.dims.groups()], |w, at| {
            let group = at[0].clone();
            w.repeat(keys, |w, key| {
                let key = &group * keys + key;
                x.fill(w, features, dk, &key);
                x.fill(w, values, dv, &key);
            });
            w.over(&[share, queries], |w, at| {
                let batch = &group * share + at[0].clone();
                let lead = coordinates(w, &batch, &x.lead);
                let place = Place { lead, batch, group, query: at[1].clone() };
                let row = x.row(&place);
                x.fill(w, features, dq, &row);
                let [most, sum] = [m, row_sums].map(|buffer| w.load(buffer, row.clone()));
                x.blocks(w, &place, |w, block| {
                    x.keys(w, block, |w, key, _| {
                        let at = &place.group * keys + key.clone();
                        let hidden = x.hidden(w, &place, key);
                        let score = x.score(w, &place, key, hidden);
                        let p = x.exp_of_difference(w, score, most);
                        let u = x.chain(w, values, (x.v, &at), (g, &row));
                        let kept = x.is_kept(w, &place, key);
                        let u = x.dropped(w, u, kept);
                        let mut lanes = w.lanes(p.scalar.width());
                        let difference = lanes.sub(u, sum);
                        let mut ds = lanes.mul(p, difference);
                        if let Some(scale) = self.how.factor() {
                            let scale = lanes.float(scale.into());
                            ds = lanes.mul(ds, scale);
                        }
                        let ds = x.unless(w, hidden, ds);
                        let p = x.dropped(w, p, kept);
                        let p = if self.how.zeroed { x.unless(w, hidden, p) } else { p };
                        x.add(w, features, ds, (x.k, &at), (dq, &row));
                        x.add(w, features, ds, (x.q, &row), (dk, &at));
                        x.add(w, values, p, (g, &row), (dv, &at));
                    });
                });
            });
        });
        for (sums, &result) in sums.into_iter().zip(results) {
            if sums != result {
                loops::copy(w, sums, result);
            }
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (q, g, sums, m) =
            (&node.operands[0], &node.operands[3], &node.operands[4], &node.operands[5]);
        let formula = Formula::new(self.how, FIXED, node.operands);
        let (dtype, last) = (q.dtype(), [q.shape().rank() - 1]);
        let cast = |x: &Var| if x.dtype() == g.dtype() { x.clone() } else { x.cast(g.dtype()) };
        let share =
            Attending::dims(q.shape(), node.operands[1].shape(), node.operands[2].shape()).share;
        // The cotangents of dq, dk and dv: a, b and c.
        let of = |result: usize| {
            node.cotangents[result].as_ref().map(&cast).unwrap_or_else(|| {
                g.constant_like(0.0).broadcast(node.results[result].shape().clone())
            })
        };
        let (a, b, c) = (of(0), repeated(&of(1), share), repeated(&of(2), share));
        let (q, k, v) = (&formula.q, &formula.k, &formula.v);
        let p = (formula.scores(dtype) - m).exp();
        let u = formula.dropped(&g.matmul_with(v, false, true));
        let difference = &u - sums;
        let ds = formula.scaled(formula.shown(&(&p * &difference)));
        let shares = formula.zeroed(&formula.dropped(&p));
        // Of ds = scale · p · (u − sum), and of p′.
        let of_ds = a.matmul_with(k, false, true) + q.matmul_with(&b, false, true);
        let of_ds = formula.scaled(formula.shown(&of_ds));
        let of_shares = formula.dropped(&formula.zeroed(&g.matmul_with(&c, false, true)));
        let of_p = &of_ds * &difference + of_shares;
        let of_difference = &of_ds * &p;
        let of_u = formula.dropped(&of_difference);
        let of_exponent = &of_p * &p;
        let of_score = formula.scaled(formula.shown(&of_exponent));
        let back = |x: Var| if x.dtype() == dtype { x } else { x.cast(dtype) };
        let products: [Option<Var>; 6] = [
            node.wants(0).then(|| back(ds.matmul(&b) + of_score.matmul(k))),
            node.wants(1).then(|| {
                let dk = ds.matmul_with(&a, true, false) + of_score.matmul_with(q, true, false);
                back(formula.shared(&dk))
            }),
            node.wants(2).then(|| back(formula.shared(&of_u.matmul_with(g, true, false)))),
            node.wants(3).then(|| shares.matmul(&c) + of_u.matmul(v)),
            node.wants(4).then(|| -of_difference.reduce_sum(&last, true)),
            node.wants(5).then(|| -of_exponent.reduce_sum(&last, true)),
        ];
        let rest = node.operands[FIXED..].iter().map(|_| None);
        Ok(products.into_iter().chain(rest).collect())
    }
}

/// The coordinates of an index in a tensor of these extents.
fn coordinates(w: &mut Writer, index: &Index, extents: &[usize]) -> Vec<Index> {
    let mut coordinates = vec![Index::default(); extents.len()];
    let mut rest = index.clone();
    for (coordinate, &extent) in coordinates.iter_mut().zip(extents).rev() {
        (rest, *coordinate) = w.divide(&rest, extent);
    }
    coordinates
}

impl Draw for AttentionGrad {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let (how, fixed, rest) = Attending::draw(pen);
        let [q, _, v] = &fixed;
        let (lead, _) = q.shape().split_at(q.shape().rank() - 1);
        let values = v.shape()[v.shape().rank() - 1];
        let row = |last: usize| -> Shape { lead.iter().copied().chain([last]).collect() };
        let dtype = wide(q.dtype());
        let others = [row(values), row(1), row(1)].map(|shape| pen.value(dtype, shape));
        Some((Self { how }, fixed.into_iter().chain(others).chain(rest).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::ScalarF64;
    use crate::ops::checks::{mistake, run, tensor};

    #[test]
    fn chains_of_few_numbers() {
        // The scores are 2 and 3, the greatest 3; p is exp(−1) and 1, u is 4 and 5.
        let q = tensor([1, 1], [1.0]);
        let k = tensor([2, 1], [2.0, 3.0]);
        let v = tensor([2, 1], [4.0, 5.0]);
        let (g, sums, m) = (tensor([1, 1], [1.0]), tensor([1, 1], [6.0]), tensor([1, 1], [3.0]));
        let operands = [&q, &k, &v, &g, &sums, &m];
        let p = ScalarF64.exp(-1.0);
        let ds = [p * -2.0, -1.0];
        let dq = ds[1].mul_add(3.0, ds[0] * 2.0);
        assert_eq!(run(AttentionGrad::default(), &operands), tensor([1, 1], [dq]));
        let hidden = AttentionGrad { how: Attending { causal: true, ..Attending::default() } };
        assert_eq!(run(hidden, &operands), tensor([1, 1], [ds[0] * 2.0]));
    }

    #[test]
    fn mistakes() {
        let op = AttentionGrad::default();
        let fixed = ["bf16[2,3,4]", "bf16[2,5,4]", "bf16[2,5,6]"];
        let with = |rest: &[&str]| mistake(op, &[&fixed[..], rest].concat());
        insta::assert_snapshot!(with(&[]), @"`attention_grad` takes 6 operands, not 3");
        let most = "f32[2,3,1]";
        insta::assert_snapshot!(with(&["bf16[2,3,6]", most, most]), @"`attention_grad`: the cotangents are bf16[2,3,6], expected f32[2,3,6]");
        insta::assert_snapshot!(with(&["f32[2,3,6]", "f32[2,3]", most]), @"`attention_grad`: the sums are f32[2,3], expected f32[2,3,1]");
    }
}
