//! The sign.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::Vjp;
use crate::trace::Var;
use crate::types::DType;

/// `y = −1` where `x < 0`, `1` where `x > 0`, `x` elsewhere: ±0 and NaN stay. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sign;

impl Elementwise for Sign {
    const NAME: &'static str = "sign";
    const ARITY: usize = 1;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => {
                let (zero, one, minus_one) = (l.float(0.0), l.float(1.0), l.float(-1.0));
                let positive = l.lt(zero, x);
                let negative = l.lt(x, zero);
                let y = l.select(positive, one, x);
                Lane::F(l.select(negative, minus_one, y))
            }
            Lane::I(x) => {
                let (zero, one, minus_one) = (l.int(0), l.int(1), l.int(-1));
                let positive = l.ilt(zero, x);
                let negative = l.ilt(x, zero);
                let y = l.iselect(positive, one, x);
                Lane::I(l.iselect(negative, minus_one, y))
            }
            Lane::M(_) => unreachable!("the type rule admits numbers"),
        }
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None])
    }
}

impl Var {
    /// See [`Sign`].
    #[track_caller]
    #[must_use]
    pub fn sign(&self) -> Var {
        self.unary(Sign)
    }
}
