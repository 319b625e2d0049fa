//! The hyperbolic tangent.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = tanh x`, at most 2 ULP off; the program is [`Lanes::tanh`]. ±0 and NaN stay.
///
/// The gradient is `dy · (1 − y²)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tanh;

impl Elementwise for Tanh {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Expensive;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.tanh(x)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (dy, y) = (node.cotangent(), &node.results[0]);
        Ok(vec![Some(dy * (1.0 - y * y))])
    }
}

var_method!(tanh(self) -> Tanh);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{gradient, run, vector};

    #[test]
    fn special_values() {
        let x = vector([0.0, -0.0, 100.0, f32::NEG_INFINITY, f32::NAN]);
        assert_eq!(run(Tanh, &[&x]), vector([0.0, -0.0, 1.0, -1.0, f32::NAN]));
    }

    #[test]
    fn gradient_vanishes_far_out() {
        let dx = gradient(Tanh, &vector([0.0_f32, 100.0, -100.0]), &vector([3.0_f32, 3.0, 3.0]));
        assert_eq!(dx, vector([3.0_f32, 0.0, 0.0]));
    }
}
