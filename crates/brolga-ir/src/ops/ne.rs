//! The comparison "not equal".

use serde::{Deserialize, Serialize};

use super::elementwise::same;
use super::predicate::{Predicate, TypeRule, equal};
use crate::lanes::{Lane, Lanes};

/// `y = a ≠ b`, of numbers and of truth values; true if one of them is NaN, and false for +0 and
/// −0. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ne;

impl Predicate for Ne {
    const OPERANDS: TypeRule = same;

    fn holds<L: Lanes>(l: &mut L, args: &[Lane<L>]) -> L::M {
        match (args[0], args[1]) {
            (Lane::M(a), Lane::M(b)) => {
                let any = l.or(a, b);
                let both = l.and(a, b);
                let differ = l.not(both);
                l.and(any, differ)
            }
            (a, b) => {
                let equal = equal(l, a, b);
                l.not(equal)
            }
        }
    }
}

var_method!(ne(self, other) -> Ne);

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;
    use crate::ops::checks::{assert_compares, assert_compares_numbers};

    #[test]
    fn numbers_and_truth_values_are_compared() {
        assert_compares_numbers(Ne, |order| order != Some(Ordering::Equal));
        assert_compares(Ne, &[false, true], |order| order != Some(Ordering::Equal));
    }
}
