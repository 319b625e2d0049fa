//! The reciprocal of the square root.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = 1 / √x`, rounded twice: the root, then the quotient. `±∞` for `±0`, NaN for `x < 0`.
///
/// The gradient is `(−½·dy) · (y·y·y)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rsqrt;

impl Elementwise for Rsqrt {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Expensive;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => {
                let one = l.float(1.0);
                let root = l.sqrt(x);
                Lane::F(l.div(one, root))
            }
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (dy, y) = (node.cotangent(), &node.results[0]);
        Ok(vec![Some(dy * -0.5 * (y * y * y))])
    }
}

var_method!(rsqrt(self) -> Rsqrt);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{gradient, run, vector};

    #[test]
    fn special_values() {
        let x = vector([4.0, 0.0, -0.0, -1.0, f32::INFINITY, f32::NAN]);
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        assert_eq!(run(Rsqrt, &[&x]), vector([0.5, inf, -inf, nan, 0.0, nan]));
    }

    #[test]
    fn rounds_twice() {
        let values = || (1..100_u8).map(f32::from);
        let y = run(Rsqrt, &[&vector(values())]);
        assert_eq!(y, vector(values().map(|x| 1.0 / x.sqrt())));
        let once = vector(values().map(|x| (1.0 / f64::from(x).sqrt()) as f32));
        assert_ne!(y, once, "the two roundings show");
    }

    #[test]
    fn gradient_is_minus_half_the_cube() {
        let dx = gradient(Rsqrt, &vector([4.0_f32]), &vector([16.0_f32]));
        assert_eq!(dx, vector([-1.0_f32]));
    }
}
