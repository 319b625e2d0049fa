//! Proves that a nest stays inside its memory.
//!
//! The walk follows the steps with [`Facts`] about the indices, and bounds every address that is
//! read or written, that of a [`Step::Read`] itself, those of a tile by the tile's footprint. An
//! access that cannot be proven is refused. An integer that is read has the range of its type, so
//! that an offset that depends on it has to be inside a [`Step::When`].

mod call;
mod facts;
mod room;

use std::rc::Rc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::facts::{Facts, Form, Range};
pub use self::room::Room;
use self::room::Touched;
use super::{Affine, Base, Index, Nest, Step};
use crate::kernel::Access;
use crate::tile::{Element, Reach, TileProgram};

/// A breach of a rule by a step of a nest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The problem, to be read after the nest's name.
    pub problem: String,
    /// The step in the text form; its first line.
    pub step: String,
}

impl Nest {
    /// Proves that the units `0..units` touch nothing but bytes of these entries and of `scratch`
    /// bytes of scratch memory, and of entries with [`Access::Units`] each its own part.
    ///
    /// # Errors
    /// The first step for which that cannot be proven.
    pub fn check(&self, units: usize, table: &[Room], scratch: usize) -> Result<(), Breach> {
        if units == 0 {
            return Ok(());
        }
        let last = i64::try_from(units - 1).unwrap_or(i64::MAX);
        let whole = Some(Access::Whole);
        let name = "the scratch memory".to_owned();
        let scratch = Room { name, bytes: scratch, element: None, reads: whole, writes: whole };
        let mut facts = Facts::new(self.indices);
        facts.define(Nest::UNIT, Range::new(0, last));
        Checker { facts, table, scratch, units, footprints: FxHashMap::default() }.steps(&self.body)
    }
}

/// A rule's outcome; the error says how it is broken.
type Rule<T = ()> = Result<T, String>;

/// The bounds of an access; there is one of a kind, unless a tile has counts.
type Forms = SmallVec<[Form; 1]>;

struct Checker<'a> {
    facts: Facts,
    table: &'a [Room],
    scratch: Room,
    units: usize,
    /// The footprints of the tiles that have been called.
    footprints: FxHashMap<*const TileProgram, Rc<[Reach]>>,
}

impl Checker<'_> {
    fn steps(&mut self, steps: &[Step]) -> Result<(), Breach> {
        let mark = self.facts.mark();
        for step in steps {
            self.step(step)?;
        }
        self.facts.forget(mark);
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), Breach> {
        let here = |problem: String| Breach { problem, step: step.line() };
        match step {
            Step::Loop { index, from, to, body } => {
                let mark = self.facts.mark();
                if self.enter_loop(*index, from, to).map_err(here)? {
                    self.steps(body)?;
                }
                self.facts.forget(mark);
                Ok(())
            }
            Step::When { number, from, to, then, otherwise } => {
                let (number, known) = self.number(number).map_err(here)?;
                if from > to {
                    return Err(here("tests for a range whose end is before its start".into()));
                }
                let inside = Range::new(*from, to.saturating_sub(1));
                let outside = match known {
                    _ if inside.is_empty() => known,
                    Range { low, .. } if *from <= low => Range::new(*to, known.high),
                    Range { high, .. } if high < *to => {
                        Range::new(known.low, from.saturating_sub(1))
                    }
                    _ => known,
                };
                self.where_in(&number, known.intersect(inside), |own| own.steps(then))?;
                self.where_in(&number, known.intersect(outside), |own| own.steps(otherwise))
            }
            Step::Divide { index, number, divisor } => {
                self.divide(*index, number, *divisor).map_err(here)
            }
            Step::Read { index, address, element } => {
                self.read(*index, address, *element).map_err(here)
            }
            Step::Call { tile, args } => {
                self.call(tile, args, &mut Vec::with_capacity(args.len())).map_err(here)
            }
        }
    }

    /// Continues under the fact that a number lies in a range, unless that is impossible.
    fn where_in<E>(
        &mut self,
        number: &Form,
        range: Range,
        body: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let mark = self.facts.mark();
        if self.facts.assume(number, range) {
            body(self)?;
        }
        self.facts.forget(mark);
        Ok(())
    }

    /// The form of a number, or of an address without its base.
    fn form(&self, affine: &Affine) -> Rule<Form> {
        if let Some((index, _)) = affine.terms.iter().find(|(i, _)| !self.facts.is_defined(*i)) {
            return Err(format!("uses {index}, which is not defined here"));
        }
        Form::of(affine).ok_or_else(|| format!("computes {affine} beyond 64 bits"))
    }

    /// A number with its range.
    fn number(&self, affine: &Affine) -> Rule<(Form, Range)> {
        if affine.base.is_some() {
            return Err(format!("takes the address {affine} for a number"));
        }
        let form = self.form(affine)?;
        let range = self.facts.best(&form);
        Ok((form, range.ok_or_else(|| format!("computes {affine} beyond 64 bits"))?))
    }

    /// Adds the range of a loop's index; false if the loop has no trips.
    fn enter_loop(&mut self, index: Index, from: &Affine, to: &Affine) -> Rule<bool> {
        let ((from, first), (to, end)) = (self.number(from)?, self.number(to)?);
        let last = end.high.saturating_sub(1);
        self.facts.define(index, Range::new(first.low, last));
        let moves = !from.is_constant() || !to.is_constant();
        if let (true, Some(count)) = (moves, to.plus(&from, -1)) {
            let most = self.facts.best(&count).map_or(i64::MAX, |count| count.high);
            let index = Form::index(index);
            for (distance, least) in [(index.plus(&from, -1), 0), (to.plus(&index, -1), 1)] {
                if let Some(distance) = distance
                    && !self
                        .facts
                        .assume(&distance, Range::new(least, most.saturating_add(least - 1)))
                {
                    return Ok(false);
                }
            }
        }
        Ok(first.low <= last)
    }

    fn divide(&mut self, index: Index, number: &Affine, divisor: i64) -> Rule {
        let (form, range) = self.number(number)?;
        if range.low < 0 || divisor < 1 {
            return Err(format!("divides a number from {} on by {divisor}", range.low));
        }
        self.facts.define(index, Range::new(range.low / divisor, range.high / divisor));
        if let Some(remainder) = form.plus(&Form::index(index), -divisor) {
            self.facts.assume(&remainder, Range::new(0, divisor - 1));
        }
        Ok(())
    }

    fn read(&mut self, index: Index, address: &Affine, element: Element) -> Rule {
        let Some(base) = address.base else {
            return Err(format!("takes the number {address} for an address"));
        };
        let form = self.form(address)?;
        let end = form.plus(&Form::number(element.size() as i64), 1);
        let end = end.ok_or("reads at an address beyond 64 bits")?;
        let touched = Touched { element, writes: false, lows: &[form], highs: &[end] };
        self.inside(base, &touched)?;
        let range = match element {
            Element::U8 => Range::new(0, u8::MAX.into()),
            Element::BF16 | Element::F16 => Range::new(0, u16::MAX.into()),
            Element::I32 | Element::F32 => Range::new(i32::MIN.into(), i32::MAX.into()),
        };
        self.facts.define(index, range);
        Ok(())
    }

    /// Checks that bytes from a base on may be touched: between the least of `lows` and the
    /// greatest of `highs`.
    fn inside(&self, base: Base, touched: &Touched<'_>) -> Rule {
        let room = match base {
            Base::Scratch => &self.scratch,
            Base::Slot(slot) => self.table.get(slot).ok_or_else(|| {
                format!("touches slot {slot} of an operand table of {}", self.table.len())
            })?,
        };
        room.admits(touched, &self.facts, self.units)
    }
}
