//! Addition into the rows of a table.

use serde::{Deserialize, Serialize};

use super::elementwise::number;
use super::float::compute;
use super::index::{check_indices, in_range};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{self, Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Shape, Type};

/// `y[r, d..] = Σ updates[i.., d..]` over the indices `i..` at which `indices` is `r`.
///
/// `indices: [i..]` of `i32`, `i64` or `u8`, `updates: [i.., d..]` of numbers; the result is
/// `[rows, d..]`. Each element starts at +0 and adds its updates in ascending (row-major) order of
/// their index; `bf16` and `f16` are summed in f32 and rounded at the end, integers wrap. Updates
/// whose index is out of range, a negative one too, are ignored. The gradient of the updates is
/// [`Gather`](super::Gather) of the cotangent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScatterAdd {
    /// The number of rows of the result.
    pub rows: usize,
}

/// The columns of the table that one unit of the scalar loops fills.
const COLUMNS: usize = 64;

impl Operation for ScatterAdd {
    fn family(&self) -> Family<'_> {
        Family::Movement
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [indices, updates] = expect_operands(Self::NAME, operands)?;
        check_indices(Self::NAME, indices.dtype)?;
        let dtype = number(Self::NAME, &[updates.dtype])?;
        let Some(row) = updates.shape.strip_prefix(&*indices.shape) else {
            return Err(Mistake::new(format!(
                "`{name}`: the updates {updates} are not one row for each of the indices {indices}"
            ))
            .help("the shape of the updates must begin with that of the indices"));
        };
        let shape: Shape = std::iter::once(self.rows).chain(row.iter().copied()).collect();
        Ok(Types::from_elem(Type { dtype, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (indices, updates) = (operands[0], operands[1]);
        let shape = &results[0].shape;
        let width = shape[1..].iter().product();
        let rows = in_range(indices, self.rows);
        let table = Table { elements: shape.elements(), width, rows: &rows };
        let data = match updates.data() {
            Data::I64(v) => Data::I64(table.scatter(v, 0, i64::wrapping_add)),
            Data::I32(v) => Data::I32(table.scatter(v, 0, i32::wrapping_add)),
            Data::U8(v) => Data::U8(table.scatter(v, 0, u8::wrapping_add)),
            _ => compute(
                [updates],
                |[v]| table.scatter(v, 0.0, |a, b| a + b),
                |[v]| table.scatter(v, 0.0, |a, b| a + b),
            ),
        };
        vec![Tensor::of(shape.clone(), data)]
    }

    /// The sums are in the result, or in `f32` temporaries for halves: they are cleared, added to
    /// in the order of the updates, and rounded.
    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (indices, updates, y) = (operands[0], operands[1], results[0]);
        let ty = w.ty(y).clone();
        let is_half = matches!(ty.dtype, DType::BF16 | DType::F16);
        let sums = if is_half { w.temporary(Type::f32(ty.shape.clone())) } else { y };
        w.each(&[ty.shape.elements()], |w, at| {
            let zero = w.zero(w.dtype(sums));
            w.store(sums, at[0].clone(), zero);
        });
        let width: usize = ty.shape[1..].iter().product();
        let count = w.shape(indices).elements();
        let block = width.clamp(1, COLUMNS);
        w.stage(width.div_ceil(block), |w, unit| {
            let first = unit * block;
            let end = w.min(first.clone() + block, width.into());
            w.repeat(count, |w, update| {
                let row = w.load(indices, update.clone());
                let row = w.index(row);
                let add = |w: &mut Writer, row: Index| {
                    w.range(first, end, |w, column| {
                        let next = w.load(updates, update * width + column.clone());
                        let offset = row * width + column;
                        let sum = w.load(sums, offset.clone());
                        let sum = w.add(sum, next);
                        w.store(sums, offset, sum);
                    });
                };
                w.inside(row, self.rows, add, |_| {});
            });
        });
        if is_half {
            loops::copy(w, sums, y);
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None, Some(node.cotangent().gather(&node.operands[0]))])
    }
}

/// A table to be filled: its extents, and the row that each update goes to.
struct Table<'a> {
    elements: usize,
    width: usize,
    rows: &'a [Option<usize>],
}

impl Table<'_> {
    fn scatter<T: Copy>(&self, updates: &[T], zero: T, add: impl Fn(T, T) -> T) -> Vec<T> {
        let mut table = vec![zero; self.elements];
        for (index, row) in self.rows.iter().enumerate() {
            if let Some(row) = row {
                let update = &updates[index * self.width..][..self.width];
                let row = &mut table[row * self.width..][..self.width];
                for (sum, &update) in row.iter_mut().zip(update) {
                    *sum = add(*sum, update);
                }
            }
        }
        table
    }
}

impl Var {
    /// A table of `rows` rows in which these updates are added to the rows that the indices number;
    /// see [`ScatterAdd`].
    #[track_caller]
    #[must_use]
    pub fn scatter_add(&self, indices: &Var, rows: usize) -> Var {
        indices.binary(ScatterAdd { rows }, self)
    }
}

impl Draw for ScatterAdd {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let updates = pen.operand(|shape| shape.rank() < 5, Pen::any_shape);
        let rank = pen.rng.below(updates.shape().rank().min(3) + 1);
        let indices = pen.indices(&updates.shape()[..rank]);
        let row: usize = updates.shape()[rank..].iter().product();
        let most = pen.limit() / row.max(1);
        Some((Self { rows: pen.extent(2).min(most) }, vec![indices, updates]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::checks::{assert_adjoint, cast, f32s, fraction, mistake, run, whole};
    use crate::types::DType;

    fn indices(indices: &[i32]) -> Tensor {
        Tensor::of([indices.len()], Data::I32(indices.to_vec()))
    }

    proptest! {
        #[test]
        fn each_element_is_the_sum_in_ascending_order(
            (index, updates) in prop::collection::vec(-1..4i32, 0..40)
                .prop_flat_map(|index| (Just(index.clone()), fraction([index.len(), 2])))
        ) {
            let Some(values) = updates.as_f32() else { unreachable!() };
            let sum = |row: usize, column: usize| {
                let updates = (0..index.len()).filter(|&update| index[update] == row as i32);
                updates.fold(0.0f32, |sum, update| sum + values[update * 2 + column])
            };
            let table: Vec<f32> = (0..3).flat_map(|row| [sum(row, 0), sum(row, 1)]).collect();
            let result = run(ScatterAdd { rows: 3 }, &[&indices(&index), &updates]);
            prop_assert_eq!(result, f32s([3, 2], &table));
        }

        #[test]
        fn gradients_are_adjoint(
            (index, updates, dy) in prop::collection::vec(-1..4i32, 0..7).prop_flat_map(|index| {
                (Just(index.clone()), whole([index.len(), 2]), whole([3, 2]))
            })
        ) {
            assert_adjoint(ScatterAdd { rows: 3 }, &[&indices(&index), &updates], &dy);
        }
    }

    #[test]
    fn integers_wrap_and_halves_are_rounded_once() {
        let op = ScatterAdd { rows: 1 };
        let index = indices(&[0, 0, 0]);
        let bytes = Tensor::of([3], Data::U8(vec![200, 100, 1]));
        assert_eq!(run(op, &[&index, &bytes]).data(), &Data::U8(vec![45]));
        let ints = Tensor::of([3], Data::I64(vec![i64::MAX, 1, 1]));
        assert_eq!(run(op, &[&index, &ints]).data(), &Data::I64(vec![i64::MIN + 1]));
        let floats = f32s([3], &[256.0, 1.0, 1.0]);
        for dtype in [DType::BF16, DType::F16, DType::F32, DType::F64] {
            let sum = run(op, &[&index, &cast(&floats, dtype)]);
            assert_eq!(sum, Tensor::full(&Type::new(dtype, [1]), 258.0));
        }
    }

    #[test]
    fn nothing_gives_zeros_and_no_row_takes_nothing() {
        let none = run(ScatterAdd { rows: 2 }, &[&indices(&[]), &f32s([0, 2], &[])]);
        assert_eq!(none, f32s([2, 2], &[0.0; 4]));
        let none = run(ScatterAdd { rows: 0 }, &[&indices(&[0]), &f32s([1, 2], &[1.0; 2])]);
        assert_eq!(none, f32s([0, 2], &[]));
        let scalar = Tensor::of(Shape::scalar(), Data::U8(vec![1]));
        let one = run(ScatterAdd { rows: 2 }, &[&scalar, &f32s(Shape::scalar(), &[-0.0])]);
        assert_eq!(one, f32s([2], &[0.0, 0.0]));
    }

    #[test]
    fn mistakes() {
        let op = ScatterAdd { rows: 3 };
        insta::assert_snapshot!(mistake(op, &["i32[4]", "f32[5,2]"]), @r"
        `scatter_add`: the updates f32[5,2] are not one row for each of the indices i32[4]
          help: the shape of the updates must begin with that of the indices
        ");
        insta::assert_snapshot!(mistake(op, &["f32[4]", "f32[4,2]"]), @r"
        `scatter_add` takes indices of i32, i64 or u8, not f32
          help: convert the indices with `cast`
        ");
        insta::assert_snapshot!(mistake(op, &["i32[4]", "bool[4,2]"]), @r"
        `scatter_add` takes numbers, not bool
          help: convert the operand with `cast`
        ");
        let endless = ScatterAdd { rows: usize::MAX };
        insta::assert_snapshot!(mistake(endless, &["i32[4]", "f32[4,2]"]), @r"
        `scatter_add`: a tensor of type f32[18446744073709551615,2] is larger than the limit of 64 TiB
        ");
    }
}
