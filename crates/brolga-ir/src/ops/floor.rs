//! Rounding down.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = ⌊x⌋`, the largest integer not above `x`. ±0, ±∞ and NaN stay. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Floor;

impl Elementwise for Floor {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.floor(x)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None])
    }
}

var_method!(floor(self) -> Floor);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, vector, vjp};

    #[test]
    fn rounds_down() {
        let x = vector([-1.5, -0.0, -0.25, 0.75, 8_388_609.0, f32::NEG_INFINITY, f32::NAN]);
        let y = vector([-2.0, -0.0, -1.0, 0.0, 8_388_609.0, f32::NEG_INFINITY, f32::NAN]);
        assert_eq!(run(Floor, &[&x]), y);
    }

    #[test]
    fn there_is_no_gradient() {
        let x = vector([1.5_f32]);
        assert_eq!(vjp(Floor, &[&x], &x), [None]);
    }

    #[test]
    fn integers_are_a_mistake() {
        insta::assert_snapshot!(mistake(Floor, &["i32[2]"]), @r"
        `floor` takes floats, not i32
          help: convert the operand with `cast`
        ");
    }
}
