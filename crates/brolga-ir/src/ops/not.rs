//! Negation of truth values.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, truth};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = ¬x`, of truth values. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Not;

impl Elementwise for Not {
    const ARITY: usize = 1;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        truth(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match args[0] {
            Lane::M(x) => Lane::M(l.not(x)),
            _ => unreachable!("the type rule admits bool"),
        }
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None])
    }
}

impl Var {
    /// See [`Not`].
    #[track_caller]
    #[must_use]
    pub fn logical_not(&self) -> Var {
        self.unary(Not)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, vector, vjp};

    #[test]
    fn has_its_truth_table() {
        let x = vector([false, true]);
        assert_eq!(run(Not, &[&x]), vector([true, false]));
        assert_eq!(vjp(Not, &[&x], &x), [None]);
    }

    #[test]
    fn numbers_are_a_mistake() {
        insta::assert_snapshot!(mistake(Not, &["u8[2]"]), @r"
        `not` takes bool, not u8
          help: compare the operand with a number
        ");
    }
}
