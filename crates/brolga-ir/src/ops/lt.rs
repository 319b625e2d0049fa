//! The comparison "less than".

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a < b`; false if one of them is NaN. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lt;

impl Elementwise for Lt {
    const ARITY: usize = 2;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands).map(|_| DType::Bool)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => Lane::M(l.lt(a, b)),
            (Lane::I(a), Lane::I(b)) => Lane::M(l.ilt(a, b)),
            _ => unreachable!("the type rule admits numbers of one element type"),
        }
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None, None])
    }
}

impl Var {
    /// See [`Lt`].
    #[track_caller]
    #[must_use]
    pub fn lt(&self, other: &Var) -> Var {
        self.binary(Lt, other)
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
        assert_eq!(run(Lt, &[&a, &b]), vector([true, false, false, false, false, false]));
    }

    #[test]
    fn integers_are_compared_by_value() {
        let y = run(Lt, &[&vector([i64::MIN, 5]), &vector([i64::MAX, -5])]);
        assert_eq!(y, vector([true, false]));
        let y = run(Lt, &[&vector([200_u8, 0]), &vector([100_u8, 1])]);
        assert_eq!(y, vector([false, true]));
        let y = run(Lt, &[&vector([7]), &vector([7])]);
        assert_eq!(y, vector([false]));
    }

    #[test]
    fn there_is_no_gradient() {
        let x = vector([1.0_f32]);
        assert_eq!(vjp(Lt, &[&x, &x], &vector([true])), [None, None]);
    }
}
