//! The lesser of two numbers.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a` where `a` is NaN or `a < b`, `b` elsewhere. So NaN of either operand wins, and of +0 and −0 the second is taken.
///
/// The gradient goes to the operand chosen; where both are equal, half to each, as in JAX. Where one is NaN, neither has a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Min;

impl Elementwise for Min {
    const ARITY: usize = 2;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => {
                let chosen = l.lt(a, b);
                let y = l.select(chosen, a, b);
                let number = l.eq(a, a);
                Lane::F(l.select(number, y, a))
            }
            (Lane::I(a), Lane::I(b)) => {
                let chosen = l.ilt(a, b);
                Lane::I(l.iselect(chosen, a, b))
            }
            _ => unreachable!("the type rule admits numbers of one element type"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (a, b, dy) = (&node.operands[0], &node.operands[1], node.cotangent());
        let zero = dy.constant_like(0.0);
        let tied = a.eq(b).select(&(dy * 0.5), &zero);
        let da = node.wants(0).then(|| a.lt(b).select(dy, &tied));
        let db = node.wants(1).then(|| b.lt(a).select(dy, &tied));
        Ok(vec![da, db])
    }
}

/// The same choice of two scalars, for reductions.
pub(super) fn minimum<T: PartialOrd>(a: T, b: T) -> T {
    let is_nan = a.partial_cmp(&a).is_none();
    if is_nan || a < b { a } else { b }
}

impl Var {
    /// See [`Min`].
    #[track_caller]
    #[must_use]
    pub fn minimum(&self, other: &Var) -> Var {
        self.binary(Min, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, tensor, vector, vjp};

    #[test]
    fn nan_of_either_operand_wins() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let a = vector([1.0, 2.0, 1.0, nan, 1.0, nan, inf]);
        let b = vector([2.0, 1.0, 1.0, 1.0, nan, nan, 1.0]);
        assert_eq!(run(Min, &[&a, &b]), vector([1.0, 1.0, 1.0, nan, nan, nan, 1.0]));
    }

    #[test]
    fn of_two_zeros_the_second_is_taken() {
        let (a, b) = (vector([0.0_f32, -0.0]), vector([-0.0_f32, 0.0]));
        assert_eq!(run(Min, &[&a, &b]), b);
    }

    #[test]
    fn integers_are_compared_by_value() {
        let y = run(Min, &[&vector([i64::MIN, 5]), &vector([i64::MAX, -5])]);
        assert_eq!(y, vector([i64::MIN, -5]));
        let y = run(Min, &[&vector([200_u8, 0]), &vector([100_u8, 1])]);
        assert_eq!(y, vector([100_u8, 0]));
    }

    #[test]
    fn scalars_are_chosen_alike() {
        let values = [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN];
        for a in values {
            for b in values {
                assert_eq!(
                    run(Min, &[&vector([a]), &vector([b])]),
                    vector([minimum(a, b)]),
                    "{a}, {b}"
                );
            }
        }
    }

    #[test]
    fn equal_operands_share_the_gradient() {
        let a = vector([1.0, 2.0, 3.0, 0.0, f32::NAN, 1.0]);
        let b = vector([2.0, 1.0, 3.0, -0.0, 1.0, f32::NAN]);
        let grads = vjp(Min, &[&a, &b], &vector([10.0_f32, 20.0, 30.0, 40.0, 50.0, 60.0]));
        let da = vector([10.0_f32, 0.0, 15.0, 20.0, 0.0, 0.0]);
        let db = vector([0.0_f32, 20.0, 15.0, 20.0, 0.0, 0.0]);
        assert_eq!(grads, [Some(da), Some(db)]);
    }

    #[test]
    fn operands_are_broadcast() {
        let (a, b) = (tensor([2, 1], [1.0_f32, 4.0]), vector([2.0_f32, 3.0]));
        let dy = tensor([2, 2], [1.0_f32, 2.0, 3.0, 4.0]);
        let grads = vjp(Min, &[&a, &b], &dy);
        assert_eq!(grads, [Some(tensor([2, 1], [3.0_f32, 0.0])), Some(vector([3.0_f32, 4.0]))]);
    }

    #[test]
    fn different_element_types_are_a_mistake() {
        insta::assert_snapshot!(mistake(Min, &["f32[2]", "i32[2]"]), @r"
        `min`: the operands have different element types, f32 and i32
          help: convert one of them with `cast`
        ");
    }
}
