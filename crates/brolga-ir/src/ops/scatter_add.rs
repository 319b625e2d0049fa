//! Addition into the rows of a table.

use serde::{Deserialize, Serialize};

use super::elementwise::number;
use super::float::compute;
use super::index::{check_indices, places};
use crate::error::Mistake;
use crate::op::{Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{Shape, Type};

/// `y[r, d..] = Σ updates[i.., d..]` over the places `i..` at which `indices` is `r`.
///
/// `indices: [i..]` of `i32`, `i64` or `u8`, `updates: [i.., d..]` of numbers; the result is `[rows, d..]`. Each element starts at +0 and adds
/// its updates in ascending (row-major) order of their place; `bf16` and `f16` are summed in f32 and rounded at the end, integers wrap. Updates whose
/// index is out of range, a negative one too, are dropped. The gradient of the updates is [`Gather`](super::Gather) of the cotangent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScatterAdd {
    /// The number of rows of the result.
    pub rows: usize,
}

impl Operation for ScatterAdd {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [indices, updates] = expect_operands("scatter_add", operands)?;
        check_indices("scatter_add", indices.dtype)?;
        let dtype = number("scatter_add", &[updates.dtype])?;
        let Some(row) = updates.shape.strip_prefix(&*indices.shape) else {
            return Err(Mistake::new(format!(
                "`scatter_add`: the updates {updates} are not one row for each of the indices {indices}"
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
        let rows = places(indices, self.rows);
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
        for (place, row) in self.rows.iter().enumerate() {
            if let Some(row) = row {
                let update = &updates[place * self.width..][..self.width];
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
    /// A table of `rows` rows in which these updates are added to the rows that the indices number; see [`ScatterAdd`].
    #[track_caller]
    #[must_use]
    pub fn scatter_add(&self, indices: &Var, rows: usize) -> Var {
        indices.binary(ScatterAdd { rows }, self)
    }
}
