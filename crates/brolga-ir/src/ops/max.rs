//! The greater of two numbers.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use super::extremum::{self, Extremum};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a` where `a` is NaN or `a > b`, `b` elsewhere. So NaN of either operand wins, and of +0 and
/// −0 the second is taken.
///
/// The gradient goes to the operand chosen; where both are equal, half to each, as in JAX. Where
/// one is NaN, neither has a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Max;

impl Elementwise for Max {
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

impl Extremum for Max {
    const OP: Self = Self;
    const IDENTITY: f64 = f64::NEG_INFINITY;

    fn ascending<T>(a: T, b: T) -> [T; 2] {
        [b, a]
    }

    fn is_beyond(a: &Var, b: &Var) -> Var {
        a.gt(b)
    }
}

var_method!(maximum(self, other) -> Max);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, tensor, vector, vjp};

    #[test]
    fn nan_of_either_operand_wins() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let a = vector([1.0, 2.0, 1.0, nan, 1.0, nan, inf]);
        let b = vector([2.0, 1.0, 1.0, 1.0, nan, nan, 1.0]);
        assert_eq!(run(Max, &[&a, &b]), vector([2.0, 2.0, 1.0, nan, nan, nan, inf]));
    }

    #[test]
    fn of_two_zeros_the_second_is_taken() {
        let (a, b) = (vector([0.0_f32, -0.0]), vector([-0.0_f32, 0.0]));
        assert_eq!(run(Max, &[&a, &b]), b);
    }

    #[test]
    fn integers_are_compared_by_value() {
        let y = run(Max, &[&vector([i64::MIN, 5]), &vector([i64::MAX, -5])]);
        assert_eq!(y, vector([i64::MAX, 5]));
        let y = run(Max, &[&vector([200_u8, 0]), &vector([100_u8, 1])]);
        assert_eq!(y, vector([200_u8, 1]));
    }

    #[test]
    fn equal_operands_share_the_gradient() {
        let a = vector([1.0, 2.0, 3.0, 0.0, f32::NAN, 1.0]);
        let b = vector([2.0, 1.0, 3.0, -0.0, 1.0, f32::NAN]);
        let grads = vjp(Max, &[&a, &b], &vector([10.0_f32, 20.0, 30.0, 40.0, 50.0, 60.0]));
        let da = vector([0.0_f32, 20.0, 15.0, 20.0, 0.0, 0.0]);
        let db = vector([10.0_f32, 0.0, 15.0, 20.0, 0.0, 0.0]);
        assert_eq!(grads, [Some(da), Some(db)]);
    }

    #[test]
    fn operands_are_broadcast() {
        let (a, b) = (tensor([2, 1], [1.0_f32, 4.0]), vector([2.0_f32, 3.0]));
        let dy = tensor([2, 2], [1.0_f32, 2.0, 3.0, 4.0]);
        let grads = vjp(Max, &[&a, &b], &dy);
        assert_eq!(grads, [Some(tensor([2, 1], [0.0_f32, 7.0])), Some(vector([1.0_f32, 2.0]))]);
    }

    #[test]
    fn different_element_types_are_a_mistake() {
        insta::assert_snapshot!(mistake(Max, &["f32[2]", "i32[2]"]), @r"
        `max`: the operands have different element types, f32 and i32
          help: convert one of them with `cast`
        ");
    }
}
