//! The comparison "not equal".

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, same};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a ≠ b`, of numbers and of truth values; true if one of them is NaN, and false for +0 and −0. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ne;

impl Elementwise for Ne {
    const ARITY: usize = 2;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        same(Self::NAME, operands).map(|_| DType::Bool)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => {
                let equal = l.eq(a, b);
                Lane::M(l.not(equal))
            }
            (Lane::I(a), Lane::I(b)) => {
                let equal = l.ieq(a, b);
                Lane::M(l.not(equal))
            }
            (Lane::M(a), Lane::M(b)) => {
                let any = l.or(a, b);
                let both = l.and(a, b);
                let differ = l.not(both);
                Lane::M(l.and(any, differ))
            }
            _ => unreachable!("the type rule admits operands of one element type"),
        }
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None, None])
    }
}

impl Var {
    /// See [`Ne`].
    #[track_caller]
    #[must_use]
    pub fn ne(&self, other: &Var) -> Var {
        self.binary(Ne, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{run, vector, vjp};

    #[test]
    fn nan_is_unordered_and_zeros_are_equal() {
        let a = vector([1.0, 2.0, 1.0, -0.0, f32::NAN, f32::NAN]);
        let b = vector([2.0, 1.0, 1.0, 0.0, 1.0, f32::NAN]);
        assert_eq!(run(Ne, &[&a, &b]), vector([true, true, false, false, true, true]));
    }

    #[test]
    fn integers_are_compared_by_value() {
        let y = run(Ne, &[&vector([i64::MIN, 5]), &vector([i64::MAX, -5])]);
        assert_eq!(y, vector([true, true]));
        let y = run(Ne, &[&vector([200_u8, 0]), &vector([100_u8, 1])]);
        assert_eq!(y, vector([true, true]));
        let y = run(Ne, &[&vector([7]), &vector([7])]);
        assert_eq!(y, vector([false]));
    }

    #[test]
    fn there_is_no_gradient() {
        let x = vector([1.0_f32]);
        assert_eq!(vjp(Ne, &[&x, &x], &vector([true])), [None, None]);
    }

    #[test]
    fn truth_values_are_compared() {
        let (a, b) = (vector([false, false, true, true]), vector([false, true, false, true]));
        assert_eq!(run(Ne, &[&a, &b]), vector([false, true, true, false]));
    }
}
