//! Calls of tiles: the bytes that a tile touches from its arguments on.

use std::rc::Rc;
use std::sync::Arc;

use super::facts::{Form, Range};
use super::room::Touched;
use super::{Checker, Forms, Rule};
use crate::nest::{Arg, Base, Index};
use crate::tile::{LANES, Linear, ParamKind, Reach, Term, TileProgram};

/// An argument: the base of its address and the offset; a number has no base.
pub(super) type Value = (Option<Base>, Form);

impl Checker<'_> {
    /// Checks a call whose first arguments are `known`. The smaller of a number and a limit is the
    /// number where that is smaller, and the limit elsewhere.
    pub(super) fn call(
        &mut self,
        tile: &Arc<TileProgram>,
        args: &[Arg],
        known: &mut Vec<Value>,
    ) -> Rule {
        match args.get(known.len()) {
            None => self.touches(tile, known),
            Some(Arg::Affine(affine)) => {
                let form = self.form(affine)?;
                known.push((affine.base, form));
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
            return Err(format!(
                "passes {} arguments to a tile with {} parameters",
                args.len(),
                tile.params.len()
            ));
        }
        for (param, (base, number)) in tile.params.iter().zip(args) {
            match (param.kind, base) {
                (ParamKind::Pointer, Some(_)) => {}
                (ParamKind::Count, None) => match self.facts.best(number) {
                    Some(range) if range.low >= 0 => {}
                    _ => {
                        return Err(format!("may pass a negative number for %{}", param.name));
                    }
                },
                (ParamKind::Pointer, None) => {
                    return Err(format!("passes a number for the pointer %{}", param.name));
                }
                (ParamKind::Count, Some(_)) => {
                    return Err(format!("passes an address for the count %{}", param.name));
                }
            }
        }
        let footprint = self.footprint(tile)?;
        let mark = self.facts.mark();
        let mut vectors = vec![None; args.len()];
        for reach in &*footprint {
            let (base, start) = &args[usize::from(reach.pointer.0)];
            let Some(base) = base else { continue };
            let mut forms = |bounds: &[Linear]| -> Option<Forms> {
                bounds.iter().map(|bound| self.offset(start, bound, args, &mut vectors)).collect()
            };
            let (lows, highs) = (forms(&reach.lows), forms(&reach.highs));
            let (Some(lows), Some(highs)) = (lows, highs) else {
                return Err("touches addresses beyond 64 bits".into());
            };
            let Reach { element, writes, .. } = *reach;
            self.inside(*base, &Touched { element, writes, lows: &lows, highs: &highs })?;
        }
        self.facts.forget(mark);
        Ok(())
    }

    /// The bytes that a tile touches, found once.
    fn footprint(&mut self, tile: &Arc<TileProgram>) -> Rule<Rc<[Reach]>> {
        if let Some(footprint) = self.footprints.get(&Arc::as_ptr(tile)) {
            return Ok(Rc::clone(footprint));
        }
        let footprint: Rc<[Reach]> = tile
            .footprint()
            .map_err(|problem| format!("calls a tile without a footprint: {problem}"))?
            .into();
        self.footprints.insert(Arc::as_ptr(tile), Rc::clone(&footprint));
        Ok(footprint)
    }

    /// An offset from an argument on; `vectors` has the indices for the whole vectors of counts.
    fn offset(
        &mut self,
        start: &Form,
        linear: &Linear,
        args: &[Value],
        vectors: &mut [Option<Index>],
    ) -> Option<Form> {
        let mut form = start.plus(&Form::number(linear.constant), 1)?;
        for &(term, factor) in &linear.terms {
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
}
