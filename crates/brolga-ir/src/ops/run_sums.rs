//! Sums of rows with the same key.

use serde::{Deserialize, Serialize};

use super::elementwise::number;
use super::float::compute;
use super::index::in_range;
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::lanes::Lanes;
use crate::loops::{Buffer, Scalar, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// The sums of the rows of each run of equal keys, and the key of each run at its end.
///
/// `keys: [n]` of `i32` or `i64`, `order: i32[n]`, `updates: [n, d..]` of numbers. Results are
///
/// `sums[p] = s + updates[order[p]]` with s = `sums[p − 1]` if `keys[p] = keys[p − 1]`, else +0, and
/// `ends[p] = keys[p]` if p is the last of its run, else −1.
///
/// An `order` that is out of range adds nothing. `bf16` and `f16` are summed in f32, and each result
/// is rounded; integers wrap. Where keys and order are what [`Sort`](super::Sort) gives of indices,
/// the sum at the end of a run has the bits of the row of [`ScatterAdd`](super::ScatterAdd), and
/// everything else has no row: −1 is out of range for [`Gather`](super::Gather) and
/// [`UpdateRows`](super::UpdateRows).
///
/// The gradient of the updates is the sum of the cotangents from each row to the end of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunSums;

/// The columns that one unit of the scalar loops sums.
const COLUMNS: usize = 64;

impl Operation for RunSums {
    fn family(&self) -> Family<'_> {
        Family::Other
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [keys, order, updates] = expect_operands(Self::NAME, operands)?;
        number(Self::NAME, &[updates.dtype])?;
        let fits = matches!(keys.dtype, DType::I32 | DType::I64)
            && order.dtype == DType::I32
            && keys.shape.rank() == 1
            && keys.shape == order.shape
            && updates.shape.first() == keys.shape.first();
        if !fits {
            return Err(Mistake::new(format!(
                "`{name}`: keys {keys}, an order {order} and updates {updates} do not fit"
            ))
            .help("they are i32[n] or i64[n], i32[n], and [n, ..]"));
        }
        Ok([updates, keys].into_iter().collect())
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let [keys, order, updates] = [operands[0], operands[1], operands[2]];
        let width = results[0].shape[1..].iter().product();
        let numbers = keys.to_i64().expect("the type rule admits integers");
        let order = in_range(order, numbers.len());
        let runs = Runs { keys: &numbers, order: &order, width };
        let data = match updates.data() {
            Data::I64(v) => Data::I64(runs.sums(v, 0, i64::wrapping_add)),
            Data::I32(v) => Data::I32(runs.sums(v, 0, i32::wrapping_add)),
            Data::U8(v) => Data::U8(runs.sums(v, 0, u8::wrapping_add)),
            _ => compute(
                [updates],
                |[v]| runs.sums(v, 0.0, |a, b| a + b),
                |[v]| runs.sums(v, 0.0, |a, b| a + b),
            ),
        };
        let ends = runs.ends();
        let ends = match keys.dtype() {
            DType::I32 => Data::I32(ends.iter().map(|&key| key as i32).collect()),
            _ => Data::I64(ends),
        };
        let [sums, ends] = [(0, data), (1, ends)]
            .map(|(port, data)| Tensor::of(results[port].shape.clone(), data));
        vec![sums, ends]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (keys, order, updates) = (operands[0], operands[1], operands[2]);
        let (sums, ends) = (results[0], results[1]);
        let shape = w.shape(updates);
        let (count, width) = (shape[0], shape[1..].iter().product::<usize>());
        if count == 0 {
            return;
        }
        let integers = Scalar::of(w.dtype(keys)).width();
        let block = width.clamp(1, COLUMNS);
        w.stage(width.div_ceil(block), |w, unit| {
            let first = unit * block;
            let end = w.min(first.clone() + block, width.into());
            w.range(first, end, |w, column| {
                let zero = w.zero(w.dtype(sums));
                let sum = w.variable(zero);
                let before = w.load(keys, 0.into());
                let before = w.variable(before);
                w.repeat(count, |w, place| {
                    let (key, old) = (w.load(keys, place.clone()), w.get(before));
                    let same = w.lanes(integers).ieq(key, old);
                    w.set(before, key);
                    w.update(sum, |w, sum| w.select(same, sum, zero));
                    let from = w.load(order, place.clone());
                    let from = w.index(from);
                    w.inside(
                        from,
                        count,
                        |w, from| {
                            let next = w.load(updates, from * width + column.clone());
                            w.update(sum, |w, sum| w.add(sum, next));
                        },
                        |_| {},
                    );
                    let now = w.get(sum);
                    w.store(sums, place * width + column, now);
                });
            });
        });
        w.each(&[count], |w, at| {
            let key = w.load(keys, at[0].clone());
            let end = w.variable(key);
            w.inside(
                at[0].clone() + 1,
                count,
                |w, next| {
                    let next = w.load(keys, next);
                    let mut lanes = w.lanes(integers);
                    let (same, none) = (lanes.ieq(key, next), lanes.int(-1));
                    let own = w.select(same, none, key);
                    w.set(end, own);
                },
                |_| {},
            );
            let end = w.get(end);
            w.store(ends, at[0].clone(), end);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (keys, order) = (&node.operands[0], &node.operands[1]);
        let product = node.cotangents[0].as_ref().filter(|_| node.wants(2)).map(|dy| {
            let count = keys.shape()[0];
            let tracer = dy.tracer();
            let places = tracer.iota(Type::new(DType::I32, [count]), 0);
            let reversed = [keys.reverse(&[0]), places, dy.reverse(&[0])];
            let sums = tracer.apply_all(RunSums, &reversed.each_ref()).swap_remove(0);
            sums.reverse(&[0]).scatter_add(order, count)
        });
        Ok(vec![None, None, product])
    }
}

/// Rows that are summed by runs.
struct Runs<'a> {
    keys: &'a [i64],
    order: &'a [Option<usize>],
    width: usize,
}

impl Runs<'_> {
    fn sums<T: Copy>(&self, updates: &[T], zero: T, add: impl Fn(T, T) -> T) -> Vec<T> {
        let width = self.width;
        let mut sum = vec![zero; width];
        let mut sums = Vec::with_capacity(updates.len());
        for (place, from) in self.order.iter().enumerate() {
            if place > 0 && self.keys[place] != self.keys[place - 1] {
                sum.fill(zero);
            }
            if let Some(from) = from {
                let update = &updates[from * width..][..width];
                sum.iter_mut().zip(update).for_each(|(sum, &update)| *sum = add(*sum, update));
            }
            sums.extend_from_slice(&sum);
        }
        sums
    }

    fn ends(&self) -> Vec<i64> {
        let next = self.keys.iter().skip(1).map(Some).chain([None]);
        self.keys
            .iter()
            .zip(next)
            .map(|(key, next)| if next == Some(key) { -1 } else { *key })
            .collect()
    }
}

impl Var {
    /// The sums of these rows by the rows of a table that the indices number, which are of `i32` or
    /// `i64`: for each row that occurs the sum at one place, with the row's number; −1 at all
    /// others. See [`RunSums`].
    #[track_caller]
    #[must_use]
    pub fn sums_by_row(&self, indices: &Var) -> (Var, Var) {
        let count = indices.shape().elements();
        let (keys, order) = indices.reshape([count]).sort(0, false);
        let row = self.shape().iter().skip(indices.shape().rank()).copied();
        let updates = self.reshape([count].into_iter().chain(row).collect::<Vec<_>>());
        let results = self.tracer().apply_all(RunSums, &[&keys, &order, &updates]);
        // After a mistake there is one value, which replaces both.
        let [first, last] = [&results[0], &results[results.len() - 1]];
        (first.clone(), last.clone())
    }
}

impl Draw for RunSums {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let updates = pen.operand(
            |shape| shape.rank() > 0,
            |pen| {
                let rank = pen.rng.between(1, 3);
                pen.shape(rank)
            },
        );
        let count = updates.shape()[0];
        let dtype = pen.rng.pick(&[DType::I32, DType::I32, DType::I64]);
        let indices = pen.value(dtype, [count]);
        let (keys, order) = match pen.rng.one_in(3) {
            true => (indices, pen.value(DType::I32, [count])),
            false => indices.sort(0, false),
        };
        Some((Self, vec![keys, order, updates]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::ScatterAdd;
    use crate::ops::checks::{assert_adjoint, cast, fraction, mistake, run, tensor, vector, whole};

    fn results(op: RunSums, operands: [&Tensor; 3]) -> Vec<Tensor> {
        let types = operands.map(Tensor::ty);
        let results = op.infer(&types.each_ref()).expect("the operands fit");
        op.evaluate(&operands, &results)
    }

    /// Keys and order of indices, as `sort` gives them.
    fn sorted(indices: &[i32]) -> (Tensor, Tensor) {
        let mut order: Vec<usize> = (0..indices.len()).collect();
        order.sort_by_key(|&place| indices[place]);
        let keys = vector(order.iter().map(|&place| indices[place]));
        (keys, vector(order.iter().map(|&place| place as i32)))
    }

    proptest! {
        #[test]
        fn the_ends_of_runs_are_the_rows_of_scatter_add(
            (index, updates) in prop::collection::vec(-1..5i32, 0..40)
                .prop_flat_map(|index| (Just(index.clone()), fraction([index.len(), 2])))
        ) {
            for dtype in [DType::F32, DType::F64, DType::BF16] {
                let updates = cast(&updates, dtype);
                let (keys, order) = sorted(&index);
                let given = results(RunSums, [&keys, &order, &updates]);
                let table = run(ScatterAdd { rows: 5 }, &[&vector(index.clone()), &updates]);
                let (sums, table) = (given[0].data().canonical_bits(), table.data().canonical_bits());
                let Data::I32(ends) = given[1].data() else { unreachable!() };
                let mut rows: Vec<i32> = index.iter().copied().filter(|&row| row >= 0).collect();
                rows.sort_unstable();
                rows.dedup();
                let found: Vec<i32> = ends.iter().copied().filter(|&end| end >= 0).collect();
                prop_assert_eq!(&found, &rows, "each row that occurs has one end");
                for (place, &end) in ends.iter().enumerate().filter(|(_, end)| **end >= 0) {
                    let row = end as usize;
                    prop_assert_eq!(&sums[2 * place..][..2], &table[2 * row..][..2]);
                }
            }
        }

        #[test]
        fn gradients_are_adjoint(
            (keys, order, updates, dy) in prop::collection::vec((-1..3i32, -1..7i32), 0..7)
                .prop_flat_map(|places| {
                    let (keys, order): (Vec<i32>, Vec<i32>) = places.into_iter().unzip();
                    let shape = [keys.len(), 2];
                    (Just(keys), Just(order), whole(shape), whole(shape))
                })
        ) {
            assert_adjoint(RunSums, &[&vector(keys), &vector(order), &updates], &dy);
        }
    }

    #[test]
    fn integers_wrap() {
        let keys = vector([4_i64, 4, 4]);
        let order = vector([2, 0, 9]);
        let updates = vector([200_u8, 1, 100]);
        let given = results(RunSums, [&keys, &order, &updates]);
        assert_eq!(given, [vector([100_u8, 44, 44]), vector([-1_i64, -1, 4])]);
        let none =
            results(RunSums, [&vector::<i32>([]), &vector::<i32>([]), &tensor::<f32>([0, 3], [])]);
        assert_eq!(none, [tensor::<f32>([0, 3], []), vector::<i32>([])]);
    }

    #[test]
    fn mistakes() {
        insta::assert_snapshot!(mistake(RunSums, &["i32[3]", "i32[4]", "f32[3,2]"]), @r"
        `run_sums`: keys i32[3], an order i32[4] and updates f32[3,2] do not fit
          help: they are i32[n] or i64[n], i32[n], and [n, ..]
        ");
        insta::assert_snapshot!(mistake(RunSums, &["u8[3]", "i32[3]", "f32[3,2]"]), @r"
        `run_sums`: keys u8[3], an order i32[3] and updates f32[3,2] do not fit
          help: they are i32[n] or i64[n], i32[n], and [n, ..]
        ");
        insta::assert_snapshot!(mistake(RunSums, &["i32[3]", "i32[3]", "bool[3,2]"]), @r"
        `run_sums` takes numbers, not bool
          help: convert the operand with `cast`
        ");
    }
}
