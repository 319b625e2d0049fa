//! The proof that no access of a program leaves its buffer.
//!
//! The definition of an atom gives its interval; an index is affine in atoms, so its interval
//! follows. The check is independent of the ops that wrote the program.

use super::{Atom, Buffer, Index, Loops, Rule, Scalar, Stage, Step, Value};

/// The least and the greatest value of an integer; empty if the first is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Interval {
    low: i128,
    high: i128,
}

impl Interval {
    const ALL: Self = Self { low: i64::MIN as i128, high: i64::MAX as i128 };

    fn is_empty(self) -> bool {
        self.low > self.high
    }

    fn intersect(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }
}

/// An index that is known to lie in an interval.
type Known<'a> = Option<(&'a Index, Interval)>;

/// An access that may leave its buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The elements that are accessed, the buffer, and its size.
    pub problem: String,
    /// The step, in the text form.
    pub step: String,
}

impl Loops {
    /// Checks every access of a stage.
    ///
    /// # Errors
    /// The first step that may read or write outside of a buffer, or divide a negative index.
    pub fn check(&self, stage: &Stage) -> Result<(), Breach> {
        let mut ranges = vec![Interval::ALL; self.counts.atoms as usize];
        ranges[stage.unit.0 as usize] = Interval { low: 0, high: stage.units as i128 - 1 };
        Checker { loops: self, ranges }.steps(&stage.body, None)
    }
}

struct Checker<'a> {
    loops: &'a Loops,
    ranges: Vec<Interval>,
}

impl Checker<'_> {
    fn steps(&mut self, steps: &[Step], known: Known<'_>) -> Result<(), Breach> {
        steps.iter().try_for_each(|step| self.step(step, known))
    }

    fn step(&mut self, step: &Step, known: Known<'_>) -> Result<(), Breach> {
        let breach = |problem: String| Breach { problem, step: step.to_string() };
        match step {
            Step::Loop { index, from, to, body } => {
                let (from, to) = (self.interval(from), self.interval(to));
                let range = Interval { low: from.low, high: to.high - 1 };
                self.define(*index, range);
                if range.is_empty() { Ok(()) } else { self.steps(body, None) }
            }
            Step::While { index, limit, condition, body, .. } => {
                let range = Interval { low: 0, high: i128::from(*limit) - 1 };
                self.define(*index, range);
                if range.is_empty() {
                    return Ok(());
                }
                self.steps(condition, None)?;
                self.steps(body, None)
            }
            Step::Atom(atom, rule) => {
                let range = self.rule(rule, known).map_err(breach)?;
                self.define(*atom, range);
                Ok(())
            }
            Step::When { index, from, to, then, otherwise } => {
                let asked = Interval { low: i128::from(*from), high: i128::from(*to) - 1 };
                let inside = self.interval(index).intersect(asked);
                if !inside.is_empty() {
                    self.steps(then, Some((index, inside)))?;
                }
                self.steps(otherwise, None)
            }
            Step::Let(_, Value::Load(buffer, index)) => {
                self.access("reads", *buffer, index).map_err(breach)
            }
            Step::Store(buffer, index, _) => self.access("writes", *buffer, index).map_err(breach),
            Step::Let(..) | Step::Set(..) => Ok(()),
        }
    }

    fn define(&mut self, atom: Atom, range: Interval) {
        self.ranges[atom.0 as usize] = range;
    }

    fn rule(&self, rule: &Rule, known: Known<'_>) -> Result<Interval, String> {
        Ok(match rule {
            Rule::Quotient(index, divisor) => {
                let (range, divisor) = (self.dividend(index)?, i128::from(*divisor));
                Interval { low: range.low / divisor, high: range.high / divisor }
            }
            Rule::Remainder(index, divisor) => {
                let (range, divisor) = (self.dividend(index)?, i128::from(*divisor));
                Interval { low: 0, high: range.high.min(divisor - 1) }
            }
            Rule::Min(a, b) => {
                let (a, b) = (self.interval(a), self.interval(b));
                Interval { low: a.low.min(b.low), high: a.high.min(b.high) }
            }
            Rule::Max(a, b) => {
                let (a, b) = (self.interval(a), self.interval(b));
                Interval { low: a.low.max(b.low), high: a.high.max(b.high) }
            }
            Rule::Number(number) if number.scalar == Scalar::I32 => {
                Interval { low: i128::from(i32::MIN), high: i128::from(i32::MAX) }
            }
            Rule::Number(_) => Interval::ALL,
            Rule::Same(index) => match known {
                Some((same, range)) if same == index => range,
                _ => self.interval(index),
            },
        })
    }

    fn dividend(&self, index: &Index) -> Result<Interval, String> {
        let range = self.interval(index);
        if range.low < 0 {
            return Err(format!("divides an index that may be {}", range.low));
        }
        Ok(range)
    }

    fn interval(&self, index: &Index) -> Interval {
        let offset = i128::from(index.offset);
        index.terms.iter().fold(Interval { low: offset, high: offset }, |sum, &(atom, factor)| {
            let range = self.ranges[atom.0 as usize];
            let ends = [range.low, range.high].map(|end| end.saturating_mul(factor.into()));
            Interval {
                low: sum.low.saturating_add(ends[0].min(ends[1])),
                high: sum.high.saturating_add(ends[0].max(ends[1])),
            }
        })
    }

    fn access(&self, verb: &str, buffer: Buffer, index: &Index) -> Result<(), String> {
        let elements = self.loops.ty(self.loops.owner(buffer)).shape.elements();
        let range = self.interval(index);
        if range.low >= 0 && range.high < elements as i128 {
            return Ok(());
        }
        Err(format!(
            "{verb} elements {} to {} of buffer {buffer}, which has {elements}",
            range.low, range.high
        ))
    }
}
