//! The comparison "not equal".

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, same};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::Vjp;
use crate::trace::Var;
use crate::types::DType;

/// `y = a ≠ b`, of numbers and of truth values; true if one of them is NaN, and false for +0 and −0. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ne;

impl Elementwise for Ne {
    const NAME: &'static str = "ne";
    const ARITY: usize = 2;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        same(Self::NAME, operands).map(|_| DType::Bool)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => {
                let equal = l.eq(a, b);
                Lane::M(l.not(equal))
            }
            (Lane::I(a), Lane::I(b)) => {
                let equal = l.ieq(a, b);
                Lane::M(l.not(equal))
            }
            (Lane::M(a), Lane::M(b)) => {
                let any = l.or(a, b);
                let both = l.and(a, b);
                let differ = l.not(both);
                Lane::M(l.and(any, differ))
            }
            _ => unreachable!("the type rule admits operands of one element type"),
        }
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None, None])
    }
}

impl Var {
    /// See [`Ne`].
    #[track_caller]
    #[must_use]
    pub fn ne(&self, other: &Var) -> Var {
        self.binary(Ne, other)
    }
}
