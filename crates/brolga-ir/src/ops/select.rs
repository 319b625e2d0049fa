//! Choice between two values.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, same};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::Vjp;
use crate::trace::Var;
use crate::types::DType;

/// `y = a where mask else b`. The mask has no gradient; the cotangent goes to the chosen operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Select;

impl Elementwise for Select {
    const NAME: &'static str = "select";
    const ARITY: usize = 3;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        if operands[0] != DType::Bool {
            let given = operands[0];
            return Err(Mistake::new(format!("`select` takes a mask of bool first, not {given}")));
        }
        same(Self::NAME, &operands[1..])
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1], args[2]) {
            (Lane::M(mask), Lane::F(a), Lane::F(b)) => Lane::F(l.select(mask, a, b)),
            (Lane::M(mask), Lane::I(a), Lane::I(b)) => Lane::I(l.iselect(mask, a, b)),
            (Lane::M(mask), Lane::M(a), Lane::M(b)) => {
                let unmasked = l.not(mask);
                let (a, b) = (l.and(mask, a), l.and(unmasked, b));
                Lane::M(l.or(a, b))
            }
            _ => unreachable!("the type rule admits a mask and two operands of one element type"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (mask, dy) = (&node.operands[0], node.cotangent());
        let zero = dy.constant_like(0.0);
        Ok(vec![None, Some(mask.select(dy, &zero)), Some(mask.select(&zero, dy))])
    }
}

impl Var {
    /// `a` where this mask is true, `b` elsewhere; see [`Select`].
    #[track_caller]
    #[must_use]
    pub fn select(&self, a: &Var, b: &Var) -> Var {
        self.tracer().apply(Select, &[self, a, b])
    }
}
