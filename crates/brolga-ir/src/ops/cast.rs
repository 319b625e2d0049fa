//! Conversion of the element type.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use super::elementwise::Elementwise;
use crate::draw::Pen;
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::loops::{Number, Writer};
use crate::op::{Cost, Vjp};
use crate::tensor::{Data, Tensor};
use crate::trace::Var;
use crate::types::{DType, Type};

/// `y = x` as another element type.
///
/// To a float: rounded to nearest. From a float to an integer: towards zero, saturating, NaN
/// becomes 0. Between integers: the low bits. To bool: `x ≠ 0` (NaN is true). From bool: 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    /// The element type of the result.
    pub dtype: DType,
}

impl Elementwise for Cast {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Cheap;

    fn result(&self, _: &[DType]) -> Result<DType, Mistake> {
        Ok(self.dtype)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        let number = match args[0] {
            Lane::M(x) => Lane::I(l.mask_to_int(x)),
            number => number,
        };
        match (number, self.dtype) {
            (Lane::F(x), dtype) if dtype.is_float() => Lane::F(x),
            (Lane::F(x), DType::Bool) => {
                let zero = l.float(0.0);
                let is_zero = l.eq(x, zero);
                Lane::M(l.not(is_zero))
            }
            (Lane::F(x), DType::U8) => {
                let (low, high) = (l.int(0), l.int(255));
                let x = l.to_int(x);
                let below = l.ilt(x, low);
                let x = l.iselect(below, low, x);
                let above = l.ilt(high, x);
                Lane::I(l.iselect(above, high, x))
            }
            (Lane::F(x), _) => Lane::I(l.to_int(x)),
            (Lane::I(x), dtype) if dtype.is_float() => Lane::F(l.to_float(x)),
            (Lane::I(x), DType::Bool) => {
                let zero = l.int(0);
                let is_zero = l.ieq(x, zero);
                Lane::M(l.not(is_zero))
            }
            (Lane::I(x), DType::U8) => {
                let byte = l.int(255);
                Lane::I(l.iand(x, byte))
            }
            (number, _) => number,
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let from = node.operands[0].dtype();
        let differentiable = from.is_float() && self.dtype.is_float();
        Ok(vec![differentiable.then(|| node.cotangent().cast(from))])
    }

    fn scalar(&self, w: &mut Writer, args: &[Number]) -> Number {
        w.convert(args[0], self.dtype)
    }

    fn draw_attributes(pen: &mut Pen) -> Option<Self> {
        Some(Self { dtype: pen.rng.pick(&DType::ALL) })
    }

    fn evaluate(&self, operands: &[&Tensor], result: &Type) -> Tensor {
        // Every float of the other formats is exact in f64, so that each conversion rounds once.
        let data = match operands[0].to_i64() {
            Some(integers) => from_int(self.dtype, integers),
            None => Data::from_f64(self.dtype, &operands[0].data().to_f64()),
        };
        Tensor::of(result.shape.clone(), data)
    }
}

fn from_int(dtype: DType, values: Vec<i64>) -> Data {
    let each = values.into_iter();
    match dtype {
        DType::F32 => Data::F32(each.map(|x| x as f32).collect()),
        DType::F64 => Data::F64(each.map(|x| x as f64).collect()),
        DType::BF16 => Data::BF16(each.map(|x| bf16::from_f32(x as f32)).collect()),
        DType::F16 => Data::F16(each.map(|x| f16::from_f32(x as f32)).collect()),
        DType::I64 => Data::I64(each.collect()),
        DType::I32 => Data::I32(each.map(|x| x as i32).collect()),
        DType::U8 => Data::U8(each.map(|x| x as u8).collect()),
        DType::Bool => Data::Bool(each.map(|x| x != 0).collect()),
    }
}

impl Var {
    /// See [`Cast`].
    #[track_caller]
    #[must_use]
    pub fn cast(&self, dtype: DType) -> Var {
        if self.dtype() == dtype { self.clone() } else { self.unary(Cast { dtype }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{gradient, run, vector, vjp};

    fn to(dtype: DType) -> Cast {
        Cast { dtype }
    }

    #[test]
    fn floats_to_integers_saturate_towards_zero() {
        let x = vector([1.9, -1.9, 3e9, -3e9, 300.0, f32::INFINITY, f32::NAN]);
        let expected = vector([1, -1, i32::MAX, i32::MIN, 300, i32::MAX, 0]);
        assert_eq!(run(to(DType::I32), &[&x]), expected);
        assert_eq!(run(to(DType::U8), &[&x]), vector([1_u8, 0, 255, 0, 255, 255, 0]));
        let expected = vector([1_i64, -1, 3_000_000_000, -3_000_000_000, 300, i64::MAX, 0]);
        assert_eq!(run(to(DType::I64), &[&x]), expected);
    }

    #[test]
    fn integers_keep_their_low_bits() {
        assert_eq!(run(to(DType::U8), &[&vector([-1, 256, 300])]), vector([255_u8, 0, 44]));
        assert_eq!(run(to(DType::I32), &[&vector([1_i64 << 32, -1])]), vector([0, -1]));
        assert_eq!(run(to(DType::I64), &[&vector([255_u8])]), vector([255_i64]));
    }

    #[test]
    fn numbers_round_to_the_nearest_float() {
        assert_eq!(run(to(DType::F32), &[&vector([16_777_217])]), vector([16_777_216.0_f32]));
        assert_eq!(run(to(DType::F32), &[&vector([0.1_f64])]), vector([0.1_f32]));
        let y = run(to(DType::F16), &[&vector([65_520.0_f32, 1e-8, f32::NAN])]);
        assert_eq!(y, vector([f16::INFINITY, f16::ZERO, f16::NAN]));
        assert_eq!(run(to(DType::F64), &[&vector([bf16::MAX])]), vector([bf16::MAX.to_f64()]));
    }

    #[test]
    fn truth_is_not_zero() {
        let x = vector([0.0, -0.0, f32::from_bits(1), f32::NAN]);
        assert_eq!(run(to(DType::Bool), &[&x]), vector([false, false, true, true]));
        assert_eq!(run(to(DType::Bool), &[&vector([0, -2])]), vector([false, true]));
        assert_eq!(run(to(DType::F32), &[&vector([false, true])]), vector([0.0_f32, 1.0]));
        assert_eq!(run(to(DType::U8), &[&vector([false, true])]), vector([0_u8, 1]));
    }

    #[test]
    fn only_floats_have_gradients() {
        let dx = gradient(to(DType::F64), &vector([1.0_f32]), &vector([0.1_f64]));
        assert_eq!(dx, vector([0.1_f32]));
        assert_eq!(vjp(to(DType::I32), &[&vector([1.0_f32])], &vector([1])), [None]);
        assert_eq!(vjp(to(DType::F32), &[&vector([1])], &vector([1.0_f32])), [None]);
    }
}
