//! The identity, with no gradient.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, same};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = x`, bit for bit. There is no gradient: to differentiation `y` is a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StopGradient;

impl Elementwise for StopGradient {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        same(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, _: &mut L, args: &[Lane<L>]) -> Lane<L> {
        args[0]
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None])
    }
}

var_method!(stop_gradient(self) -> StopGradient);
