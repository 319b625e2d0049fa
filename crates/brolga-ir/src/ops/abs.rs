//! The absolute value.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = |x|`: the sign bit of a float cleared, so that −0 becomes +0; integers wrap, so that the
/// least one stays itself.
///
/// The gradient is `dy · sign(x)`, 0 at `x = 0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Abs;

impl Elementwise for Abs {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.abs(x)),
            Lane::I(x) => {
                let zero = l.int(0);
                let negative = l.ilt(x, zero);
                let minus_x = l.isub(zero, x);
                Lane::I(l.iselect(negative, minus_x, x))
            }
            Lane::M(_) => unreachable!("the type rule admits numbers"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(node.cotangent() * node.operands[0].sign())])
    }
}

var_method!(abs(self) -> Abs);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{gradient, mistake, run, vector};

    #[test]
    fn clears_the_sign() {
        let x = vector([-1.5, -0.0, f32::NAN, f32::NEG_INFINITY, -f32::from_bits(1)]);
        let y = vector([1.5, 0.0, f32::NAN, f32::INFINITY, f32::from_bits(1)]);
        assert_eq!(run(Abs, &[&x]), y);
        assert_eq!(run(Abs, &[&vector::<f32>([])]), vector::<f32>([]));
    }

    #[test]
    fn integers_wrap() {
        assert_eq!(run(Abs, &[&vector([i32::MIN, -3, 0, 4])]), vector([i32::MIN, 3, 0, 4]));
        assert_eq!(run(Abs, &[&vector([i64::MIN, -3])]), vector([i64::MIN, 3]));
        assert_eq!(run(Abs, &[&vector([0_u8, 255])]), vector([0_u8, 255]));
    }

    #[test]
    fn gradient_is_zero_at_zero() {
        let dx = gradient(Abs, &vector([-2.0_f32, 0.0, 3.0]), &vector([1.0_f32, 2.0, -4.0]));
        assert_eq!(dx, vector([-1.0_f32, 0.0, -4.0]));
    }

    #[test]
    fn bool_is_a_mistake() {
        insta::assert_snapshot!(mistake(Abs, &["bool[2]"]), @r"
        `abs` takes numbers, not bool
          help: convert the operand with `cast`
        ");
    }
}
