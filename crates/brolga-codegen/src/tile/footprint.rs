//! The footprint of a tile program: the bytes that it touches from its pointers on.
//!
//! Pointers move by constants, and loops count constants or arguments, so every offset is a
//! [`Linear`] form of the counts. A program is walked once, whatever its trip counts: the trips of
//! a loop are a constant step apart, so the first and the last one bound all of them.

use smallvec::SmallVec;

use super::program::{
    Address, Count, Element, Extent, LANES, Op, Pointer, Rank1, Stmt, TileProgram, Trips,
};

/// The contribution of a count argument to an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Term {
    /// The count n itself.
    Count(Count),
    /// Its whole vectors, ⌊n / 16⌋.
    Vectors(Count),
}

/// `constant + Σ term · factor`, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Linear {
    /// The constant.
    pub constant: i64,
    /// The terms, each once and with a factor other than 0.
    pub terms: SmallVec<[(Term, i64); 2]>,
}

/// The bytes from a pointer argument on that a program reads as elements of a type, or those that
/// it writes.
///
/// They lie between the least of `lows` and the greatest of `highs`; both are reached, unless a
/// loop that an argument counts has no trips.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The parameter.
    pub pointer: Pointer,
    /// The format of the elements in memory.
    pub element: Element,
    /// Whether the bytes are written; else they are read.
    pub writes: bool,
    /// Their starts: forms with different terms.
    pub lows: SmallVec<[Linear; 1]>,
    /// Their ends: the byte after the last.
    pub highs: SmallVec<[Linear; 1]>,
}

/// A part of the walk; the error says what has no linear form.
type Walked<T = ()> = Result<T, String>;

impl TileProgram {
    /// The bytes that the program touches from each of its pointers on. Prefetches touch nothing.
    ///
    /// # Errors
    /// Why it has no linear bounds, in words: a pointer's step within a loop depends on an
    /// argument, or offsets overflow 64 bits.
    pub fn footprint(&self) -> Result<Vec<Reach>, String> {
        let offsets = vec![Linear::default(); self.params.len()];
        let mut walk = Walk { offsets, touched: SmallVec::new() };
        walk.block(&self.body)?;
        Ok(walk.touched.into_vec())
    }
}

struct Walk {
    /// The offset of each pointer from its argument.
    offsets: Vec<Linear>,
    touched: SmallVec<[Reach; 8]>,
}

impl Walk {
    fn block(&mut self, block: &[Stmt]) -> Walked {
        for stmt in block {
            match stmt {
                Stmt::Let(_, Op::Load(element, address, extent)) => {
                    self.lanes(*address, *element, *extent, false)?;
                }
                Stmt::Let(_, Op::Broadcast(element, address)) => {
                    self.lanes(*address, *element, Extent::First(1), false)?;
                }
                Stmt::Store { element, address, extent, .. } => {
                    self.lanes(*address, *element, *extent, true)?;
                }
                Stmt::StoreTransposed { address, step, .. } => {
                    let last = product(*step, LANES as i64 - 1)?;
                    let ends = [last.min(0), sum(last.max(0), 16)?];
                    self.touch(*address, Element::F32, ends, true)?;
                }
                Stmt::Rank1(rank1) => self.rank1(rank1)?,
                Stmt::Step { pointer, bytes, trips } => {
                    let offset = &mut self.offsets[usize::from(pointer.0)];
                    *offset = offset.plus(&Linear::number(*bytes).repeated(*trips)?, 1)?;
                }
                Stmt::Loop { trips, body } => self.repeat(*trips, body)?,
                Stmt::Let(..) | Stmt::Set(..) | Stmt::Prefetch(_) => {}
            }
        }
        Ok(())
    }

    fn rank1(&mut self, rank1: &Rank1) -> Walked {
        for &a in &rank1.a {
            self.touch(a, Element::F32, [0, 4], false)?;
        }
        for vector in 0..rank1.vectors as i64 {
            let last = vector + 1 == rank1.vectors as i64;
            let extent = if last { rank1.extent } else { Extent::Full };
            let offset = product(4 * LANES as i64, vector)?;
            let b = Address { offset: sum(rank1.b.offset, offset)?, ..rank1.b };
            self.lanes(b, Element::F32, extent, false)?;
        }
        Ok(())
    }

    /// The lanes of an extent at an address.
    fn lanes(
        &mut self,
        address: Address,
        element: Element,
        extent: Extent,
        writes: bool,
    ) -> Walked {
        let size = element.size() as i64;
        let count = match extent {
            Extent::Full => LANES as i64,
            Extent::First(lanes) => lanes.into(),
            Extent::Rest(count) => {
                let start = &self.offsets[usize::from(address.pointer.0)];
                let start = start.plus(&Linear::number(address.offset), 1)?;
                let whole = -size * LANES as i64;
                let end = start.clone().term(Term::Count(count), size)?;
                let end = end.term(Term::Vectors(count), whole)?;
                let reach = reach(&mut self.touched, (address.pointer, element, writes));
                join(&mut reach.lows, start.constant, &start.terms, i64::min);
                join(&mut reach.highs, end.constant, &end.terms, i64::max);
                return Ok(());
            }
        };
        self.touch(address, element, [0, size * count], writes)
    }

    /// The bytes between two distances from an address.
    fn touch(
        &mut self,
        address: Address,
        element: Element,
        [low, high]: [i64; 2],
        writes: bool,
    ) -> Walked {
        let offset = &self.offsets[usize::from(address.pointer.0)];
        let start = sum(offset.constant, address.offset)?;
        let reach = reach(&mut self.touched, (address.pointer, element, writes));
        join(&mut reach.lows, sum(start, low)?, &offset.terms, i64::min);
        join(&mut reach.highs, sum(start, high)?, &offset.terms, i64::max);
        Ok(())
    }

    /// Walks one trip; the others are a step apart, which is the distance by which the trip moves
    /// each pointer.
    fn repeat(&mut self, trips: Trips, body: &[Stmt]) -> Walked {
        if trips == Trips::Const(0) {
            return Ok(());
        }
        let entry = self.offsets.clone();
        let before = std::mem::take(&mut self.touched);
        self.block(body)?;
        let trip = std::mem::replace(&mut self.touched, before);
        let mut steps = Vec::with_capacity(entry.len());
        for (offset, entry) in self.offsets.iter_mut().zip(entry) {
            let step = offset.plus(&entry, -1)?;
            *offset = entry.plus(&step.repeated(trips)?, 1)?;
            steps.push(step);
        }
        for own in trip {
            let step = &steps[usize::from(own.pointer.0)];
            let last = step.repeated(trips)?.plus(step, -1)?;
            // The trip that touches the least byte; both may if the step depends on arguments.
            let first_is_least = !step.terms.is_empty() || step.constant >= 0;
            let last_is_least = !step.terms.is_empty() || step.constant < 0;
            let reach = reach(&mut self.touched, (own.pointer, own.element, own.writes));
            for low in &own.lows {
                if last_is_least {
                    let low = low.plus(&last, 1)?;
                    join(&mut reach.lows, low.constant, &low.terms, i64::min);
                }
                if first_is_least {
                    join(&mut reach.lows, low.constant, &low.terms, i64::min);
                }
            }
            for high in &own.highs {
                if first_is_least {
                    let high = high.plus(&last, 1)?;
                    join(&mut reach.highs, high.constant, &high.terms, i64::max);
                }
                if last_is_least {
                    join(&mut reach.highs, high.constant, &high.terms, i64::max);
                }
            }
        }
        Ok(())
    }
}

/// The entry for this pointer, element type and kind of access, which is added if there is none.
fn reach(
    touched: &mut SmallVec<[Reach; 8]>,
    key @ (pointer, element, writes): (Pointer, Element, bool),
) -> &mut Reach {
    let same = |reach: &Reach| (reach.pointer, reach.element, reach.writes) == key;
    let index = touched.iter().position(same).unwrap_or_else(|| {
        let (lows, highs) = (SmallVec::new(), SmallVec::new());
        touched.push(Reach { pointer, element, writes, lows, highs });
        touched.len() - 1
    });
    &mut touched[index]
}

/// Adds a bound, or replaces one with the same terms.
fn join(
    bounds: &mut SmallVec<[Linear; 1]>,
    constant: i64,
    terms: &SmallVec<[(Term, i64); 2]>,
    pick: fn(i64, i64) -> i64,
) {
    match bounds.iter_mut().find(|other| other.terms == *terms) {
        Some(other) => other.constant = pick(other.constant, constant),
        None => bounds.push(Linear { constant, terms: terms.clone() }),
    }
}

impl Linear {
    fn number(constant: i64) -> Self {
        Self { constant, terms: SmallVec::new() }
    }

    fn term(mut self, term: Term, factor: i64) -> Walked<Self> {
        match self.terms.iter_mut().find(|(other, _)| *other == term) {
            Some((_, own)) => *own = sum(*own, factor)?,
            None => self.terms.push((term, factor)),
        }
        self.terms.retain(|(_, factor)| *factor != 0);
        // Equal forms have their terms in the same order.
        self.terms.sort_unstable_by_key(|&(term, _)| match term {
            Term::Count(count) => (count, false),
            Term::Vectors(count) => (count, true),
        });
        Ok(self)
    }

    fn plus(&self, other: &Self, factor: i64) -> Walked<Self> {
        let constant = sum(self.constant, product(other.constant, factor)?)?;
        let mut result = Self { constant, terms: self.terms.clone() };
        for &(term, own) in &other.terms {
            result = result.term(term, product(own, factor)?)?;
        }
        Ok(result)
    }

    /// A step, `trips` times.
    fn repeated(&self, trips: Trips) -> Walked<Self> {
        let by = |term: Term| match self.terms.is_empty() {
            true => Self::number(0).term(term, self.constant),
            false => Err("a pointer moves by a product of arguments".to_owned()),
        };
        match trips {
            Trips::Const(trips) => Self::default().plus(self, trips.into()),
            Trips::Count(count) => by(Term::Count(count)),
            Trips::Vectors(count) => by(Term::Vectors(count)),
            // Once or never.
            Trips::Tail(_) if *self == Self::default() => Ok(Self::default()),
            Trips::Tail(_) => Err("a pointer moves where a count leaves lanes over".to_owned()),
        }
    }
}

fn sum(a: i64, b: i64) -> Walked<i64> {
    a.checked_add(b).ok_or_else(overflow)
}

fn product(a: i64, b: i64) -> Walked<i64> {
    a.checked_mul(b).ok_or_else(overflow)
}

fn overflow() -> String {
    "its offsets overflow 64 bits".to_owned()
}
