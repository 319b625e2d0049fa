//! Conjunction.

use serde::{Deserialize, Serialize};

use super::elementwise::{Elementwise, truth};
use crate::error::Mistake;
use crate::lanes::{Lane, Lanes};
use crate::op::{Cost, Named, Vjp};
use crate::trace::Var;
use crate::types::DType;

/// `y = a ∧ b`, of truth values. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct And;

impl Elementwise for And {
    const ARITY: usize = 2;
    const COST: Cost = Cost::Cheap;

    fn result(&self, operands: &[DType]) -> Result<DType, Mistake> {
        truth(Self::NAME, operands)
    }

    fn emit<L: Lanes>(&self, l: &mut L, args: &[Lane<L>]) -> Lane<L> {
        match (args[0], args[1]) {
            (Lane::M(a), Lane::M(b)) => Lane::M(l.and(a, b)),
            _ => unreachable!("the type rule admits bool"),
        }
    }

    fn vjp(&self, _: &Vjp<'_>) -> Result<Vec<Option<Var>>, Mistake> {
        Ok(vec![None, None])
    }
}

impl Var {
    /// See [`And`].
    #[track_caller]
    #[must_use]
    pub fn logical_and(&self, other: &Var) -> Var {
        self.binary(And, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, vector, vjp};

    #[test]
    fn has_its_truth_table() {
        let (a, b) = (vector([false, false, true, true]), vector([false, true, false, true]));
        assert_eq!(run(And, &[&a, &b]), vector([false, false, false, true]));
        assert_eq!(vjp(And, &[&a, &b], &a), [None, None]);
    }

    #[test]
    fn numbers_are_a_mistake() {
        insta::assert_snapshot!(mistake(And, &["bool[2]", "f32[2]"]), @r"
        `and` takes bool, not f32
          help: compare the operand with a number
        ");
    }
}
