//! The lesser of two numbers.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use super::extremum::{self, Extremum};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a` where `a` is NaN or `a < b`, `b` elsewhere. So NaN of either operand wins, and of +0 and
/// −0 the second is taken.
///
/// The gradient goes to the operand chosen; where both are equal, half to each, as in JAX. Where
/// one is NaN, neither has a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Min;

impl Elementwise for Min {
    const ARITY: usize = 2;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        extremum::emit::<Self, L>(l, args)
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        extremum::vjp::<Self>(node)
    }
}

impl Extremum for Min {
    const OP: Self = Self;
    const IDENTITY: f64 = f64::INFINITY;

    fn ascending<T>(a: T, b: T) -> [T; 2] {
        [a, b]
    }

    fn is_beyond(a: &Var, b: &Var) -> Var {
        a.lt(b)
    }
}

var_method!(minimum(self, other) -> Min);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, vector};

    #[test]
    fn nan_of_either_operand_wins() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let a = vector([1.0, 2.0, 1.0, nan, 1.0, nan, inf]);
        let b = vector([2.0, 1.0, 1.0, 1.0, nan, nan, 1.0]);
        assert_eq!(run(Min, &[&a, &b]), vector([1.0, 1.0, 1.0, nan, nan, nan, 1.0]));
    }

    #[test]
    fn integers_are_compared_by_value() {
        let y = run(Min, &[&vector([i64::MIN, 5]), &vector([i64::MAX, -5])]);
        assert_eq!(y, vector([i64::MIN, -5]));
        let y = run(Min, &[&vector([200_u8, 0]), &vector([100_u8, 1])]);
        assert_eq!(y, vector([100_u8, 0]));
    }

    #[test]
    fn different_element_types_are_a_mistake() {
        insta::assert_snapshot!(mistake(Min, &["f32[2]", "i32[2]"]), @r"
        `min`: the operands have different element types, f32 and i32
          help: convert one of them with `cast`
        ");
    }
}
