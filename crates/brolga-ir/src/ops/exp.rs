//! The exponential function.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = eˣ`, at most 2 ULP off; the program is [`Lanes::exp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exp;

impl Elementwise for Exp {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Expensive;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.exp(x)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(node.cotangent() * &node.results[0])])
    }
}

var_method!(exp(self) -> Exp);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{gradient, run, vector};

    #[test]
    fn special_values() {
        let x = vector([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, 89.0, -104.0, f32::NAN]);
        let y = vector([1.0, 1.0, f32::INFINITY, 0.0, f32::INFINITY, 0.0, f32::NAN]);
        assert_eq!(run(Exp, &[&x]), y);
    }

    #[test]
    fn gradient_is_the_result() {
        let x = vector([0.0_f32, 1.0]);
        assert_eq!(gradient(Exp, &x, &vector([1.0_f32, 1.0])), run(Exp, &[&x]));
    }
}
