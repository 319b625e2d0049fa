//! The comparison "equal".

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, same};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::Vjp;
use crate::trace::Var;
use crate::types::DType;

/// `y = a = b`, of numbers and of truth values; false if one of them is NaN, and true for +0 and −0. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Eq;

impl Elementwise for Eq {
    const NAME: &'static str = "eq";
    const ARITY: usize = 2;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        same(Self::NAME, operands).map(|_| DType::Bool)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => Lane::M(l.eq(a, b)),
            (Lane::I(a), Lane::I(b)) => Lane::M(l.ieq(a, b)),
            (Lane::M(a), Lane::M(b)) => {
                let both = l.and(a, b);
                let any = l.or(a, b);
                let neither = l.not(any);
                Lane::M(l.or(both, neither))
            }
            _ => unreachable!("the type rule admits operands of one element type"),
        }
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None, None])
    }
}

impl Var {
    /// See [`Eq`].
    #[track_caller]
    #[must_use]
    pub fn eq(&self, other: &Var) -> Var {
        self.binary(Eq, other)
    }
}
