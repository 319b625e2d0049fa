//! Negation of truth values.

use serde::{Deserialize, Serialize};

use super::elementwise::truth;
use super::predicate::{Predicate, TypeRule, truth_value};
use crate::lanes::{Lane, Lanes};

/// `y = ¬x`, of truth values. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Not;

impl Predicate for Not {
    const ARITY: usize = 1;
    const OPERANDS: TypeRule = truth;

    fn holds<L: Lanes>(l: &mut L, args: &[Lane<L>]) -> L::M {
        l.not(truth_value(args[0]))
    }
}

var_method!(logical_not(self) -> Not);

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
