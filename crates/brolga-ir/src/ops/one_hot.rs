//! Classes as vectors.

use serde::{Deserialize, Serialize};

use super::index::{check_indices, in_range};
use crate::draw::{Draw, Pen};
use crate::error::Mistake;
use crate::loops::{Buffer, Writer};
use crate::op::{Family, Named, Operation, Types, Vjp, expect_operands};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Shape, Type};

/// `y[i.., k] = 1 if indices[i..] = k else 0`.
///
/// `indices: [i..]` of `i32`, `i64` or `u8`; the result is `[i.., depth]` of any element type. An
/// index out of range, a negative one too, gives zeros alone. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneHot {
    /// The number of classes: the last extent of the result.
    pub depth: usize,
    /// The element type of the result.
    pub dtype: DType,
}

impl Operation for OneHot {
    fn family(&self) -> Family<'_> {
        Family::Indices
    }

    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [indices] = expect_operands(Self::NAME, operands)?;
        check_indices(Self::NAME, indices.dtype)?;
        let shape: Shape = indices.shape.iter().copied().chain([self.depth]).collect();
        Ok(Types::from_elem(Type { dtype: self.dtype, shape }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let one = Data::from_f64(self.dtype, &[1.0]);
        let hot: Vec<_> = in_range(operands[0], self.depth)
            .into_iter()
            .flat_map(|class| (0..self.depth).map(move |k| (class == Some(k)).then_some(0)))
            .collect();
        vec![Tensor::of(results[0].shape.clone(), one.pick_or_zero(&hot))]
    }

    fn loops(&self, w: &mut Writer, operands: &[Buffer], results: &[Buffer]) {
        let extents = [w.shape(operands[0]).elements(), self.depth];
        w.each(&extents, |w, at| {
            let zero = w.zero(self.dtype);
            let element = w.variable(zero);
            let class = w.load(operands[0], at[0].clone());
            let class = w.index(class);
            let hot = |w: &mut Writer, _| {
                let one = w.first(&Data::from_f64(self.dtype, &[1.0]));
                w.set(element, one);
            };
            w.inside(class - at[1].clone(), 1, hot, |_| {});
            let element = w.get(element);
            w.store(results[0], w.at(&extents, at), element);
        });
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None])
    }
}

impl Var {
    /// These classes as vectors of `depth` elements, 1 at the class and 0 elsewhere; see
    /// [`OneHot`].
    #[track_caller]
    #[must_use]
    pub fn one_hot(&self, depth: usize, dtype: DType) -> Var {
        self.unary(OneHot { depth, dtype })
    }
}

impl Draw for OneHot {
    fn draw(pen: &mut Pen) -> Option<(Self, Vec<Var>)> {
        let shape = pen.index_shape(16);
        let most = pen.limit() / shape.elements().max(1);
        let indices = pen.indices(shape);
        Some((Self { depth: pen.extent(2).min(most), dtype: pen.dtype() }, vec![indices]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{f32s, mistake, run};

    #[test]
    fn each_class_is_a_row_with_one_one() {
        let classes = Tensor::of([2, 2], Data::I32(vec![0, 2, -1, 3]));
        let y = run(OneHot { depth: 3, dtype: DType::F32 }, &[&classes]);
        let rows = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0; 3], [0.0; 3]];
        assert_eq!(y, f32s([2, 2, 3], rows.as_flattened()));
    }

    #[test]
    fn every_element_type_has_a_one() {
        let class = Tensor::of(Shape::scalar(), Data::U8(vec![1]));
        for dtype in DType::ALL {
            let y = run(OneHot { depth: 2, dtype }, &[&class]);
            assert_eq!(y.data(), &Data::from_f64(dtype, &[0.0, 1.0]));
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        let y = run(OneHot { depth: 3, dtype: DType::F32 }, &[&Tensor::of([0], Data::I64(vec![]))]);
        assert_eq!(y, f32s([0, 3], &[]));
        let y =
            run(OneHot { depth: 0, dtype: DType::F32 }, &[&Tensor::of([1], Data::I64(vec![0]))]);
        assert_eq!(y, f32s([1, 0], &[]));
    }

    #[test]
    fn mistakes() {
        let op = OneHot { depth: 3, dtype: DType::F32 };
        insta::assert_snapshot!(mistake(op, &["f32[4]"]), @r"
        `one_hot` takes indices of i32, i64 or u8, not f32
          help: convert the indices with `cast`
        ");
        insta::assert_snapshot!(mistake(OneHot { depth: usize::MAX, ..op }, &["i32[4]"]), @r"
        `one_hot`: a tensor of type f32[4,18446744073709551615] is larger than the limit of 64 TiB
        ");
    }
}
