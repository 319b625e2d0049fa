//! Subtraction.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a − b`; integers wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sub;

impl Elementwise for Sub {
    const ARITY: usize = 2;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => Lane::F(l.sub(a, b)),
            (Lane::I(a), Lane::I(b)) => Lane::I(l.isub(a, b)),
            _ => unreachable!("the type rule admits numbers of one element type"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let dy = node.cotangent();
        Ok(vec![Some(dy.clone()), node.wants(1).then(|| -dy)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{run, vector, vjp};

    #[test]
    fn subtracts_with_gradients() {
        let a = vector([1.0, 0.0, f32::INFINITY]);
        let b = vector([3.0_f32, 0.0, 1.0]);
        assert_eq!(run(Sub, &[&a, &b]), vector([-2.0, 0.0, f32::INFINITY]));
        let dy = vector([1.0_f32, 2.0, 3.0]);
        let (da, db) = (vector([1.0_f32, 2.0, 3.0]), vector([-1.0_f32, -2.0, -3.0]));
        assert_eq!(vjp(Sub, &[&a, &b], &dy), [Some(da), Some(db)]);
    }

    #[test]
    fn integers_wrap() {
        assert_eq!(run(Sub, &[&vector([i64::MIN]), &vector([1_i64])]), vector([i64::MAX]));
        assert_eq!(run(Sub, &[&vector([1_u8]), &vector([2_u8])]), vector([255_u8]));
    }
}
