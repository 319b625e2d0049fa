//! The error function.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = erf x = 2/√π · ∫₀ˣ e^(−t²) dt`, at most 2 ULP off; the program is [`Lanes::erf`].
///
/// The gradient is `dy · 2/√π · e^(−x²)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Erf;

impl Elementwise for Erf {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Expensive;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.erf(x)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let x = &node.operands[0];
        let density = (-(x * x)).exp() * std::f64::consts::FRAC_2_SQRT_PI;
        Ok(vec![Some(node.cotangent() * &density)])
    }
}

var_method!(erf(self) -> Erf);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{gradient, mistake, run, vector};

    #[test]
    fn special_values() {
        let x = vector([0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, 4.0, -1e-30, f32::NAN]);
        let tiny = (f64::from(-1e-30_f32) * std::f64::consts::FRAC_2_SQRT_PI) as f32;
        let y = vector([0.0, -0.0, 1.0, -1.0, 1.0, tiny, f32::NAN]);
        assert_eq!(run(Erf, &[&x]), y);
    }

    /// Values of mpmath.
    #[test]
    fn known_values() {
        let x = vector([0.1_f64, 0.85, 1.5, -2.6]);
        let y = vector([
            0.112_462_916_018_284_9,
            0.770_668_057_608_352_5,
            0.966_105_146_475_310_8,
            -0.999_763_965_583_470_7,
        ]);
        assert_eq!(run(Erf, &[&x]), y);
    }

    #[test]
    fn gradient_is_the_density() {
        let x = vector([0.0_f64, 1.0, f64::INFINITY]);
        let at_one = (-1.0_f64).exp() * std::f64::consts::FRAC_2_SQRT_PI;
        let expected = vector([std::f64::consts::FRAC_2_SQRT_PI, at_one, 0.0]);
        assert_eq!(gradient(Erf, &x, &vector([1.0_f64; 3])), expected);
    }

    #[test]
    fn refused_operands() {
        insta::assert_snapshot!(mistake(Erf, &["i32[2]"]), @r"
        `erf` takes floats, not i32
          help: convert the operand with `cast`
        ");
    }
}
