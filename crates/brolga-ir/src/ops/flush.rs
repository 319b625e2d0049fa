//! Subnormal numbers to zero.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = 0` where `|x|` is below the smallest normal number, `x` elsewhere. −0 becomes +0; NaN
/// stays.
///
/// Arithmetic with subnormal numbers is slow on many processors; this op keeps them out of values
/// that decay towards 0, such as an optimizer's slots. The smallest normal number is that of the
/// lanes, [`Lanes::smallest_normal`]: 2⁻¹²⁶ for `f32` and `bf16`, 2⁻¹⁰²² for `f64`; also 2⁻¹²⁶ for
/// `f16`, none of whose numbers but −0 changes.
///
/// The gradient is `dy` where `y ≠ 0` and 0 elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flush;

impl Elementwise for Flush {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => {
                let (zero, smallest) = (l.float(0.0), l.smallest_normal());
                let magnitude = l.abs(x);
                let tiny = l.lt(magnitude, smallest);
                Lane::F(l.select(tiny, zero, x))
            }
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (dy, y) = (node.cotangent(), &node.results[0]);
        let zero = y.constant_like(0.0);
        Ok(vec![Some(y.ne(&zero).select(dy, &zero))])
    }
}

var_method!(flush(self) -> Flush);

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;
    use crate::ops::checks::{gradient, run, vector};

    #[test]
    fn subnormal_numbers_become_zero() {
        let smallest = f32::MIN_POSITIVE;
        let below = f32::from_bits(smallest.to_bits() - 1);
        let x = vector([smallest, -smallest, below, -below, -0.0, 1.5, f32::NAN, f32::INFINITY]);
        let y = vector([smallest, -smallest, 0.0, 0.0, 0.0, 1.5, f32::NAN, f32::INFINITY]);
        assert_eq!(run(Flush, &[&x]), y);
    }

    #[test]
    fn each_type_has_its_smallest_number() {
        let smallest = f64::MIN_POSITIVE;
        let y = run(Flush, &[&vector([smallest, smallest / 2.0, -f64::from_bits(1)])]);
        assert_eq!(y, vector([smallest, 0.0, 0.0]));
        let smallest = bf16::MIN_POSITIVE;
        assert_eq!(
            run(Flush, &[&vector([smallest, bf16::from_bits(smallest.to_bits() - 1)])]),
            vector([smallest, bf16::ZERO])
        );
        let tiny = vector([f16::from_bits(1)]);
        assert_eq!(run(Flush, &[&tiny]), tiny);
    }

    #[test]
    fn gradient_passes_where_nothing_was_flushed() {
        let x = vector([2.0, 0.0, f32::from_bits(1), f32::NAN]);
        let dx = gradient(Flush, &x, &vector([5.0_f32, 6.0, 7.0, 8.0]));
        assert_eq!(dx, vector([5.0_f32, 0.0, 0.0, 8.0]));
    }
}
