//! Multiplication.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a · b`; integers wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mul;

impl Elementwise for Mul {
    const ARITY: usize = 2;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => Lane::F(l.mul(a, b)),
            (Lane::I(a), Lane::I(b)) => Lane::I(l.imul(a, b)),
            _ => unreachable!("the type rule admits numbers of one element type"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let dy = node.cotangent();
        let (a, b) = (&node.operands[0], &node.operands[1]);
        Ok(vec![node.wants(0).then(|| dy * b), node.wants(1).then(|| dy * a)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{run, vector, vjp};

    #[test]
    fn multiplies_with_gradients() {
        let (a, b) = (vector([2.0, -0.0, f32::INFINITY]), vector([3.0_f32, 5.0, 0.0]));
        assert_eq!(run(Mul, &[&a, &b]), vector([6.0, -0.0, f32::NAN]));
        let dy = vector([1.0_f32, 2.0, 1.0]);
        let (da, db) = (vector([3.0_f32, 10.0, 0.0]), vector([2.0, -0.0, f32::INFINITY]));
        assert_eq!(vjp(Mul, &[&a, &b], &dy), [Some(da), Some(db)]);
    }

    #[test]
    fn subnormal_products_are_kept() {
        let y = run(Mul, &[&vector([f32::MIN_POSITIVE]), &vector([0.5_f32])]);
        assert_eq!(y, vector([f32::from_bits(1 << 22)]));
    }

    #[test]
    fn integers_wrap() {
        assert_eq!(run(Mul, &[&vector([1 << 30]), &vector([4])]), vector([0]));
        assert_eq!(run(Mul, &[&vector([100_u8]), &vector([3_u8])]), vector([44_u8]));
    }
}
