//! The comparison "equal".

use serde::{Deserialize, Serialize};

use super::elementwise::same;
use super::predicate::{Predicate, TypeRule, equal};
use crate::lanes::{Lane, Lanes};

/// `y = a = b`, of numbers and of truth values; false if one of them is NaN, and true for +0 and
/// −0. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Eq;

impl Predicate for Eq {
    const OPERANDS: TypeRule = same;

    fn holds<L: Lanes>(l: &mut L, args: &[Lane<L>]) -> L::M {
        equal(l, args[0], args[1])
    }
}

var_method!(eq(self, other) -> Eq);

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;
    use crate::ops::checks::{assert_compares, assert_compares_numbers};

    #[test]
    fn numbers_and_truth_values_are_compared() {
        assert_compares_numbers(Eq, |order| order == Some(Ordering::Equal));
        assert_compares(Eq, &[false, true], |order| order == Some(Ordering::Equal));
    }
}
