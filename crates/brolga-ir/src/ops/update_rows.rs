//! Rows of a table that change.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::elementwise::number;
use super::index::{check_indices, in_range};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::interpret::Bodies;
use crate::loops::{self, Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Shape, Type};

/// What an update does to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// It takes its place.
    Set,
    /// It is added to it.
    Add,
}

/// The table, in which the rows at the indices are replaced by updates, or have these added:
/// `y[indices[i..], d..] = updates[i.., d..]`, or `+=`, and `y = table` elsewhere.
///
/// `table: [rows, d..]` of any element type, or of numbers to add to; `indices: [i..]` of `i32`,
/// `i64` or `u8`; `updates: [i.., d..]` of the table's element type. Updates are made in ascending
/// (row-major) order of their index: the last one of a row stays, and each addition rounds to the
/// element type; integers wrap. Updates whose index is out of range, a negative one too, are
/// ignored.
///
/// Where nothing else reads the table afterwards, the rows change in place, and the table is not
/// copied: a loop that carries a table and changes a row in each step takes time for the row alone.
///
/// The gradient by the table is the cotangent, for `set` with zeros in the rows that were replaced;
/// that by the updates is [`Gather`](super::Gather) of it, for `set` zeros for updates that were
/// replaced themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateRows {
    /// What an update does.
    pub update: Update,
}

/// The columns of the table that one unit of the scalar loops fills.
const COLUMNS: usize = 64;

impl Operation for UpdateRows {
    fn family(&self) -> Family<'_> {
        match self.update {
            Update::Set => Family::Movement,
            Update::Add => Family::Other,
        }
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [table, indices, updates] = expect_operands(Self::NAME, operands)?;
        check_indices(Self::NAME, indices.dtype)?;
        if self.update == Update::Add {
            number(Self::NAME, &[table.dtype])?;
        }
        let Some((_, row)) = table.shape.split_first() else {
            return Err(Mistake::new(format!("`{name}` takes a table [rows, ..], not {table}")));
        };
        let shape: Shape = indices.shape.iter().chain(row).copied().collect();
        let expected = Type { dtype: table.dtype, shape };
        if updates != expected {
            return Err(Mistake::new(format!(
                "`{name}`: the updates are {updates}, expected {expected}"
            ))
            .help("one row of the table for each index"));
        }
        Ok(Types::from_elem(table, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let operands = operands.iter().copied().map(Cow::Borrowed).collect();
        self.evaluate_owned(operands, results, &mut Bodies::unobserved())
    }

    fn evaluate_owned(
        &self,
        mut operands: Vec<Cow<'_, Tensor>>,
        results: &[Type],
        _: &mut Bodies<'_>,
    ) -> Vec<Tensor> {
        let others = operands.split_off(1);
        let shape = &results[0].shape;
        let rows = Rows {
            width: shape[1..].iter().product(),
            places: in_range(&others[0], shape[0]),
            update: self.update,
        };
        let table = operands.pop().map(|table| table.into_owned().into_data());
        let mut table = table.expect("the type rule has counted the operands");
        match (&mut table, others[1].data()) {
            (Data::F32(y), Data::F32(v)) => rows.change(y, v, |a, b| a + b),
            (Data::F64(y), Data::F64(v)) => rows.change(y, v, |a, b| a + b),
            (Data::BF16(y), Data::BF16(v)) => {
                rows.change(y, v, |a, b| half::bf16::from_f32(a.to_f32() + b.to_f32()));
            }
            (Data::F16(y), Data::F16(v)) => {
                rows.change(y, v, |a, b| half::f16::from_f32(a.to_f32() + b.to_f32()));
            }
            (Data::I64(y), Data::I64(v)) => rows.change(y, v, i64::wrapping_add),
            (Data::I32(y), Data::I32(v)) => rows.change(y, v, i32::wrapping_add),
            (Data::U8(y), Data::U8(v)) => rows.change(y, v, u8::wrapping_add),
            (Data::Bool(y), Data::Bool(v)) => rows.change(y, v, |_, b| b),
            _ => unreachable!("the type rule admits operands of one element type"),
        }
        vec![Tensor::of(shape.clone(), table)]
    }

    fn updated(&self) -> Option<usize> {
        Some(0)
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        loops::copy(w, operands[0], results[0]);
        self.update_loops(w, operands, results[0]);
    }

    fn update_loops(&self, w: &mut Writer, operands: &[Buffer], target: Buffer) {
        let (indices, updates) = (operands[1], operands[2]);
        let shape = w.shape(target);
        let (rows, width) = (shape[0], shape[1..].iter().product::<usize>());
        let count = w.shape(indices).elements();
        let block = width.clamp(1, COLUMNS);
        w.stage(width.div_ceil(block), |w, unit| {
            let first = unit * block;
            let end = w.min(first.clone() + block, width.into());
            w.repeat(count, |w, update| {
                let row = w.load(indices, update.clone());
                let row = w.index(row);
                let change = |w: &mut Writer, row: Index| {
                    w.range(first, end, |w, column| {
                        let mut next = w.load(updates, update * width + column.clone());
                        let offset = row * width + column;
                        if self.update == Update::Add {
                            let old = w.load(target, offset.clone());
                            next = w.add(old, next);
                        }
                        w.store(target, offset, next);
                    });
                };
                w.inside(row, rows, change, |_| {});
            });
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (dy, indices, updates) = (node.cotangent(), &node.operands[1], &node.operands[2]);
        // The cotangent is read before it changes, so that it can do so in place.
        let of_updates = node.wants(2).then(|| {
            let rows = dy.gather(indices);
            match self.update {
                Update::Set if indices.shape().elements() > 1 => last_ones(dy, indices, &rows),
                _ => rows,
            }
        });
        let of_table = match self.update {
            Update::Add => node.wants(0).then(|| dy.clone()),
            Update::Set => node
                .wants(0)
                .then(|| dy.set_rows(indices, &updates.tracer().full(updates.ty(), 0.0))),
        };
        Ok(vec![of_table, None, of_updates])
    }
}

/// The rows whose update is the last one of its row of the table, zeros elsewhere.
fn last_ones(table: &Var, indices: &Var, rows: &Var) -> Var {
    let tracer = table.tracer();
    let shape = indices.shape().clone();
    let count = shape.elements();
    let numbers = tracer.iota(Type::new(DType::I32, [count]), 0).reshape(shape.clone());
    let none = tracer.full(&Type::new(DType::I32, &table.shape()[..1]), -1.0);
    let last = none.set_rows(indices, &numbers).gather(indices).eq(&numbers);
    let ones = std::iter::repeat_n(1, rows.shape().rank() - shape.rank());
    let last = last.reshape(shape.iter().copied().chain(ones).collect::<Shape>());
    last.select(rows, &rows.constant_like(0.0))
}

/// The rows that change.
struct Rows {
    width: usize,
    /// For each update its row, if there is such a row.
    places: Vec<Option<usize>>,
    update: Update,
}

impl Rows {
    fn change<T: Copy>(&self, table: &mut [T], updates: &[T], add: impl Fn(T, T) -> T) {
        for (index, row) in self.places.iter().enumerate() {
            let Some(row) = row else { continue };
            let update = &updates[index * self.width..][..self.width];
            let row = &mut table[row * self.width..][..self.width];
            match self.update {
                Update::Set => row.copy_from_slice(update),
                Update::Add => {
                    row.iter_mut().zip(update).for_each(|(old, &new)| *old = add(*old, new));
                }
            }
        }
    }
}

impl Var {
    /// This table with the rows at the indices replaced; see [`UpdateRows`].
    ///
    /// ```
    /// use brolga_ir::{DType, Data, Tensor, Tracer, Type, interpret};
    ///
    /// let t = Tracer::new("note");
    /// let table = t.input("table", Type::f32([3]));
    /// let (place, x) = (t.input("place", Type::new(DType::I32, [])), t.input("x", Type::f32([])));
    /// t.output(&table.set_rows(&place, &x));
    /// t.output(&table.add_rows(&place, &x));
    /// # drop((table, place, x));
    /// let graph = t.finish()?;
    ///
    /// let table = Tensor::f32([3], vec![1.0, 2.0, 3.0]).ok_or("three elements")?;
    /// let place = Tensor::new([], Data::I32(vec![1])).ok_or("one element")?;
    /// let x = Tensor::f32([], vec![5.0]).ok_or("one element")?;
    /// let tables = interpret(&graph, &[table, place, x])?;
    /// assert_eq!(tables[0].as_f32(), Some([1.0, 5.0, 3.0].as_slice()));
    /// assert_eq!(tables[1].as_f32(), Some([1.0, 7.0, 3.0].as_slice()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn set_rows(&self, indices: &Var, updates: &Var) -> Var {
        self.tracer().apply(UpdateRows { update: Update::Set }, &[self, indices, updates])
    }

    /// This table with updates added to the rows at the indices; see [`UpdateRows`].
    #[track_caller]
    #[must_use]
    pub fn add_rows(&self, indices: &Var, updates: &Var) -> Var {
        self.tracer().apply(UpdateRows { update: Update::Add }, &[self, indices, updates])
    }
}

impl Draw for UpdateRows {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let table = pen.operand(
            |shape| shape.rank() > 0 && shape.rank() < 5,
            |pen| {
                let rank = pen.rng.between(1, 3);
                pen.shape(rank)
            },
        );
        let row = table.shape()[1..].to_vec();
        let indices = pen.index_shape(row.iter().product());
        let updates: Shape = indices.iter().copied().chain(row).collect();
        let (indices, updates) = (pen.indices(indices), pen.value(table.dtype(), updates));
        // Truth values are not added.
        let update = match table.dtype() {
            DType::Bool => Update::Set,
            _ => pen.rng.pick(&[Update::Set, Update::Add]),
        };
        Some((Self { update }, vec![table, indices, updates]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::checks::{f32s, mistake, run, vector, vjp, whole};

    const SET: UpdateRows = UpdateRows { update: Update::Set };
    const ADD: UpdateRows = UpdateRows { update: Update::Add };

    proptest! {
        #[test]
        fn rows_change_in_order(
            (table, indices, updates, dy) in (0..4usize, 0..3usize, prop::collection::vec(-2..5i32, 0..7))
                .prop_flat_map(|(rows, width, indices)| {
                    let updates = whole([indices.len(), width]);
                    (whole([rows, width]), Just(indices), updates, whole([rows, width]))
                })
        ) {
            let elements = |x: &Tensor| x.data().to_f64();
            let (rows, width) = (table.shape()[0], table.shape()[1]);
            let (mut set, mut sum) = (elements(&table), elements(&table));
            let mut owner = vec![None; rows];
            for (index, &row) in indices.iter().enumerate() {
                let Some(row) = usize::try_from(row).ok().filter(|&row| row < rows) else { continue };
                owner[row] = Some(index);
                for column in 0..width {
                    let update = elements(&updates)[index * width + column];
                    set[row * width + column] = update;
                    sum[row * width + column] += update;
                }
            }
            let given = Tensor::of([indices.len()], Data::I32(indices.clone()));
            let all = [&table, &given, &updates];
            prop_assert_eq!(elements(&run(SET, &all)), set);
            prop_assert_eq!(elements(&run(ADD, &all)), sum);

            let at = |row: i32| usize::try_from(row).ok().filter(|&row| row < rows);
            let of_updates = |is: &dyn Fn(usize, usize) -> bool| -> Vec<f64> {
                let each = indices.iter().enumerate().flat_map(|(index, &row)| {
                    let row = at(row).filter(|&row| is(index, row));
                    (0..width).map(move |column| row.map(|row| row * width + column))
                });
                each.map(|place| place.map_or(0.0, |place| elements(&dy)[place])).collect()
            };
            let of_set = vjp(SET, &all, &dy);
            let kept: Vec<f64> = elements(&dy).iter().enumerate()
                .map(|(place, &d)| if owner[place / width.max(1)].is_none() { d } else { 0.0 })
                .collect();
            prop_assert_eq!(of_set[0].as_ref().map(elements), Some(kept));
            let last = of_updates(&|index, row| owner[row] == Some(index));
            prop_assert_eq!(of_set[2].as_ref().map(elements), Some(last));
            let of_add = vjp(ADD, &all, &dy);
            prop_assert_eq!(of_add[0].as_ref(), Some(&dy));
            prop_assert_eq!(of_add[2].as_ref().map(elements), Some(of_updates(&|_, _| true)));
        }
    }

    #[test]
    fn every_element_type_changes() {
        let indices = vector([1_i32, 7, 1]);
        for dtype in DType::ALL {
            let of = |values: &[f64]| Tensor::of([values.len()], Data::from_f64(dtype, values));
            let operands = (of(&[1.0, 0.0]), of(&[1.0, 1.0, 1.0]));
            let run = |op: UpdateRows| run(op, &[&operands.0, &indices, &operands.1]);
            assert_eq!(run(SET), of(&[1.0, 1.0]), "{dtype}");
            if dtype != DType::Bool {
                assert_eq!(run(ADD), of(&[1.0, 2.0]), "{dtype}");
            }
        }
    }

    #[test]
    fn zeros_keep_their_sign_and_a_scalar_is_one_index() {
        let (table, place) = (f32s([2], &[-0.0, -0.0]), Tensor::of([], Data::I64(vec![1])));
        let zero = f32s([], &[0.0]);
        assert_eq!(run(ADD, &[&table, &place, &zero]), f32s([2], &[-0.0, 0.0]));
        assert_eq!(run(SET, &[&table, &place, &zero]), f32s([2], &[-0.0, 0.0]));
    }

    #[test]
    fn halves_round_after_each_addition() {
        let halves =
            |values: &[f64]| Tensor::of([values.len()], Data::from_f64(DType::BF16, values));
        // Above 256 the next number is 258.
        let table = halves(&[256.0]);
        let sum = run(ADD, &[&table, &vector([0_i32, 0]), &halves(&[1.0, 1.0])]);
        assert_eq!(sum, halves(&[256.0]));
    }

    #[test]
    fn mistakes() {
        insta::assert_snapshot!(mistake(SET, &["f32[]", "i32[]", "f32[]"]), @"`update_rows` takes a table [rows, ..], not f32[]");
        insta::assert_snapshot!(mistake(SET, &["f32[3]", "f32[]", "f32[]"]), @"
        `update_rows` takes indices of i32, i64 or u8, not f32
          help: convert the indices with `cast`
        ");
        insta::assert_snapshot!(mistake(SET, &["f32[3,4]", "i32[2]", "f32[2,3]"]), @"
        `update_rows`: the updates are f32[2,3], expected f32[2,4]
          help: one row of the table for each index
        ");
        insta::assert_snapshot!(mistake(SET, &["f32[3,4]", "i32[2]", "f64[2,4]"]), @"
        `update_rows`: the updates are f64[2,4], expected f32[2,4]
          help: one row of the table for each index
        ");
        insta::assert_snapshot!(mistake(ADD, &["bool[3]", "i32[]", "bool[]"]), @"
        `update_rows` takes numbers, not bool
          help: convert the operand with `cast`
        ");
    }
}
