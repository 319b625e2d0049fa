//! Index arithmetic: affine functions of atoms.

use std::ops::{Add, Mul, Sub};

use smallvec::SmallVec;

/// An integer that is known when the loops run: a unit, the index of a loop, a quotient, a number
/// from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Atom(pub u32);

/// `offset + Σ factorᵢ · atomᵢ`.
///
/// Atoms are in the order of their definition, so that outer loops come first.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Index {
    /// The constant term.
    pub offset: i64,
    /// Each atom once, with a factor that is not 0.
    pub terms: SmallVec<[(Atom, i64); 4]>,
}

impl Index {
    /// A constant. A number that exceeds 64 bits saturates; such a factor occurs only with an index
    /// of 0.
    #[must_use]
    pub fn number(value: usize) -> Self {
        Self { offset: integer(value), terms: SmallVec::new() }
    }

    /// Its value, if it depends on no atom.
    #[must_use]
    pub fn constant(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.offset)
    }

    fn plus(mut self, other: &Self, factor: i64) -> Self {
        self.offset = self.offset.saturating_add(other.offset.saturating_mul(factor));
        for &(atom, own) in &other.terms {
            let own = own.saturating_mul(factor);
            match self.terms.binary_search_by_key(&atom, |term| term.0) {
                Ok(at) => self.terms[at].1 = self.terms[at].1.saturating_add(own),
                Err(at) => self.terms.insert(at, (atom, own)),
            }
        }
        self.terms.retain(|term| term.1 != 0);
        self
    }
}

/// An extent or a stride as a factor.
pub(crate) fn integer(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl From<Atom> for Index {
    fn from(atom: Atom) -> Self {
        Self { offset: 0, terms: SmallVec::from_slice(&[(atom, 1)]) }
    }
}

impl From<usize> for Index {
    fn from(value: usize) -> Self {
        Self::number(value)
    }
}

impl Add for Index {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.plus(&other, 1)
    }
}

impl Add<usize> for Index {
    type Output = Self;

    fn add(self, other: usize) -> Self {
        self.plus(&Self::number(other), 1)
    }
}

impl Sub for Index {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.plus(&other, -1)
    }
}

impl Sub<usize> for Index {
    type Output = Self;

    fn sub(self, other: usize) -> Self {
        self.plus(&Self::number(other), -1)
    }
}

impl Mul<usize> for Index {
    type Output = Self;

    fn mul(self, factor: usize) -> Self {
        Self::default().plus(&self, integer(factor))
    }
}

impl Mul<usize> for &Index {
    type Output = Index;

    fn mul(self, factor: usize) -> Index {
        Index::default().plus(self, integer(factor))
    }
}
