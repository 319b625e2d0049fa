//! Loop nests: a stage of a kernel as loops, index arithmetic and calls of tiles.
//!
//! A [`Nest`] is plain data, as a tile program is. All extents are numbers, so every address is an
//! operand's start plus a linear function of loop indices. [`emit`](emit()) turns it into a
//! Cranelift function, [`Nest::check`] proves that it stays inside its memory.

mod check;
mod emit;
mod text;
mod visit;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::tile::{Element, TileProgram};

pub use check::{Breach, Room};
pub use emit::emit;

/// A stage: `body` once for each unit of a range.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nest {
    /// Its name, for readers.
    pub name: String,
    /// The steps for one unit; [`Nest::UNIT`] is its number.
    pub body: Vec<Step>,
    /// The number of indices, the unit included.
    pub indices: u32,
}

impl Nest {
    /// The number of the unit being worked on.
    pub const UNIT: Index = Index(0);
}

/// A whole number known when the nest runs: a loop's count, a quotient, an element read from
/// memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Index(pub u32);

/// The base of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Base {
    /// At an entry of the operand table: operands, results, workspace.
    Slot(usize),
    /// At the worker's scratch memory.
    Scratch,
}

/// `base + offset + Σ index · factor`; without a base, a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Affine {
    /// The base of an address; `None` for a number.
    pub base: Option<Base>,
    /// The constant that is added.
    pub offset: i64,
    /// The indices with their factors.
    pub terms: SmallVec<[(Index, i64); 4]>,
}

impl Affine {
    /// The start of a slot.
    #[must_use]
    pub fn slot(slot: usize) -> Self {
        Self { base: Some(Base::Slot(slot)), offset: 0, terms: SmallVec::new() }
    }

    /// The start of the scratch memory.
    #[must_use]
    pub fn scratch() -> Self {
        Self { base: Some(Base::Scratch), offset: 0, terms: SmallVec::new() }
    }

    /// A number.
    #[must_use]
    pub fn number(value: i64) -> Self {
        Self { base: None, offset: value, terms: SmallVec::new() }
    }

    /// Adds a constant.
    #[must_use]
    pub fn plus(mut self, offset: i64) -> Self {
        self.offset += offset;
        self
    }

    /// Adds `index · factor`.
    #[must_use]
    pub fn term(mut self, index: Index, factor: i64) -> Self {
        if factor != 0 {
            match self.terms.iter_mut().find(|(other, _)| *other == index) {
                Some((_, sum)) => *sum += factor,
                None => self.terms.push((index, factor)),
            }
            self.terms.retain(|(_, factor)| *factor != 0);
        }
        self
    }

    /// Adds all terms of a number, each `factor` times.
    #[must_use]
    pub fn add(mut self, other: &Self, factor: i64) -> Self {
        self.offset += other.offset * factor;
        for &(index, own) in &other.terms {
            self = self.term(index, own * factor);
        }
        self
    }
}

impl From<Index> for Affine {
    fn from(index: Index) -> Self {
        Self::number(0).term(index, 1)
    }
}

/// An argument of a tile.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Arg {
    /// An address or a number.
    Affine(Affine),
    /// The smaller of a number and a limit.
    Min(Affine, i64),
}

impl From<Affine> for Arg {
    fn from(affine: Affine) -> Self {
        Self::Affine(affine)
    }
}

/// A step of a nest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// The body for each value of the index from `from` up to, but not including, `to`.
    Loop {
        /// The index, which ascends.
        index: Index,
        /// The first value.
        from: Affine,
        /// The value after the last one.
        to: Affine,
        /// The steps for each value.
        body: Vec<Step>,
    },
    /// `index = ⌊number / divisor⌋`; the number is not negative.
    Divide {
        /// The result.
        index: Index,
        /// The dividend.
        number: Affine,
        /// The divisor.
        divisor: i64,
    },
    /// `index` = the element at this address: a byte is zero-extended, 32 bits are sign-extended.
    Read {
        /// The result.
        index: Index,
        /// The address.
        address: Affine,
        /// [`Element::I32`] or [`Element::U8`].
        element: Element,
    },
    /// `then` if `from ≤ number < to`, else `otherwise`.
    When {
        /// The number that is compared.
        number: Affine,
        /// The least value inside.
        from: i64,
        /// The value above the greatest inside.
        to: i64,
        /// The steps inside.
        then: Vec<Step>,
        /// The steps outside.
        otherwise: Vec<Step>,
    },
    /// Runs a tile.
    Call {
        /// The tile.
        tile: Arc<TileProgram>,
        /// One for each of its parameters.
        args: Vec<Arg>,
    },
}

/// Writes a [`Nest`].
#[derive(Debug)]
pub struct NestBuilder {
    name: String,
    blocks: Vec<Vec<Step>>,
    indices: u32,
}

impl NestBuilder {
    /// An empty nest.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), blocks: vec![Vec::new()], indices: 1 }
    }

    fn index(&mut self) -> Index {
        let index = Index(self.indices);
        self.indices += 1;
        index
    }

    fn push(&mut self, step: Step) {
        self.blocks.last_mut().expect("the outermost block is closed by `finish`").push(step);
    }

    fn block(&mut self, body: impl FnOnce(&mut Self)) -> Vec<Step> {
        self.blocks.push(Vec::new());
        body(self);
        self.blocks.pop().expect("the block was opened above")
    }

    /// A loop from 0 to a count. A count of 1 gives the body alone, 0 nothing.
    pub fn repeat(&mut self, count: usize, body: impl FnOnce(&mut Self, Affine)) {
        match count {
            0 => {}
            1 => body(self, Affine::number(0)),
            _ => self.range(Affine::number(0), Affine::number(count as i64), |b, i| {
                body(b, Affine::from(i));
            }),
        }
    }

    /// A loop between two bounds.
    pub fn range(&mut self, from: Affine, to: Affine, body: impl FnOnce(&mut Self, Index)) {
        let index = self.index();
        let body = self.block(|b| body(b, index));
        if !body.is_empty() {
            self.push(Step::Loop { index, from, to, body });
        }
    }

    /// `⌊number / divisor⌋`.
    pub fn divide(&mut self, number: Affine, divisor: usize) -> Affine {
        let divisor = divisor as i64;
        let is_multiple = |factor: &i64| factor % divisor == 0;
        if number.terms.iter().map(|(_, factor)| factor).chain([&number.offset]).all(is_multiple) {
            let terms = number.terms.iter().map(|&(index, factor)| (index, factor / divisor));
            return Affine { terms: terms.collect(), offset: number.offset / divisor, ..number };
        }
        let index = self.index();
        self.push(Step::Divide { index, number, divisor });
        index.into()
    }

    /// Quotient and remainder.
    pub fn split(&mut self, number: &Affine, divisor: usize) -> (Affine, Affine) {
        let quotient = self.divide(number.clone(), divisor);
        let remainder = number.clone().add(&quotient, -(divisor as i64));
        (quotient, remainder)
    }

    /// The integer at an address.
    pub fn read(&mut self, element: Element, address: Affine) -> Affine {
        let index = self.index();
        self.push(Step::Read { index, address, element });
        index.into()
    }

    /// A choice by a number: `then` inside `from..to`, `otherwise` outside.
    pub fn when(
        &mut self,
        number: Affine,
        range: std::ops::Range<usize>,
        then: impl FnOnce(&mut Self),
        otherwise: impl FnOnce(&mut Self),
    ) {
        let (from, to) = (range.start as i64, range.end as i64);
        let then = self.block(then);
        let otherwise = self.block(otherwise);
        self.push(Step::When { number, from, to, then, otherwise });
    }

    /// A call of a tile.
    pub fn call<A: Into<Arg>>(
        &mut self,
        tile: &Arc<TileProgram>,
        args: impl IntoIterator<Item = A>,
    ) {
        let args = args.into_iter().map(Into::into).collect();
        self.push(Step::Call { tile: Arc::clone(tile), args });
    }

    /// The finished nest.
    #[must_use]
    pub fn finish(mut self) -> Nest {
        let body = self.blocks.pop().unwrap_or_default();
        Nest { name: self.name, body, indices: self.indices }
    }
}

impl Nest {
    /// The tiles that are called, each once, in the order of their first call.
    #[must_use]
    pub fn tiles(&self) -> Vec<Arc<TileProgram>> {
        fn collect(steps: &[Step], tiles: &mut Vec<Arc<TileProgram>>) {
            for step in steps {
                match step {
                    Step::Loop { body, .. } => collect(body, tiles),
                    Step::When { then, otherwise, .. } => {
                        collect(then, tiles);
                        collect(otherwise, tiles);
                    }
                    Step::Call { tile, .. } if !tiles.contains(tile) => {
                        tiles.push(Arc::clone(tile))
                    }
                    Step::Call { .. } | Step::Divide { .. } | Step::Read { .. } => {}
                }
            }
        }
        let mut tiles = Vec::new();
        collect(&self.body, &mut tiles);
        tiles
    }
}
