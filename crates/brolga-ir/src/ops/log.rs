//! The natural logarithm.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = ln x`, at most 2 ULP off; the program is [`Lanes::log`]. `ln ±0 = −∞`, NaN for `x < 0`.
///
/// The gradient is `dy / x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Log;

impl Elementwise for Log {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Expensive;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.log(x)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(node.cotangent() / &node.operands[0])])
    }
}

var_method!(log(self) -> Log);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{gradient, run, vector};

    #[test]
    fn special_values() {
        let x = vector([1.0, 0.0, -0.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        assert_eq!(run(Log, &[&x]), vector([0.0, -inf, -inf, nan, inf, nan, nan]));
    }

    #[test]
    fn gradient_is_the_reciprocal() {
        let dx = gradient(Log, &vector([2.0_f32, 0.5, 0.0]), &vector([1.0_f32, -3.0, 1.0]));
        assert_eq!(dx, vector([0.5, -6.0, f32::INFINITY]));
    }
}
