//! Disjunction.

use serde::{Deserialize, Serialize};

use super::elementwise::truth;
use super::predicate::{Predicate, TypeRule, truth_value};
use crate::lanes::{Lane, Lanes};

/// `y = a ∨ b`, of truth values. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Or;

impl Predicate for Or {
    const OPERANDS: TypeRule = truth;

    fn holds<L: Lanes>(l: &mut L, args: &[Lane<L>]) -> L::M {
        l.or(truth_value(args[0]), truth_value(args[1]))
    }
}

var_method!(logical_or(self, other) -> Or);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::checks::{mistake, run, vector, vjp};

    #[test]
    fn has_its_truth_table() {
        let (a, b) = (vector([false, false, true, true]), vector([false, true, false, true]));
        assert_eq!(run(Or, &[&a, &b]), vector([false, true, true, true]));
        assert_eq!(vjp(Or, &[&a, &b], &a), [None, None]);
    }

    #[test]
    fn numbers_are_a_mistake() {
        insta::assert_snapshot!(mistake(Or, &["bool[2]", "f32[2]"]), @r"
        `or` takes bool, not f32
          help: compare the operand with a number
        ");
    }
}
