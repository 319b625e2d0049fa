//! Rows of a table, replaced.

use serde::{Deserialize, Serialize};

use super::index::{check_indices, in_range};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Index, Writer, copy};
use crate::op::{Alters, Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// `y = table` but for `y[indices[i..], d..] = updates[i.., d..]`.
///
/// `table: [rows, d..]` of any element type, `indices: [i..]` of `i32`, `i64` or `u8`, `updates:
/// [i.., d..]` of the table's type. Of several updates of a row the last one, in row-major order,
/// counts. Updates whose index is out of range, a negative one too, are ignored.
///
/// Where the result takes the memory of the table, no other row is read or written. The gradient of
/// the table is the cotangent, 0 in the rows replaced; that of an update its row of the cotangent,
/// if it is the one that counts. TensorFlow: `tf.tensor_scatter_nd_update`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ScatterUpdate;

/// The columns of the table that one unit of the scalar loops replaces.
const COLUMNS: usize = 64;

impl Operation for ScatterUpdate {
    fn family(&self) -> Family<'_> {
        Family::Movement
    }

    fn alters(&self) -> Option<Alters> {
        Some(Alters { result: 0, operand: 0 })
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [table, indices, updates] = expect_operands(Self::NAME, operands)?;
        check_indices(Self::NAME, indices.dtype)?;
        let row = table.shape.split_first().map(|(_, row)| row);
        if row.is_none()
            || updates.dtype != table.dtype
            || updates.shape.strip_prefix(&*indices.shape) != row
        {
            return Err(Mistake::new(format!(
                "`{name}`: the updates {updates} are not one row of the table {table} for each of the indices {indices}"
            ))
            .help("the shape of the updates is that of the indices, and then that of a row"));
        }
        Ok(Types::from_elem(table, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let [table, indices, updates] = [operands[0], operands[1], operands[2]];
        let (rows, width) = (table.shape()[0], table.shape()[1..].iter().product::<usize>());
        // The elements of the table, and then those of the updates.
        let mut from: Vec<usize> = (0..rows * width).collect();
        for (update, row) in in_range(indices, rows).into_iter().enumerate() {
            if let Some(row) = row {
                for column in 0..width {
                    from[row * width + column] = (rows + update) * width + column;
                }
            }
        }
        let all = joined(table.data(), updates.data());
        vec![Tensor::of(results[0].shape.clone(), all.pick(&from))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (table, indices, updates, y) = (operands[0], operands[1], operands[2], results[0]);
        let shape = w.shape(table);
        let (rows, width) = (shape[0], shape[1..].iter().product::<usize>());
        copy(w, table, y);
        let count = w.shape(indices).elements();
        let block = width.clamp(1, COLUMNS);
        w.stage(width.div_ceil(block), |w, unit| {
            let first = unit * block;
            let end = w.min(first.clone() + block, width.into());
            w.repeat(count, |w, update| {
                let row = w.load(indices, update.clone());
                let row = w.index(row);
                let replace = |w: &mut Writer, row: Index| {
                    w.range(first, end, |w, column| {
                        let next = w.load(updates, update * width + column.clone());
                        w.store(y, row * width + column, next);
                    });
                };
                w.inside(row, rows, replace, |_| {});
            });
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (table, indices, updates) = (&node.operands[0], &node.operands[1], &node.operands[2]);
        let dy = node.cotangent();
        let tracer = dy.tracer();
        let zeros = |ty: &Type| tracer.scalar(ty.dtype, 0.0).broadcast(ty.shape.clone());
        let of_table = node.wants(0).then(|| dy.scatter_update(indices, &zeros(updates.ty())));
        let of_updates = node.wants(2).then(|| {
            let (rows, count) = (table.shape()[0], indices.shape().elements());
            let places = tracer.iota(Type::new(DType::I32, [count]), 0);
            let places = places.reshape(indices.shape().clone());
            let nobody = tracer.scalar(DType::I32, -1.0).broadcast([rows]);
            let last = nobody.scatter_update(indices, &places).gather(indices).eq(&places);
            let row = table.shape().rank() - 1;
            let shape: Vec<usize> =
                indices.shape().iter().copied().chain(std::iter::repeat_n(1, row)).collect();
            let rows = dy.gather(indices);
            last.reshape(shape).select(&rows, &rows.constant_like(0.0))
        });
        Ok(vec![of_table, None, of_updates])
    }
}

/// The elements of both.
fn joined(a: &Data, b: &Data) -> Data {
    macro_rules! joined {
        ($($variant:ident),*) => {
            match (a, b) {
                $((Data::$variant(a), Data::$variant(b)) => Data::$variant([&a[..], b].concat()),)*
                _ => unreachable!("the type rule admits updates of the table's type"),
            }
        };
    }
    joined!(F32, F64, BF16, F16, I64, I32, U8, Bool)
}

impl Var {
    /// This table with other rows in place of those that the indices number; see [`ScatterUpdate`].
    #[track_caller]
    #[must_use]
    pub fn scatter_update(&self, indices: &Var, updates: &Var) -> Var {
        self.tracer().apply(ScatterUpdate, &[self, indices, updates])
    }
}

impl Draw for ScatterUpdate {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let table = pen.operand(
            |shape| shape.rank() > 0 && shape.rank() < 5,
            |pen| {
                let rank = pen.rng.between(1, 3);
                pen.shape(rank)
            },
        );
        let row: Vec<usize> = table.shape()[1..].to_vec();
        let indices = pen.index_shape(row.iter().product());
        let indices = pen.indices(indices);
        let shape: Vec<usize> = indices.shape().iter().copied().chain(row).collect();
        let updates = pen.value(table.dtype(), shape);
        Some((Self, vec![table, indices, updates]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::checks::{assert_adjoint, mistake, run, tensor, vector, whole};

    proptest! {
        #[test]
        fn the_last_update_of_a_row_counts_and_gradients_are_adjoint(
            (table, indices, updates, dy) in (0..4usize, 0..3usize, prop::collection::vec(-2..5i32, 0..7))
                .prop_flat_map(|(rows, width, indices)| {
                    let updates = whole([indices.len(), width]);
                    (whole([rows, width]), Just(indices), updates, whole([rows, width]))
                })
        ) {
            let (Data::F64(old), Data::F64(new)) = (table.data(), updates.data()) else {
                unreachable!()
            };
            let (rows, width) = (table.shape()[0], table.shape()[1]);
            let element = |row: usize, column: usize| {
                match indices.iter().rposition(|&index| index == row as i32) {
                    Some(update) => new[update * width + column],
                    None => old[row * width + column],
                }
            };
            let y = (0..rows).flat_map(|row| (0..width).map(move |column| (row, column)));
            let y = tensor([rows, width], y.map(|(row, column)| element(row, column)));
            let indices = vector(indices.clone());
            prop_assert_eq!(run(ScatterUpdate, &[&table, &indices, &updates]), y);
            // The op is linear in table and updates together.
            let none = Tensor::zeros(&table.ty());
            let zeros = Tensor::zeros(&updates.ty());
            assert_adjoint(ScatterUpdate, &[&table, &indices, &zeros], &Tensor::zeros(&dy.ty()));
            let given = crate::ops::checks::vjp(ScatterUpdate, &[&none, &indices, &updates], &dy);
            let dot = |a: &Tensor, b: &Tensor| -> f64 {
                a.data().to_f64().iter().zip(b.data().to_f64()).map(|(a, b)| a * b).sum()
            };
            let products: f64 = [(0, &table), (2, &updates)]
                .iter()
                .map(|&(operand, x)| dot(x, given[operand].as_ref().expect("a gradient")))
                .sum();
            prop_assert_eq!(products, dot(&dy, &run(ScatterUpdate, &[&table, &indices, &updates])));
        }
    }

    #[test]
    fn every_element_type_moves() {
        let indices = vector([1_i64, 7]);
        for dtype in DType::ALL {
            let of =
                |numbers: &[f64]| Tensor::of([numbers.len(), 1], Data::from_f64(dtype, numbers));
            let y = run(ScatterUpdate, &[&of(&[1.0, 0.0, 0.0]), &indices, &of(&[1.0, 1.0])]);
            assert_eq!(y, of(&[1.0, 1.0, 0.0]));
        }
    }

    #[test]
    fn mistakes() {
        insta::assert_snapshot!(mistake(ScatterUpdate, &["f32[5,2]", "i32[3]", "f32[3,1]"]), @r"
        `scatter_update`: the updates f32[3,1] are not one row of the table f32[5,2] for each of the indices i32[3]
          help: the shape of the updates is that of the indices, and then that of a row
        ");
        insta::assert_snapshot!(mistake(ScatterUpdate, &["f32[5,2]", "f32[3]", "f32[3,2]"]), @r"
        `scatter_update` takes indices of i32, i64 or u8, not f32
          help: convert the indices with `cast`
        ");
        insta::assert_snapshot!(mistake(ScatterUpdate, &["f32[]", "i32[3]", "f32[3]"]), @r"
        `scatter_update`: the updates f32[3] are not one row of the table f32[] for each of the indices i32[3]
          help: the shape of the updates is that of the indices, and then that of a row
        ");
    }
}
