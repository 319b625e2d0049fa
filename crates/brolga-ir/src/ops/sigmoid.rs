//! The logistic function.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = 1 / (1 + e⁻ˣ)`, at most 2 ULP off; the program is [`Lanes::sigmoid`]. NaN stays.
///
/// The gradient is `dy · (y · (1 − y))`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sigmoid;

impl Elementwise for Sigmoid {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Expensive;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.sigmoid(x)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (dy, y) = (node.cotangent(), &node.results[0]);
        Ok(vec![Some(dy * (y * (1.0 - y)))])
    }
}

var_method!(sigmoid(self) -> Sigmoid);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{gradient, run, vector};

    #[test]
    fn special_values() {
        let x = vector([0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
        assert_eq!(run(Sigmoid, &[&x]), vector([0.5, 1.0, 0.0, f32::NAN]));
    }

    #[test]
    fn gradient_is_a_quarter_at_zero() {
        let infinity = f32::INFINITY;
        let dx =
            gradient(Sigmoid, &vector([0.0, infinity, -infinity]), &vector([4.0_f32, 1.0, 1.0]));
        assert_eq!(dx, vector([1.0_f32, 0.0, 0.0]));
    }
}
