//! The sign.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = −1` where `x < 0`, `1` where `x > 0`, `x` elsewhere: ±0 and NaN stay. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sign;

impl Elementwise for Sign {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => {
                let (zero, one, minus_one) = (l.float(0.0), l.float(1.0), l.float(-1.0));
                let positive = l.lt(zero, x);
                let negative = l.lt(x, zero);
                let y = l.select(positive, one, x);
                Lane::F(l.select(negative, minus_one, y))
            }
            Lane::I(x) => {
                let (zero, one, minus_one) = (l.int(0), l.int(1), l.int(-1));
                let positive = l.ilt(zero, x);
                let negative = l.ilt(x, zero);
                let y = l.iselect(positive, one, x);
                Lane::I(l.iselect(negative, minus_one, y))
            }
            Lane::M(_) => unreachable!("the type rule admits numbers"),
        }
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None])
    }
}

var_method!(sign(self) -> Sign);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{run, vector, vjp};

    #[test]
    fn zeros_and_nan_stay() {
        let x = vector([-2.5, -0.0, 0.0, f32::from_bits(1), f32::INFINITY, f32::NAN]);
        assert_eq!(run(Sign, &[&x]), vector([-1.0, -0.0, 0.0, 1.0, 1.0, f32::NAN]));
    }

    #[test]
    fn integers_have_signs() {
        assert_eq!(run(Sign, &[&vector([i32::MIN, 0, 7])]), vector([-1, 0, 1]));
        assert_eq!(run(Sign, &[&vector([0_u8, 255])]), vector([0_u8, 1]));
    }

    #[test]
    fn there_is_no_gradient() {
        let x = vector([1.0_f32]);
        assert_eq!(vjp(Sign, &[&x], &x), [None]);
    }
}
