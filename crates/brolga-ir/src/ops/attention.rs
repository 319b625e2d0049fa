//! Attention that stores no scores.

use serde::{Deserialize, Serialize};

use super::AttentionGrad;
use super::attend::{
    Attending, AttentionDims, BLOCK, Formula, Looped, Operands, Place, Real, wide,
};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::graph::Graph;
use crate::lanes::Lanes;
use crate::loops::{self, Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp};
use crate::tensor::Tensor;
use crate::trace::{Tracer, Var};
use crate::types::{DType, Type};

/// `y = dropout(softmax(scale · q·kᵀ)) · v` by blocks of keys, so that scores are never stored at
/// full length.
///
/// `q: [.., queries, features]`, `k: [.., keys, features]`, `v: [.., keys, values]`, floats of one
/// type, of equal leading extents, but that the last of those of `q` may be a multiple of that of
/// `k` and `v`: neighbours share keys and values. With `masked` a `bool` follows that broadcasts to
/// the scores `[.., queries, keys]` and says where a query may attend to a key; with `causal` query
/// i attends to keys 0 to i. With `dropout` a seed `i32[2]` and a step `i32[]` follow. Results are
/// `y: [.., queries, values]`, and for the gradient the greatest score of each query and the sum of
/// the exponentials, `[.., queries, 1]`, in `f32` for halves.
///
/// The order of arithmetic, for each query, from m = the least finite number, l = 0 and o = 0 on,
/// for each block of 64 keys, counted from key 0:
///
/// 1. The score of each key is a chain of fused multiply-adds in ascending feature from +0, times
///    `scale` unless that is 1. That of a key that the query may not attend to is −10⁹ (−3·10⁴ of
///    `f16`) instead.
/// 2. m′ = the greatest of m and the scores; c = exp(m − m′); l and o are multiplied by c.
/// 3. For each key in ascending order, p = exp(score − m′): l is added p, and each oᵥ becomes
///    fma(vᵥ, p′, oᵥ), where p′ is p after dropout; with `zeroed` it is 0 for a key that the query
///    may not attend to.
///
/// At last y = o / l. Without keys y is 0. A causal query looks at no block behind that of its own
/// key; with a mask and without `zeroed` it does, since a query that may attend to no key attends
/// to all alike. With `zeroed` it gives 0.
///
/// So a row depends on its query alone, and keys that it may not attend to behind the others add
/// exactly 0: the bits do not depend on how many of these, and how many queries there are.
///
/// A share is kept with probability 1 − `dropout`, and is then multiplied by its inverse. The random
/// numbers are those of [`RandomBernoulli`](super::RandomBernoulli) of the scores' shape, with the
/// keys rounded up to whole blocks, in the order of the elements.
///
/// `bf16` and `f16` are computed in `f32` and rounded at the end. The gradient is
/// [`AttentionGrad`], which computes the scores again. Milakov and Gimelshein, "Online normalizer
/// calculation for softmax" (2018); Dao et al., "FlashAttention" (2022).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attention {
    /// How queries attend to keys.
    pub how: Attending,
}

/// Queries, keys and values.
const FIXED: usize = 3;

impl Attention {
    /// The function `(q, k, v, ..) → y` for operands of these types, by products and a softmax of all
    /// scores: the same numbers but for rounding, for those who have no such op.
    ///
    /// # Errors
    /// If the op does not accept these operands.
    pub fn formula(&self, operands: &[Type]) -> Result<Graph, Mistake> {
        let tracer = Tracer::new(Self::NAME);
        let input = |(place, ty): (usize, &Type)| tracer.input(&format!("x{place}"), ty.clone());
        let vars: Vec<Var> = operands.iter().enumerate().map(input).collect();
        self.infer(&operands.iter().collect::<Vec<_>>())?;
        let formula = Formula::new(self.how, FIXED, &vars);
        let dtype = vars[0].dtype();
        let scores = formula.scores(dtype);
        let last = [scores.shape().rank() - 1];
        let powers = (&scores - scores.reduce_max(&last, true)).exp();
        let shares = &powers / powers.reduce_sum(&last, true);
        let y = formula.zeroed(&formula.dropped(&shares)).matmul(&formula.v);
        tracer.output(&if y.dtype() == dtype { y } else { y.cast(dtype) });
        drop((vars, formula, scores, powers, shares));
        tracer.finish().map_err(|error| error.mistake)
    }

    fn compute<T: Real>(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let x = Operands::<T>::new(self.how, FIXED, operands);
        let AttentionDims { batch, queries, keys, values, .. } = x.dims;
        let mut y = vec![T::ZERO; batch * queries * values];
        let (mut greatest, mut sums) = (Vec::new(), Vec::new());
        for row in 0..batch * queries {
            let (n, i) = (row / queries, row % queries);
            let o = &mut y[row * values..][..values];
            let (mut m, mut l) = (T::LOWEST, T::ZERO);
            for block in x.blocks(i) {
                let scores: Vec<T> = block.clone().map(|key| x.score(n, i, key)).collect();
                let above = |m: T, &s: &T| if m < s { s } else { m };
                let next = scores.iter().fold(m, above);
                let c = (m - next).exp();
                l = l * c;
                o.iter_mut().for_each(|o| *o = *o * c);
                m = next;
                for (key, s) in block.zip(scores) {
                    let p = (s - m).exp();
                    l = l + p;
                    let unseen = self.how.zeroed && x.is_hidden(n, i, key);
                    let p = if unseen { T::ZERO } else { x.dropped(p, n, i, key) };
                    let v = &x.v[(x.group(n) * keys + key) * values..][..values];
                    o.iter_mut().zip(v).for_each(|(o, v)| *o = v.fma(p, *o));
                }
            }
            if keys > 0 {
                o.iter_mut().for_each(|o| *o = *o / l);
            }
            greatest.push(m);
            sums.push(l);
        }
        let tensors = results.iter().zip([y, greatest, sums]);
        tensors.map(|(ty, x)| Tensor::of(ty.shape.clone(), T::write(ty.dtype, x))).collect()
    }
}

impl Operation for Attention {
    fn family(&self) -> Family<'_> {
        Family::Attention
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let y = self.how.check(Self::NAME, FIXED, operands)?;
        let mut shape = y.shape.clone();
        if let Some(last) = shape.dims_mut().last_mut() {
            *last = 1;
        }
        let row = Type { dtype: wide(y.dtype), shape };
        Ok([y, row.clone(), row].into_iter().collect())
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        match operands[0].dtype() {
            DType::F64 => self.compute::<f64>(operands, results),
            _ => self.compute::<f32>(operands, results),
        }
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let x = Looped::new(self.how, w, FIXED, operands);
        let AttentionDims { batch, share, queries, keys, values, .. } = x.dims;
        let o = x.sums(w, results[0]);
        let block_of_scores = BLOCK.min(keys);
        let ty = Type::new(x.wide, [batch * queries, block_of_scores]);
        let scores = w.temporary(ty);
        let rows: Vec<usize> = x.lead.iter().copied().chain([queries]).collect();
        w.each(&rows, |w, at| {
            let (lead, query) = (at[..at.len() - 1].to_vec(), at[at.len() - 1].clone());
            let batch = w.at(&x.lead, &lead);
            let (group, _) = w.divide(&batch, share);
            let place = Place { lead, batch, group, query };
            let row = x.row(&place);
            let lowest = match x.wide {
                DType::F64 => f64::MIN,
                _ => f64::from(f32::MIN),
            };
            let [lowest, zero] = [w.float(x.wide, lowest), w.zero(x.wide)];
            let (m, l) = (w.variable(lowest), w.variable(zero));
            x.fill(w, values, o, &row);
            x.blocks(w, &place, |w, block| {
                let before = w.get(m);
                let next = w.variable(before);
                x.keys(w, block, |w, key, within| {
                    let hidden = x.hidden(w, &place, key);
                    let score = x.score(w, &place, key, hidden);
                    w.store(scores, &row * block_of_scores + within.clone(), score);
                    x.raise(w, next, score);
                });
                let next = w.get(next);
                let c = x.exp_of_difference(w, before, next);
                w.update(l, |w, l| w.lanes(l.scalar.width()).mul(l, c));
                w.repeat(values, |w, column| {
                    let at = &row * values + column;
                    let old = w.load(o, at.clone());
                    let new = w.lanes(old.scalar.width()).mul(old, c);
                    w.store(o, at, new);
                });
                w.set(m, next);
                x.keys(w, block, |w, key, within| {
                    let score = w.load(scores, &row * block_of_scores + within.clone());
                    let p = x.exp_of_difference(w, score, next);
                    w.update(l, |w, l| w.add(l, p));
                    let kept = x.is_kept(w, &place, key);
                    let mut p = x.dropped(w, p, kept);
                    if self.how.zeroed {
                        let hidden = x.hidden(w, &place, key);
                        p = x.unless(w, hidden, p);
                    }
                    let value = &place.group * keys + key.clone();
                    x.add(w, values, p, (x.v, &value), (o, &row));
                });
            });
            let (m, l) = (w.get(m), w.get(l));
            if keys > 0 {
                w.repeat(values, |w, column| {
                    let at = &row * values + column;
                    let sum = w.load(o, at.clone());
                    let y = w.divide_by(sum, l);
                    w.store(o, at, y);
                });
            }
            w.store(results[1], row.clone(), m);
            w.store(results[2], row, l);
        });
        if o != results[0] {
            loops::copy(w, o, results[0]);
        }
    }

    /// With g = dy / l, the cotangent of the score of a key is `p·(dropout(g·v) − Σ g·y)`, which
    /// [`AttentionGrad`] computes. In gradients of higher order m and l have cotangents too: that of
    /// l adds to the sum, and what is left of both goes to the greatest score.
    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (q, y, m, l) =
            (&node.operands[0], &node.results[0], &node.results[1], &node.results[2]);
        let last = [y.shape().rank() - 1];
        let cast = |x: &Var| if x.dtype() == l.dtype() { x.clone() } else { x.cast(l.dtype()) };
        let g = match &node.cotangents[0] {
            Some(dy) => cast(dy) / l,
            None => l.constant_like(0.0).broadcast(y.shape().clone()),
        };
        let mut sums = (&g * cast(y)).reduce_sum(&last, true);
        if let Some(dl) = &node.cotangents[2] {
            sums = sums - dl;
        }
        let (fixed, rest) = node.operands.split_at(FIXED);
        let operands: Vec<&Var> = fixed.iter().chain([&g, &sums, m]).chain(rest).collect();
        let op = AttentionGrad { how: self.how };
        let mut gradients = q.tracer().apply_all(op, &operands);
        let shift = match (&node.cotangents[1], &node.cotangents[2]) {
            (None, None) => None,
            (Some(dm), None) => Some(dm.clone()),
            (None, Some(dl)) => Some(-(dl * l)),
            (Some(dm), Some(dl)) => Some(dm - dl * l),
        };
        if let Some(shift) = shift
            && gradients.len() == FIXED
        {
            let formula = Formula::new(self.how, FIXED, node.operands);
            let is_greatest = formula.scores(q.dtype()).eq(m);
            let ds = is_greatest.select(&shift, &shift.constant_like(0.0));
            let ds = formula.scaled(formula.shown(&ds));
            let back = |x: Var| if x.dtype() == q.dtype() { x } else { x.cast(q.dtype()) };
            let dk = formula.shared(&ds.matmul_with(&formula.q, true, false));
            gradients[0] = &gradients[0] + back(ds.matmul(&formula.k));
            gradients[1] = &gradients[1] + back(dk);
        }
        let wanted = gradients.into_iter().enumerate();
        Ok(wanted
            .map(|(operand, gradient)| node.wants(operand).then_some(gradient))
            .chain(rest.iter().map(|_| None))
            .collect())
    }
}

impl Var {
    /// Attention of these queries; see [`Attention`]. `how.masked` follows from the mask, and
    /// `random` are seed and step, which are needed where `how.dropout` is not 0.
    #[track_caller]
    #[must_use]
    pub fn attention(
        &self,
        keys: &Var,
        values: &Var,
        mask: Option<&Var>,
        random: Option<(&Var, &Var)>,
        how: Attending,
    ) -> Var {
        let how = Attending { masked: mask.is_some(), ..how };
        let random = random.filter(|_| how.drops()).map(|(seed, step)| [seed, step]);
        let operands: Vec<&Var> = [self, keys, values]
            .into_iter()
            .chain(mask)
            .chain(random.into_iter().flatten())
            .collect();
        self.tracer().apply_all(Attention { how }, &operands).swap_remove(0)
    }
}

impl Draw for Attention {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let (how, fixed, rest) = Attending::draw(pen);
        Some((Self { how }, fixed.into_iter().chain(rest).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpret::interpret;
    use crate::ops::checks::{cast, integers, mistake, run, tensor};
    use crate::tensor::Data;
    use crate::types::Shape;

    /// Numbers between −1 and 1 without a pattern.
    fn numbers(shape: impl Into<Shape>, seed: usize) -> Tensor {
        let shape = shape.into();
        let number = |place: usize| {
            let bits = (place + 1009 * seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (bits >> 40) as f64 / (1 << 23) as f64 - 1.0
        };
        let values: Vec<f64> = (0..shape.elements()).map(number).collect();
        tensor(shape, values)
    }

    fn random() -> [Tensor; 2] {
        [tensor([2], [3, 4]), tensor(Shape::scalar(), [5])]
    }

    /// What the formula in other ops gives.
    fn by_formula(how: Attending, operands: &[&Tensor]) -> Tensor {
        let types: Vec<Type> = operands.iter().map(|x| x.ty()).collect();
        let inputs: Vec<Tensor> = operands.iter().map(|&x| x.clone()).collect();
        let formula = Attention { how }.formula(&types).expect("a graph");
        interpret(&formula, &inputs).expect("its inputs").swap_remove(0)
    }

    fn assert_near(given: &Tensor, expected: &Tensor, tolerance: f64) {
        assert_eq!(given.shape(), expected.shape());
        let pairs = given.data().to_f64().into_iter().zip(expected.data().to_f64());
        for (a, b) in pairs {
            assert!((a - b).abs() <= tolerance, "{a} is not {b}");
        }
    }

    #[test]
    fn it_is_a_softmax_between_two_products() {
        let mask = tensor([6, 1, 150], (0..900).map(|place| place % 5 != 2 && place / 150 != 4));
        for (causal, masked, zeroed, dropout) in [
            (false, false, false, 0.0_f32),
            (true, false, false, 0.0),
            (false, true, false, 0.0),
            (true, true, true, 0.0),
            (false, true, true, 0.5),
        ] {
            let how = Attending {
                scale: 1.5.into(),
                causal,
                masked,
                zeroed,
                dropout: dropout.into(),
                stream: 1,
            };
            let (q, k) = (numbers([6, 70, 5], 1), numbers([3, 150, 5], 2));
            let (v, [seed, step]) = (numbers([3, 150, 4], 3), random());
            let mut operands = vec![&q, &k, &v];
            operands.extend(masked.then_some(&mask));
            operands.extend(how.drops().then_some([&seed, &step]).into_iter().flatten());
            let expected = by_formula(how, &operands);
            assert_near(&run(Attention { how }, &operands), &expected, 1e-13);
            for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::BF16, 0.05), (DType::F16, 0.01)]
            {
                let floats = [&q, &k, &v].map(|x| cast(x, dtype));
                let operands: Vec<&Tensor> =
                    floats.iter().chain(operands[3..].iter().copied()).collect();
                assert_near(&run(Attention { how }, &operands), &expected, tolerance);
            }
        }
    }

    /// A longer sequence, hidden keys behind and fewer queries change no bit of a row.
    #[test]
    fn a_row_depends_on_what_it_sees_alone() {
        let [q, k, v] = [1, 2, 3].map(|seed| cast(&numbers([150, 8], seed), DType::F32));
        let causal = Attention { how: Attending { causal: true, ..Attending::default() } };
        let masked = Attention { how: Attending { masked: true, ..Attending::default() } };
        let whole = run(causal, &[&q, &k, &v]);
        let first = |x: &Tensor, rows: std::ops::Range<usize>| {
            let Some(x) = x.as_f32() else { unreachable!() };
            tensor([rows.len(), 8], x[rows.start * 8..rows.end * 8].iter().copied())
        };
        for query in [0, 1, 62, 63, 64, 65, 127, 128, 149] {
            let one = first(&q, query..query + 1);
            let mask = tensor([150], (0..150).map(|key| key <= query));
            let row = first(&whole, query..query + 1);
            assert_eq!(run(masked, &[&one, &k, &v, &mask]), row, "query {query}");
            let until = |x: &Tensor| first(x, 0..query + 1);
            assert_eq!(run(Attention::default(), &[&one, &until(&k), &until(&v)]), row);
        }
    }

    #[test]
    fn a_query_without_keys_attends_to_all_or_none() {
        let (q, k) = (integers([2, 3]), integers([4, 3]));
        let v = tensor([4, 1], [1.0, 2.0, 3.0, 6.0]);
        let mask = tensor([2, 1], [false, true]);
        for (zeroed, expected) in [(false, 3.0), (true, 0.0)] {
            let how = Attending { masked: true, zeroed, ..Attending::default() };
            let y = run(Attention { how }, &[&q, &k, &v, &mask]);
            assert_eq!(y.data().to_f64()[0], expected);
        }
        let nothing = run(Attention::default(), &[&q, &integers([0, 3]), &integers([0, 2])]);
        assert_eq!(nothing, Tensor::zeros(&Type::new(DType::F64, [2, 2])));
    }

    #[test]
    fn as_many_shares_are_dropped_as_asked() {
        let how = Attending { dropout: 0.25.into(), ..Attending::default() };
        let zeros = Tensor::zeros(&Type::f32([50, 1]));
        let ones = Tensor::full(&Type::f32([400, 1]), 1.0);
        let keys = Tensor::zeros(&Type::f32([400, 1]));
        let [seed, step] = random();
        let y = run(Attention { how }, &[&zeros, &keys, &ones, &seed, &step]);
        let Data::F32(y) = y.data() else { unreachable!() };
        let kept: f32 = y.iter().map(|y| y * 0.75 * 400.0).sum();
        assert!((kept / 20_000.0 - 0.75).abs() < 0.01, "{kept}");
        let how = Attending { dropout: 1.0.into(), ..how };
        let y = run(Attention { how }, &[&zeros, &keys, &ones, &seed, &step]);
        assert_eq!(y, zeros);
        assert_eq!(BLOCK, 64, "the docs say so");
    }

    #[test]
    fn mistakes() {
        let op = Attention::default();
        insta::assert_snapshot!(mistake(op, &["f32[2,3,4]", "f32[2,5,4]"]), @"`attention` takes 3 operands, not 2");
        insta::assert_snapshot!(mistake(op, &["f32[2,3,4]", "f32[2,5,4]", "f64[2,5,4]"]), @r"
        `attention`: the operands have different element types, f32 and f64
          help: convert one of them with `cast`
        ");
        let misfits = [
            ["f32[2,3,4]", "f32[2,5,3]", "f32[2,5,4]"],
            ["f32[2,3,4]", "f32[2,5,4]", "f32[2,6,4]"],
            ["f32[3,3,4]", "f32[2,5,4]", "f32[2,5,4]"],
            ["f32[4]", "f32[4]", "f32[4]"],
            ["f32[2,3,4]", "f32[5,4]", "f32[5,4]"],
        ];
        for operands in misfits {
            let message = mistake(op, &operands);
            let [q, k, v] = operands;
            let start = format!("`attention`: queries {q}, keys {k} and values {v} do not fit\n");
            assert!(message.starts_with(&start), "{message}");
        }
        insta::assert_snapshot!(mistake(op, &misfits[0]), @r"
        `attention`: queries f32[2,3,4], keys f32[2,5,3] and values f32[2,5,4] do not fit
          help: they are [.., queries, features], [.., keys, features] and [.., keys, values]; of equal leading extents, but that the last one of the queries may be a multiple
        ");
        let fixed = ["f32[2,3,4]", "f32[2,5,4]", "f32[2,5,4]"];
        let with = |how: Attending, rest: &[&str]| {
            mistake(Attention { how }, &[&fixed[..], rest].concat())
        };
        let masked = Attending { masked: true, ..Attending::default() };
        insta::assert_snapshot!(with(masked, &["bool[3,4]"]), @r"
        `attention`: the mask is bool[3,4]
          help: it broadcasts to bool[2,3,5]
        ");
        insta::assert_snapshot!(with(masked, &["f32[3,5]"]), @r"
        `attention`: the mask is f32[3,5]
          help: it broadcasts to bool[2,3,5]
        ");
        let dropped = Attending { dropout: 0.5.into(), ..Attending::default() };
        insta::assert_snapshot!(with(dropped, &["i32[]", "i32[]"]), @"`attention` takes a seed i32[2] and a step i32[], not i32[] and i32[]");
        let dropped = Attending { dropout: 1.5.into(), ..Attending::default() };
        insta::assert_snapshot!(with(dropped, &["i32[2]", "i32[]"]), @"`attention`: 1.5 is not a probability between 0 and 1");
        let scaled = Attending { scale: f32::NAN.into(), ..Attending::default() };
        insta::assert_snapshot!(with(scaled, &[]), @"`attention`: the scale NaN is no finite number");
    }
}
