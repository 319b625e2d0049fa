//! Steps of sequences and stacks as tensors.

use crate::map_data;
use crate::tensor::{Data, Tensor};
use crate::types::{Shape, Type};

/// `x[step, ..]`.
pub(super) fn part(x: &Tensor, step: usize) -> Tensor {
    let shape: Shape = x.shape()[1..].into();
    let count = shape.elements();
    let from = step * count;
    Tensor::of(shape, map_data!(x.data(), v => v[from..from + count].to_vec()))
}

/// A stack whose steps are filled one after the other.
pub(super) struct Stack {
    shape: Shape,
    data: Data,
}

impl Stack {
    pub(super) fn new(ty: &Type) -> Self {
        Self { shape: ty.shape.clone(), data: Data::zeros(ty.dtype, ty.shape.elements()) }
    }

    pub(super) fn set(&mut self, step: usize, value: &Tensor) {
        let from = step * value.data().len();
        macro_rules! copy {
            ($($dtype:ident)*) => {
                match (&mut self.data, value.data()) {
                    $((Data::$dtype(to), Data::$dtype(v)) => to[from..from + v.len()].copy_from_slice(v),)*
                    _ => unreachable!("the type rule gives the stack the type of its steps"),
                }
            };
        }
        copy!(F32 F64 BF16 F16 I64 I32 U8 Bool);
    }

    pub(super) fn finish(self) -> Tensor {
        Tensor::of(self.shape, self.data)
    }
}
