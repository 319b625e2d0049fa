//! Rows of a table.

use serde::{Deserialize, Serialize};

use super::index::{check_indices, in_range};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Index, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y[i.., d..] = table[indices[i..], d..]`.
///
/// `table: [rows, d..]` of any element type, `indices: [i..]` of `i32`, `i64` or `u8`. An index out
/// of range, a negative one too, gives a row of zeros (false). The gradient of the table is
/// [`ScatterAdd`](super::ScatterAdd) of the cotangent; indices have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gather;

impl Operation for Gather {
    fn family(&self) -> Family<'_> {
        Family::Movement
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let name = Self::NAME;
        let [table, indices] = expect_operands(Self::NAME, operands)?;
        check_indices(Self::NAME, indices.dtype)?;
        let Some((_, row)) = table.shape.split_first() else {
            return Err(Mistake::new(format!("`{name}` takes a table [rows, ..], not {table}")));
        };
        let shape: Shape = indices.shape.iter().chain(row).copied().collect();
        Ok(Types::from_elem(Type { dtype: table.dtype, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (table, indices) = (operands[0], operands[1]);
        let (rows, width) = (table.shape()[0], table.shape()[1..].iter().product::<usize>());
        let elements: Vec<_> = in_range(indices, rows)
            .into_iter()
            .flat_map(|row| (0..width).map(move |column| Some(row? * width + column)))
            .collect();
        vec![Tensor::of(results[0].shape.clone(), table.data().pick_or_zero(&elements))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let (table, indices, y) = (operands[0], operands[1], results[0]);
        let shape = w.shape(table);
        let (rows, width) = (shape[0], shape[1..].iter().product::<usize>());
        let extents = [w.shape(indices).elements(), width];
        w.each(&extents, |w, at| {
            let zero = w.zero(w.dtype(y));
            let element = w.variable(zero);
            let row = w.load(indices, at[0].clone());
            let row = w.index(row);
            let inside = |w: &mut Writer, row: Index| {
                let loaded = w.load(table, row * width + at[1].clone());
                w.set(element, loaded);
            };
            w.inside(row, rows, inside, |_| {});
            let element = w.get(element);
            w.store(y, w.at(&extents, at), element);
        });
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (table, indices) = (&node.operands[0], &node.operands[1]);
        Ok(vec![Some(node.cotangent().scatter_add(indices, table.shape()[0])), None])
    }
}

impl Var {
    /// The rows of this table that the indices number; see [`Gather`].
    ///
    /// ```
    /// use brolga_ir::{DType, Data, Tensor, Tracer, Type, interpret};
    ///
    /// let t = Tracer::new("embed");
    /// let table = t.input("table", Type::f32([2, 2]));
    /// let words = t.input("words", Type::new(DType::I32, [3]));
    /// t.output(&table.gather(&words));
    /// let graph = t.finish()?;
    ///
    /// let table = Tensor::f32([2, 2], vec![1.0, 2.0, 3.0, 4.0]).ok_or("four elements")?;
    /// let words = Tensor::new([3], Data::I32(vec![1, 0, 7])).ok_or("three elements")?;
    /// let rows = interpret(&graph, &[table, words])?;
    /// assert_eq!(rows[0].as_f32(), Some([3.0, 4.0, 1.0, 2.0, 0.0, 0.0].as_slice()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[must_use]
    pub fn gather(&self, indices: &Var) -> Var {
        self.binary(Gather, indices)
    }
}

impl Draw for Gather {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let table = pen.operand(
            |shape| shape.rank() > 0 && shape.rank() < 5,
            |pen| {
                let rank = pen.rng.between(1, 3);
                pen.shape(rank)
            },
        );
        let indices = pen.index_shape(table.shape()[1..].iter().product());
        let indices = pen.indices(indices);
        Some((Self, vec![table, indices]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::checks::{assert_adjoint, f32s, mistake, run, whole};
    use crate::tensor::Data;
    use crate::types::DType;

    proptest! {
        #[test]
        fn rows_are_copied_and_gradients_are_adjoint(
            (table, indices, dy) in (0..4usize, 0..4usize, prop::collection::vec(-2..5i32, 0..7))
                .prop_flat_map(|(rows, width, indices)| {
                    let dy = whole([indices.len(), width]);
                    (whole([rows, width]), Just(indices), dy)
                })
        ) {
            let Data::F64(values) = table.data() else { unreachable!() };
            let (rows, width) = (table.shape()[0] as i32, table.shape()[1]);
            let element = |row: i32, column: usize| {
                if (0..rows).contains(&row) { values[row as usize * width + column] } else { 0.0 }
            };
            let y = indices.iter().flat_map(|&row| (0..width).map(move |col| element(row, col)));
            let y = Tensor::of([indices.len(), width], Data::F64(y.collect()));
            let indices = Tensor::of([indices.len()], Data::I32(indices));
            prop_assert_eq!(run(Gather, &[&table, &indices]), y);
            assert_adjoint(Gather, &[&table, &indices], &dy);
        }
    }

    #[test]
    fn indices_of_every_integer_type_and_rank() {
        let table = f32s([2], &[5.0, -0.0]);
        let scalar = Tensor::of(Shape::scalar(), Data::U8(vec![1]));
        assert_eq!(run(Gather, &[&table, &scalar]), f32s(Shape::scalar(), &[-0.0]));
        let far = Tensor::of([1, 3], Data::I64(vec![i64::MIN, i64::MAX, 0]));
        assert_eq!(run(Gather, &[&table, &far]), f32s([1, 3], &[0.0, 0.0, 5.0]));
    }

    #[test]
    fn every_element_type_moves() {
        let indices = Tensor::of([2], Data::I32(vec![1, 2]));
        for dtype in DType::ALL {
            let table = Tensor::of([2, 1], Data::from_f64(dtype, &[0.0, 1.0]));
            assert_eq!(
                run(Gather, &[&table, &indices]).data(),
                &Data::from_f64(dtype, &[1.0, 0.0])
            );
        }
    }

    #[test]
    fn mistakes() {
        insta::assert_snapshot!(mistake(Gather, &["f32[]", "i32[3]"]), @r"
        `gather` takes a table [rows, ..], not f32[]
        ");
        insta::assert_snapshot!(mistake(Gather, &["f32[5,2]", "f32[3]"]), @r"
        `gather` takes indices of i32, i64 or u8, not f32
          help: convert the indices with `cast`
        ");
        insta::assert_snapshot!(mistake(Gather, &["f32[5,2]", "bool[3]"]), @r"
        `gather` takes indices of i32, i64 or u8, not bool
          help: convert the indices with `cast`
        ");
        insta::assert_snapshot!(mistake(Gather, &["f32[1,1,1,1,1]", "i32[1,1,1,1,1]"]), @r"
        `gather`: rank 9 is above the limit of 8
        ");
    }
}
