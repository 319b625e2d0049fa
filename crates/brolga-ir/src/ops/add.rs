//! Addition.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a + b`; integers wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Add;

impl Elementwise for Add {
    const ARITY: usize = 2;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => Lane::F(l.add(a, b)),
            (Lane::I(a), Lane::I(b)) => Lane::I(l.iadd(a, b)),
            _ => unreachable!("the type rule admits numbers of one element type"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let dy = node.cotangent();
        Ok(vec![Some(dy.clone()), Some(dy.clone())])
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::ops::checks::{mistake, run, tensor, vector, vjp};

    #[test]
    fn adds_with_gradients() {
        let a = vector([1.0, 0.0, f32::INFINITY]);
        let b = vector([3.0, -0.0, f32::NEG_INFINITY]);
        assert_eq!(run(Add, &[&a, &b]), vector([4.0, 0.0, f32::NAN]));
        let dy = vector([1.0_f32, 2.0, 3.0]);
        let (da, db) = (vector([1.0_f32, 2.0, 3.0]), vector([1.0_f32, 2.0, 3.0]));
        assert_eq!(vjp(Add, &[&a, &b], &dy), [Some(da), Some(db)]);
    }

    #[test]
    fn integers_wrap() {
        assert_eq!(run(Add, &[&vector([i32::MAX]), &vector([1])]), vector([i32::MIN]));
        assert_eq!(run(Add, &[&vector([200_u8]), &vector([100_u8])]), vector([44_u8]));
    }

    #[test]
    fn shapes_are_broadcast() {
        let (a, b) = (tensor([2, 1], [1, 2]), vector([10, 20, 30]));
        assert_eq!(run(Add, &[&a, &b]), tensor([2, 3], [11, 21, 31, 12, 22, 32]));
        let empty = tensor::<i32>([2, 0], []);
        assert_eq!(run(Add, &[&a, &empty]), empty);
        insta::assert_snapshot!(mistake(Add, &["f32[2]", "f32[3]"]), @r"
        `add`: f32[2] and f32[3] do not broadcast
          help: aligned at the last axis, two extents must be equal or one of them 1
        ");
        insta::assert_snapshot!(mistake(Add, &["f32[2]"]), @"`add` takes 2 operands, not 1");
    }

    #[test]
    fn half_precision_is_rounded() {
        let sum = run(Add, &[&vector([bf16::from_f32(256.0)]), &vector([bf16::ONE])]);
        assert_eq!(sum, vector([bf16::from_f32(256.0)]));
    }
}
