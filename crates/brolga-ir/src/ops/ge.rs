//! The comparison "at least".

use serde::{Deserialize, Serialize};

use super::elementwise::number;
use super::predicate::{Predicate, TypeRule, at_most};
use crate::lanes::{Lane, Lanes};

/// `y = a ≥ b`; false if one of them is NaN. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ge;

impl Predicate for Ge {
    const OPERANDS: TypeRule = number;

    fn holds<L: Lanes>(l: &mut L, args: &[Lane<L>]) -> L::M {
        at_most(l, args[1], args[0])
    }
}

var_method!(ge(self, other) -> Ge);

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;
    use crate::ops::checks::assert_compares_numbers;

    #[test]
    fn numbers_are_compared() {
        assert_compares_numbers(Ge, |order| order.is_some_and(Ordering::is_ge));
    }
}
