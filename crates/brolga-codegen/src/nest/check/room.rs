//! The memory that a nest may read and write.

use super::facts::{Facts, Form, Range};
use super::{Forms, Rule};
use crate::kernel::Access;
use crate::nest::Nest;
use crate::tile::Element;

/// An entry of the operand table, and the accesses that a nest may make to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its name in messages: `operand 0`.
    pub name: String,
    /// Its size in bytes.
    pub bytes: usize,
    /// The format of its elements; `None` for memory without a type.
    pub element: Option<Element>,
    /// The bytes that a unit may read, if any.
    pub reads: Option<Access>,
    /// The bytes that a unit may write, if any. It may read them, too.
    pub writes: Option<Access>,
}

/// An access to the bytes between the least of `lows` and the greatest of `highs`, counted from the
/// start of a room.
pub(super) struct Touched<'a> {
    pub(super) element: Element,
    pub(super) writes: bool,
    pub(super) lows: &'a [Form],
    pub(super) highs: &'a [Form],
}

impl Room {
    /// Proves that one of `units` units may touch the bytes.
    pub(super) fn admits(&self, touched: &Touched<'_>, facts: &Facts, units: usize) -> Rule {
        let Self { name, bytes, .. } = self;
        let (element, verb) = (touched.element, if touched.writes { "writes" } else { "reads" });
        // Floats may be moved as the integers with their bits.
        let fits = |own: Element| own == element || (own, element) == (Element::F32, Element::I32);
        if let Some(own) = self.element.filter(|&own| !fits(own)) {
            return Err(format!("{verb} {element} of {name}, which holds {own}"));
        }
        let is_whole = |access| access == Some(Access::Whole);
        let access = match touched.writes {
            false if is_whole(self.reads) || is_whole(self.writes) => Some(Access::Whole),
            false => self.reads.or(self.writes),
            true => self.writes,
        };
        let (whole, count) = (*bytes as i64, units as i64);
        match access {
            None => Err(format!("{verb} {name}, which its stage does not list")),
            Some(Access::Whole) => touched
                .within(facts, whole)
                .map_err(|range| format!("{verb} {range} of {name}, which has {bytes}")),
            Some(Access::Units) if whole % count != 0 => Err(format!(
                "{verb} {name}, whose {bytes} bytes are not equal parts of {units} units"
            )),
            Some(Access::Units) => {
                let part = whole / count;
                touched.in_part(facts, part).map_err(|range| {
                    format!("{verb} {range} of a unit's part of {name}, which has {part}")
                })
            }
        }
    }
}

impl Touched<'_> {
    /// Whether all bytes lie in the `part` bytes from the unit's number times `part` on; the error
    /// is their range, in words.
    fn in_part(&self, facts: &Facts, part: i64) -> Rule {
        let unit = Form::index(Nest::UNIT);
        let own = |forms: &[Form]| -> Option<Forms> {
            forms.iter().map(|form| form.plus(&unit, -part)).collect()
        };
        match (own(self.lows), own(self.highs)) {
            (Some(lows), Some(highs)) => {
                Touched { lows: &lows, highs: &highs, ..*self }.within(facts, part)
            }
            _ => Err("bytes beyond 64 bits".into()),
        }
    }

    /// Whether all bytes lie in the first `bytes`; the error is their range, in words.
    fn within(&self, facts: &Facts, bytes: i64) -> Rule {
        let starts = |low: Range| low.low >= 0;
        let ends = |high: Range| high.high <= bytes;
        let holds = |bound: fn(&Facts, &Form) -> Option<Range>| match (self.lows, self.highs) {
            // Both ends move together.
            ([low], [high]) if low.moves_as(high) => bound(facts, low).is_some_and(|range| {
                let length = high.constant.checked_sub(low.constant);
                let last = length.and_then(|length| range.high.checked_add(length));
                starts(range) && last.is_some_and(|last| last <= bytes)
            }),
            (lows, highs) => {
                lows.iter().all(|low| bound(facts, low).is_some_and(starts))
                    && highs.iter().all(|high| bound(facts, high).is_some_and(ends))
            }
        };
        if holds(Facts::quick) || holds(Facts::best) {
            return Ok(());
        }
        let best = |forms: &[Form]| -> Option<Vec<Range>> {
            forms.iter().map(|form| facts.best(form)).collect()
        };
        let (Some(lows), Some(highs)) = (best(self.lows), best(self.highs)) else {
            return Err("bytes without a known range".into());
        };
        let low = lows.iter().map(|low| low.low).min().unwrap_or(0);
        let high = highs.iter().map(|high| high.high).max().unwrap_or(0);
        Err(format!("bytes {low}..{high}"))
    }
}
