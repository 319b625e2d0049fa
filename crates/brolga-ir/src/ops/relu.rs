//! The rectified linear unit.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = 0 if x < 0 else x`. NaN and −0 pass through.
///
/// The gradient is `dy` where `y > 0` and 0 elsewhere, also at `x = 0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Relu;

impl Elementwise for Relu {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => {
                let zero = l.float(0.0);
                let negative = l.lt(x, zero);
                Lane::F(l.select(negative, zero, x))
            }
            Lane::I(x) => {
                let zero = l.int(0);
                let negative = l.ilt(x, zero);
                Lane::I(l.iselect(negative, zero, x))
            }
            Lane::M(x) => Lane::M(x),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (dy, y) = (node.cotangent(), &node.results[0]);
        let zero = y.constant_like(0.0);
        let positive = y.gt(&zero);
        Ok(vec![Some(positive.select(dy, &zero))])
    }
}

var_method!(relu(self) -> Relu);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{gradient, run, vector};

    #[test]
    fn nan_and_zeros_stay() {
        let x = vector([-1.0, -0.0, 0.0, 2.0, f32::NEG_INFINITY, f32::NAN]);
        assert_eq!(run(Relu, &[&x]), vector([0.0, -0.0, 0.0, 2.0, 0.0, f32::NAN]));
        assert_eq!(run(Relu, &[&vector([i64::MIN, 3])]), vector([0_i64, 3]));
        assert_eq!(run(Relu, &[&vector([200_u8])]), vector([200_u8]));
    }

    #[test]
    fn gradient_is_zero_at_zero_and_nan() {
        let dx = gradient(Relu, &vector([-1.0, 0.0, 2.0, f32::NAN]), &vector([5.0_f32; 4]));
        assert_eq!(dx, vector([0.0_f32, 0.0, 5.0, 0.0]));
    }
}
