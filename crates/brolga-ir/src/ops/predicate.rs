//! The part that comparisons and logical ops share.

use super::elementwise::Elementwise;
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// A rule that gives the element type of an op's operands, or their mistake, for the op's name and
/// their types.
pub(super) type TypeRule = fn(&str, &[DType]) -> Result<DType, Mistake>;

/// An elementwise op whose result is `bool`. It is cheap and has no gradient.
pub(super) trait Predicate: Named {
    /// The number of operands.
    const ARITY: usize = 2;
    /// The rule for the operands.
    const OPERANDS: TypeRule;

    /// The program for one element.
    fn holds<L: Lanes>(l: &mut L, args: &[Lane<L>]) -> L::M;
}

impl<P: Predicate> Elementwise for P {
    const ARITY: usize = P::ARITY;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        (P::OPERANDS)(P::NAME, operands).map(|_| DType::Bool)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        Lane::M(P::holds(l, args))
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None; P::ARITY])
    }
}

/// `a < b`, of numbers.
pub(super) fn less<L: Lanes>(l: &mut L, a: Lane<L>, b: Lane<L>) -> L::M {
    match (a, b) {
        (Lane::F(a), Lane::F(b)) => l.lt(a, b),
        (Lane::I(a), Lane::I(b)) => l.ilt(a, b),
        _ => unreachable!("the type rule admits numbers of one element type"),
    }
}

/// `a ≤ b`, of numbers.
pub(super) fn at_most<L: Lanes>(l: &mut L, a: Lane<L>, b: Lane<L>) -> L::M {
    match (a, b) {
        (Lane::F(a), Lane::F(b)) => l.le(a, b),
        _ => {
            let greater = less(l, b, a);
            l.not(greater)
        }
    }
}

/// `a = b`, of numbers and of truth values.
pub(super) fn equal<L: Lanes>(l: &mut L, a: Lane<L>, b: Lane<L>) -> L::M {
    match (a, b) {
        (Lane::F(a), Lane::F(b)) => l.eq(a, b),
        (Lane::I(a), Lane::I(b)) => l.ieq(a, b),
        (Lane::M(a), Lane::M(b)) => {
            let both = l.and(a, b);
            let any = l.or(a, b);
            let neither = l.not(any);
            l.or(both, neither)
        }
        _ => unreachable!("the type rule admits operands of one element type"),
    }
}

/// The operand of a logical op.
pub(super) fn truth_value<L: Lanes>(arg: Lane<L>) -> L::M {
    match arg {
        Lane::M(x) => x,
        _ => unreachable!("the type rule admits bool"),
    }
}
