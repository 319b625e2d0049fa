//! Powers.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = aᵇ`, at most 2.5 ULP off, with the special cases of C's `pow`; the program is
/// [`Lanes::pow`].
///
/// The gradients are `da = dy · (b · aᵇ⁻¹)`, 0 where `a` and `b` are both 0, and
/// `db = dy · (y · ln a)` where `a > 0`, 0 elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pow;

impl Elementwise for Pow {
    const ARITY: usize = 2;
    const COST: Cost = Cost::Expensive;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => Lane::F(l.pow(a, b)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (a, b, dy, y) =
            (&node.operands[0], &node.operands[1], node.cotangent(), &node.results[0]);
        let (zero, one) = (a.constant_like(0.0), a.constant_like(1.0));
        // Both selections keep ∞ · 0 out of this gradient and of its own gradients.
        let da = || {
            let zeros = a.eq(&zero).logical_and(&b.eq(&zero));
            let base = zeros.select(&one, a);
            dy * (b * base.pow(&(b - 1.0)))
        };
        let db = || {
            let positive = a.gt(&zero);
            let log = positive.select(a, &one).log();
            positive.select(&(dy * (y * log)), &zero)
        };
        Ok(vec![node.wants(0).then(da), node.wants(1).then(db)])
    }
}

var_method!(pow(self, other) -> Pow);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::ScalarF64;
    use crate::ops::checks::{run, vector, vjp};

    #[test]
    fn special_cases_are_those_of_c() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let cases = [
            (2.0, 10.0, 1024.0),
            (nan, 0.0, 1.0),
            (1.0, nan, 1.0),
            (0.0, 0.0, 1.0),
            (0.0, -1.0, inf),
            (-0.0, -1.0, -inf),
            (-0.0, 3.0, -0.0),
            (-2.0, 3.0, -8.0),
            (-2.0, 0.5, nan),
            (-1.0, inf, 1.0),
            (inf, -2.0, 0.0),
        ];
        let a = vector(cases.map(|(a, _, _)| a));
        let b = vector(cases.map(|(_, b, _)| b));
        assert_eq!(run(Pow, &[&a, &b]), vector(cases.map(|(_, _, y)| y)));
    }

    #[test]
    fn gradients_are_finite_at_zero() {
        let a = vector([3.0_f64, 0.0, 0.0, 0.0, 1.0, -2.0]);
        let b = vector([2.0_f64, 0.0, 1.0, 2.0, 5.0, 3.0]);
        let dy = vector([1.0_f64; 6]);
        let da = vector([6.0_f64, 0.0, 1.0, 0.0, 5.0, 12.0]);
        let db = vector([9.0 * ScalarF64.log(3.0), 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(vjp(Pow, &[&a, &b], &dy), [Some(da), Some(db)]);
    }
}
