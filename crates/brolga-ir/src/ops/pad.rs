//! Zeros around a tensor.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::places::strided_places;
use crate::error::Mistake;
use crate::map_data;
use crate::op::{Operation, Types, Vjp, expect_operands};
use crate::tensor::Tensor;
use crate::trace::Var;
use crate::types::Type;

/// The operand with `low` zeros in front of it and `high` behind it on each axis. The zeros are +0, or false.
///
/// The gradient is the cotangent without the padding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pad {
    /// How many zeros go in front on each axis.
    pub low: SmallVec<[usize; 4]>,
    /// How many zeros go behind on each axis.
    pub high: SmallVec<[usize; 4]>,
}

impl Operation for Pad {
    fn infer(&self, operands: &[&Type]) -> Result<Types, Mistake> {
        let [x] = expect_operands("pad", operands)?;
        let (rank, low, high) = (x.shape.rank(), self.low.len(), self.high.len());
        if [low, high] != [rank; 2] {
            return Err(Mistake::new(format!(
                "`pad`: {x} has {rank} axes, but the padding is for {low} in front and for {high} behind"
            )));
        }
        // What saturates is beyond the limit of a tensor's size, which is checked for every op.
        let padding = self.low.iter().zip(&self.high).map(|(low, high)| low.saturating_add(*high));
        let shape = x.shape.iter().zip(padding).map(|(extent, more)| extent.saturating_add(more));
        Ok(Types::from_elem(Type { dtype: x.dtype, shape: shape.collect() }, 1))
    }

    fn evaluate(&self, operands: &[&Tensor], results: &[Type]) -> Vec<Tensor> {
        let (x, shape) = (operands[0], &results[0].shape);
        let strides = shape.strides();
        let steps: Vec<_> = strides.iter().map(|&stride| stride as isize).collect();
        let start = strides.iter().zip(&self.low).map(|(stride, low)| stride * low).sum();
        let mut sources = vec![None; shape.elements()];
        for (source, place) in strided_places(start, x.shape(), &steps).into_iter().enumerate() {
            sources[place] = Some(source);
        }
        let sources = sources.into_iter();
        let data = map_data!(x.data(), v => {
            sources.map(|source| source.map_or_else(Default::default, |at| v[at])).collect()
        });
        vec![Tensor::of(shape.clone(), data)]
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let shape = node.operands[0].shape();
        let limits: Vec<_> =
            self.low.iter().zip(shape.iter()).map(|(low, extent)| low + extent).collect();
        let strides = vec![1; shape.rank()];
        Ok(vec![Some(node.cotangent().slice(&self.low, &limits, &strides))])
    }
}

impl Var {
    /// Zeros around the tensor; see [`Pad`].
    ///
    /// ```
    /// # use brolga_ir::{Tracer, Type};
    /// let x = Tracer::new("example").input("x", Type::f32([2, 3]));
    /// assert_eq!(x.pad(&[1, 0], &[1, 2]).ty(), &Type::f32([4, 5]));
    /// ```
    #[track_caller]
    #[must_use]
    pub fn pad(&self, low: &[usize], high: &[usize]) -> Var {
        self.unary(Pad { low: low.into(), high: high.into() })
    }
}
