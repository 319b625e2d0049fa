//! Negation.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = −x`: the sign bit of a float inverted, an integer's two's complement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Neg;

impl Elementwise for Neg {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.neg(x)),
            Lane::I(x) => {
                let zero = l.int(0);
                Lane::I(l.isub(zero, x))
            }
            Lane::M(x) => Lane::M(x),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(-node.cotangent())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{gradient, run, vector};

    #[test]
    fn inverts_the_sign() {
        let x = vector([1.5, 0.0, -0.0, f32::INFINITY, f32::NAN]);
        assert_eq!(run(Neg, &[&x]), vector([-1.5, -0.0, 0.0, f32::NEG_INFINITY, f32::NAN]));
        let dx = gradient(Neg, &x, &x);
        assert_eq!(dx, run(Neg, &[&x]));
    }

    #[test]
    fn integers_wrap() {
        assert_eq!(run(Neg, &[&vector([i32::MIN, 3])]), vector([i32::MIN, -3]));
        assert_eq!(run(Neg, &[&vector([1_u8])]), vector([255_u8]));
    }
}
