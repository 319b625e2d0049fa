//! Proves that a nest stays inside its memory.
//!
//! The walk follows the steps with what is known of the indices ([`Facts`]), and bounds every address that is read or written: those of
//! [`Step::Read`] themselves, those of a tile by what the tile touches behind its pointers. What cannot be proven is refused. An integer
//! that is read has the range of its type, so that a place that depends on it has to be inside a [`Step::When`].

mod facts;
mod room;

use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::facts::{Facts, Form, Range};
pub use self::room::Room;
use self::room::Touched;
use super::{Affine, Arg, Base, Index, Nest, Step};
use crate::kernel::Access;
use crate::tile::{Element, LANES, Linear, ParamKind, Reach, Term, TileProgram};

/// What a step of a nest does that it must not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// What, to be read behind the nest's name.
    pub problem: String,
    /// The step in the text form; its first line.
    pub step: String,
}

impl Nest {
    /// Proves that the units `0..units` touch nothing but bytes of these entries and of `scratch` bytes of scratch memory, and of entries
    /// with [`Access::Units`] each its own part.
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
type Places = SmallVec<[Form; 1]>;

/// An argument: where its address starts, and what is added; a number has no base.
type Value = (Option<Base>, Form);

struct Checker<'a> {
    facts: Facts,
    table: &'a [Room],
    scratch: Room,
    units: usize,
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
                    return Err(here(
                        "tests for a range whose end is in front of its start".into(),
                    ));
                }
                let inside = Range::new(*from, to - 1);
                let outside = match known {
                    _ if inside.is_empty() => known,
                    Range { low, .. } if *from <= low => Range::new(*to, known.high),
                    Range { high, .. } if high < *to => Range::new(known.low, from - 1),
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

    /// Goes on where a number lies in a range, unless that is nowhere.
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

    /// A number with its range.
    fn number(&self, affine: &Affine) -> Rule<(Form, Range)> {
        if affine.base.is_some() {
            return Err(format!("takes the address {affine} for a number"));
        }
        let form = Form::of(affine);
        match self.facts.best(&form) {
            Some(range) => Ok((form, range)),
            None => Err(format!("computes {affine}, of which no range is known")),
        }
    }

    /// Learns the range of a loop's index; false if the loop has no trips.
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
        let form = Form::of(address);
        let end = form.plus(&Form::number(element.size() as i64), 1);
        let end = end.ok_or("reads at an address beyond 64 bits")?;
        let touched = Touched { element, writes: false, lows: &[form], highs: &[end] };
        self.inside(base, &touched)?;
        let range = match element {
            Element::U8 => Range::new(0, u8::MAX.into()),
            Element::I32 | Element::F32 => Range::new(i32::MIN.into(), i32::MAX.into()),
        };
        self.facts.define(index, range);
        Ok(())
    }

    /// Checks a call whose first arguments are `known`. The smaller of a number and a limit is the number where that is smaller, and the
    /// limit elsewhere.
    fn call(&mut self, tile: &Arc<TileProgram>, args: &[Arg], known: &mut Vec<Value>) -> Rule {
        match args.get(known.len()) {
            None => self.touches(tile, known),
            Some(Arg::Affine(affine)) => {
                known.push((affine.base, Form::of(affine)));
                self.call(tile, args, known)?;
                known.pop();
                Ok(())
            }
            Some(Arg::Min(affine, limit)) => {
                let (number, range) = self.number(affine)?;
                let [below, above] =
                    [Range::new(range.low, *limit), Range::new(*limit, range.high)];
                for (range, value) in [
                    (below.intersect(range), number.clone()),
                    (above.intersect(range), Form::number(*limit)),
                ] {
                    self.where_in(&number, range, |own| {
                        known.push((None, value));
                        let called = own.call(tile, args, known);
                        known.pop();
                        called
                    })?;
                }
                Ok(())
            }
        }
    }

    /// Checks everything that a tile touches with these arguments.
    fn touches(&mut self, tile: &Arc<TileProgram>, args: &[Value]) -> Rule {
        if args.len() != tile.params.len() {
            return Err(format!("has {} arguments for {}", args.len(), tile.params.len()));
        }
        for (param, (base, number)) in tile.params.iter().zip(args) {
            match (param.kind, base) {
                (ParamKind::Pointer, Some(_)) => {}
                (ParamKind::Count, None) => match self.facts.best(number) {
                    Some(range) if range.low >= 0 => {}
                    _ => {
                        return Err(format!("may call with a negative number for %{}", param.name));
                    }
                },
                (kind, _) => return Err(format!("has no {kind:?} for %{}", param.name)),
            }
        }
        let footprint = match self.footprints.get(&Arc::as_ptr(tile)) {
            Some(footprint) => Rc::clone(footprint),
            None => {
                let footprint = tile.footprint().map_err(|problem| {
                    format!("calls a tile whose footprint is not known: {problem}")
                })?;
                let footprint: Rc<[Reach]> = footprint.into();
                self.footprints.insert(Arc::as_ptr(tile), Rc::clone(&footprint));
                footprint
            }
        };
        let mark = self.facts.mark();
        let mut vectors = vec![None; args.len()];
        for reach in &*footprint {
            let (base, start) = &args[usize::from(reach.pointer.0)];
            let Some(base) = base else { continue };
            let mut places = |bounds: &[Linear]| -> Option<Places> {
                bounds.iter().map(|bound| self.place(start, bound, args, &mut vectors)).collect()
            };
            let (lows, highs) = (places(&reach.lows), places(&reach.highs));
            let (Some(lows), Some(highs)) = (lows, highs) else {
                return Err("touches addresses beyond 64 bits".into());
            };
            let Reach { element, writes, .. } = *reach;
            self.inside(*base, &Touched { element, writes, lows: &lows, highs: &highs })?;
        }
        self.facts.forget(mark);
        Ok(())
    }

    /// A place behind an argument; `vectors` has the indices for the whole vectors of counts.
    fn place(
        &mut self,
        start: &Form,
        place: &Linear,
        args: &[Value],
        vectors: &mut [Option<Index>],
    ) -> Option<Form> {
        let mut form = start.plus(&Form::number(place.constant), 1)?;
        for &(term, factor) in &place.terms {
            let term = match term {
                Term::Count(count) => args[usize::from(count.0)].1.clone(),
                Term::Vectors(count) => {
                    let count = usize::from(count.0);
                    let index = match vectors[count] {
                        Some(index) => index,
                        None => self.vectors(&args[count].1)?,
                    };
                    vectors[count] = Some(index);
                    Form::index(index)
                }
            };
            form = form.plus(&term, factor)?;
        }
        Some(form)
    }

    /// An index for the whole vectors of a count.
    fn vectors(&mut self, count: &Form) -> Option<Index> {
        let range = self.facts.best(count)?;
        let lanes = LANES as i64;
        let index = self.facts.fresh(Range::new(range.low / lanes, range.high / lanes));
        let rest = count.plus(&Form::index(index), -lanes)?;
        self.facts.assume(&rest, Range::new(0, lanes - 1));
        Some(index)
    }

    /// Checks that bytes behind a base may be touched: between the least of `lows` and the greatest of `highs`.
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
