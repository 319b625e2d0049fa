//! The square root.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = √x`, correctly rounded. `√−0 = −0`, NaN for `x < 0`.
///
/// The gradient is `½·dy / y`, infinite at `x = 0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sqrt;

impl Elementwise for Sqrt {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Expensive;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.sqrt(x)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![Some(node.cotangent() * 0.5 / &node.results[0])])
    }
}

var_method!(sqrt(self) -> Sqrt);

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::*;
    use crate::ops::checks::{gradient, run, vector};

    #[test]
    fn special_values() {
        let x = vector([4.0, 0.0, -0.0, -1.0, f32::INFINITY, f32::NAN]);
        let y = vector([2.0, 0.0, -0.0, f32::NAN, f32::INFINITY, f32::NAN]);
        assert_eq!(run(Sqrt, &[&x]), y);
    }

    #[test]
    fn is_correctly_rounded() {
        let root = 2.0_f64.sqrt();
        assert_eq!(run(Sqrt, &[&vector([2.0_f64])]), vector([root]));
        assert_eq!(run(Sqrt, &[&vector([2.0_f32])]), vector([root as f32]));
        let two = vector([bf16::from_f32(2.0)]);
        assert_eq!(run(Sqrt, &[&two]), vector([bf16::from_f64(root)]));
    }

    #[test]
    fn gradient_is_infinite_at_zero() {
        let dx = gradient(Sqrt, &vector([4.0_f32, 0.0]), &vector([8.0_f32, 1.0]));
        assert_eq!(dx, vector([2.0, f32::INFINITY]));
    }
}
