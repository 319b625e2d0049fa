//! Facts about a nest's indices at a step: a range for each, and for sums of several of them.
//!
//! A sum with a known range is a [`Fact`]: `number - divisor·quotient` lies in `0..divisor`, what a
//! `when` tests lies in its range. To bound a form, multiples of facts are subtracted from it, each
//! bounded by its own range, and the rest is bounded by the ranges of its indices. Each choice of
//! multiples gives a valid bound; those that cancel an index give the tight ones.

use smallvec::SmallVec;

use crate::nest::{Affine, Index};

/// Whole numbers from `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) low: i64,
    pub(super) high: i64,
}

impl Range {
    pub(super) fn new(low: i64, high: i64) -> Self {
        Self { low, high }
    }

    pub(super) fn is_empty(self) -> bool {
        self.low > self.high
    }

    pub(super) fn intersect(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            low: self.low.checked_add(other.low)?,
            high: self.high.checked_add(other.high)?,
        })
    }

    fn times(self, factor: i64) -> Option<Self> {
        let (a, b) = (self.low.checked_mul(factor)?, self.high.checked_mul(factor)?);
        Some(Self { low: a.min(b), high: a.max(b) })
    }

    /// The numbers whose products with `factor` lie here.
    fn divided(self, factor: i64) -> Self {
        let (low, high) = (i128::from(self.low), i128::from(self.high));
        let (low, high) = if factor > 0 { (low, high) } else { (-high, -low) };
        let by = i128::from(factor).abs();
        let clamped = |number: i128| {
            i64::try_from(number).unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
        };
        Self { low: clamped(-(-low).div_euclid(by)), high: clamped(high.div_euclid(by)) }
    }
}

/// `constant + Σ index · factor`, the indices ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) constant: i64,
    terms: SmallVec<[(Index, i64); 4]>,
}

impl Form {
    pub(super) fn number(constant: i64) -> Self {
        Self { constant, terms: SmallVec::new() }
    }

    pub(super) fn index(index: Index) -> Self {
        Self { constant: 0, terms: SmallVec::from_slice(&[(index, 1)]) }
    }

    /// The form of an affine number, or of an address without its base; `None` if a number
    /// overflows.
    pub(super) fn of(affine: &Affine) -> Option<Self> {
        let mut form = Self { constant: affine.offset, terms: SmallVec::new() };
        affine.terms.iter().try_for_each(|&(index, factor)| form.add(index, factor))?;
        Some(form)
    }

    fn add(&mut self, index: Index, factor: i64) -> Option<()> {
        match self.terms.binary_search_by_key(&index, |&(index, _)| index) {
            Ok(slot) => {
                let own = self.terms[slot].1.checked_add(factor)?;
                if own == 0 {
                    self.terms.remove(slot);
                } else {
                    self.terms[slot].1 = own;
                }
            }
            Err(slot) if factor != 0 => self.terms.insert(slot, (index, factor)),
            Err(_) => {}
        }
        Some(())
    }

    pub(super) fn is_constant(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether the difference of both is a constant.
    pub(super) fn moves_as(&self, other: &Self) -> bool {
        self.terms == other.terms
    }

    fn factor(&self, index: Index) -> i64 {
        self.terms.iter().find(|(own, _)| *own == index).map_or(0, |&(_, factor)| factor)
    }

    /// `self + other · factor`; `None` if a number overflows.
    pub(super) fn plus(&self, other: &Self, factor: i64) -> Option<Self> {
        let mut result = self.clone();
        result.constant = result.constant.checked_add(other.constant.checked_mul(factor)?)?;
        for &(index, own) in &other.terms {
            result.add(index, own.checked_mul(factor)?)?;
        }
        Some(result)
    }
}

/// A sum of indices with its range.
#[derive(Debug)]
struct Fact {
    form: Form,
    range: Range,
}

/// The facts at a step. The end of a block undoes its facts, by [`Facts::mark`] and
/// [`Facts::forget`].
#[derive(Debug)]
pub(super) struct Facts {
    ranges: Vec<Option<Range>>,
    facts: Vec<Fact>,
    changes: Vec<Change>,
}

/// A change of the facts, to be undone.
#[derive(Debug)]
enum Change {
    Range(Index, Option<Range>),
    Narrowed(usize, Range),
    Fact,
}

/// The number of facts at a point of the walk.
pub(super) struct Mark(usize);

impl Facts {
    pub(super) fn new(indices: u32) -> Self {
        Self { ranges: vec![None; indices as usize], facts: Vec::new(), changes: Vec::new() }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.changes.len())
    }

    pub(super) fn forget(&mut self, mark: Mark) {
        for change in self.changes.drain(mark.0..).rev() {
            match change {
                Change::Range(index, range) => self.ranges[index.0 as usize] = range,
                Change::Narrowed(fact, range) => self.facts[fact].range = range,
                Change::Fact => drop(self.facts.pop()),
            }
        }
    }

    /// Whether an index has a range here.
    pub(super) fn is_defined(&self, index: Index) -> bool {
        self.ranges.get(index.0 as usize).is_some_and(Option::is_some)
    }

    /// The range of an index from here on.
    pub(super) fn define(&mut self, index: Index, range: Range) {
        let slot = index.0 as usize;
        if slot >= self.ranges.len() {
            self.ranges.resize(slot + 1, None);
        }
        self.changes.push(Change::Range(index, self.ranges[slot].replace(range)));
    }

    /// An index that the nest does not have, with its range.
    pub(super) fn fresh(&mut self, range: Range) -> Index {
        let index = Index(self.ranges.len() as u32);
        self.define(index, range);
        index
    }

    /// Adds the fact that a form lies in a range. Returns false if that is impossible, so that the
    /// code is never reached.
    pub(super) fn assume(&mut self, form: &Form, range: Range) -> bool {
        let (Some(low), Some(high)) =
            (range.low.checked_sub(form.constant), range.high.checked_sub(form.constant))
        else {
            return !range.is_empty();
        };
        let range = Range::new(low, high);
        match form.terms[..] {
            [] => range.low <= 0 && 0 <= range.high,
            [(index, factor)] => {
                let own = range.divided(factor);
                let known = self.ranges.get(index.0 as usize).copied().flatten();
                let own = known.map_or(own, |known| known.intersect(own));
                self.define(index, own);
                !own.is_empty()
            }
            _ => {
                let form = Form { constant: 0, ..form.clone() };
                match self.facts.iter().position(|fact| fact.form == form) {
                    Some(slot) => {
                        let known = self.facts[slot].range;
                        self.changes.push(Change::Narrowed(slot, known));
                        self.facts[slot].range = known.intersect(range);
                        !self.facts[slot].range.is_empty()
                    }
                    None => {
                        self.facts.push(Fact { form, range });
                        self.changes.push(Change::Fact);
                        !range.is_empty()
                    }
                }
            }
        }
    }

    /// Bounds of a form: the first that are found. `None` if an index is not defined, or numbers
    /// overflow.
    pub(super) fn quick(&self, form: &Form) -> Option<Range> {
        self.bound(form, &self.facts, false)
    }

    /// The best bounds of a form.
    pub(super) fn best(&self, form: &Form) -> Option<Range> {
        self.bound(form, &self.facts, true)
    }

    fn bound(&self, form: &Form, facts: &[Fact], thorough: bool) -> Option<Range> {
        let mut best: Option<Range> = None;
        let mut join = |range: Range| {
            best = Some(best.map_or(range, |known| known.intersect(range)));
        };
        for (slot, fact) in facts.iter().enumerate() {
            for &(index, factor) in &fact.form.terms {
                let own = form.factor(index);
                if own == 0 || own % factor != 0 {
                    continue;
                }
                let times = own / factor;
                let range = times
                    .checked_neg()
                    .and_then(|minus| form.plus(&fact.form, minus))
                    .and_then(|left| self.bound(&left, &facts[slot + 1..], thorough))
                    .and_then(|left| left.plus(fact.range.times(times)?));
                match range {
                    Some(range) if thorough => join(range),
                    Some(range) => return Some(range),
                    None => {}
                }
            }
        }
        if let Some(range) = self.by_indices(form) {
            join(range);
        }
        best
    }

    /// Bounds by the ranges of the indices alone.
    fn by_indices(&self, form: &Form) -> Option<Range> {
        let start = Range::new(form.constant, form.constant);
        form.terms.iter().try_fold(start, |sum, &(index, factor)| {
            let range = *self.ranges.get(index.0 as usize)?;
            sum.plus(range?.times(factor)?)
        })
    }
}
