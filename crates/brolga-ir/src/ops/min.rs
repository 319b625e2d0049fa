//! The lesser of two numbers.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, number};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::Vjp;
use crate::trace::Var;
use crate::types::DType;

/// `y = a` where `a` is NaN or `a < b`, `b` elsewhere. So NaN of either operand wins, and of +0 and −0 the second is taken.
///
/// The gradient goes to the operand chosen; where both are equal, half to each, as in JAX. Where one is NaN, neither has a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Min;

impl Elementwise for Min {
    const NAME: &'static str = "min";
    const ARITY: usize = 2;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        number(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::F(a), Lane::F(b)) => {
                let chosen = l.lt(a, b);
                let y = l.select(chosen, a, b);
                let number = l.eq(a, a);
                Lane::F(l.select(number, y, a))
            }
            (Lane::I(a), Lane::I(b)) => {
                let chosen = l.ilt(a, b);
                Lane::I(l.iselect(chosen, a, b))
            }
            _ => unreachable!("the type rule admits numbers of one element type"),
        }
    }

    fn vjp(&self, node: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        let (a, b, dy) = (&node.operands[0], &node.operands[1], node.cotangent());
        let zero = dy.constant_like(0.0);
        let tied = a.eq(b).select(&(dy * 0.5), &zero);
        let da = a.lt(b).select(dy, &tied);
        let db = b.lt(a).select(dy, &tied);
        Ok(vec![Some(da), Some(db)])
    }
}

/// The same choice of two scalars, for reductions.
pub(super) fn minimum<T: PartialOrd>(a: T, b: T) -> T {
    let is_nan = a.partial_cmp(&a).is_none();
    if is_nan || a < b { a } else { b }
}

impl Var {
    /// See [`Min`].
    #[track_caller]
    #[must_use]
    pub fn minimum(&self, other: &Var) -> Var {
        self.binary(Min, other)
    }
}
