//! Rounding down.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, float};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::Vjp;
use crate::trace::Var;
use crate::types::DType;

/// `y = ⌊x⌋`, the largest integer not above `x`. ±0, ±∞ and NaN stay. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Floor;

impl Elementwise for Floor {
    const NAME: &'static str = "floor";
    const ARITY: usize = 1;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        float(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::F(x) => Lane::F(l.floor(x)),
            _ => unreachable!("the type rule admits floats"),
        }
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None])
    }
}

impl Var {
    /// See [`Floor`].
    #[track_caller]
    #[must_use]
    pub fn floor(&self) -> Var {
        self.unary(Floor)
    }
}
