//! The comparison "less than".

use serde::{Deserialize, Serialize};

use super::elementwise::number;
use super::predicate::{Predicate, TypeRule, less};
use crate::lanes::{Lane, Lanes};

/// `y = a < b`; false if one of them is NaN. There is no gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lt;

impl Predicate for Lt {
    const OPERANDS: TypeRule = number;

    fn holds<L: Lanes>(l: &mut L, args: &[Lane<L>]) -> L::M {
        less(l, args[0], args[1])
    }
}

var_method!(lt(self, other) -> Lt);

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;
    use crate::ops::checks::assert_compares_numbers;

    #[test]
    fn numbers_are_compared() {
        assert_compares_numbers(Lt, |order| order == Some(Ordering::Less));
    }
}
