//! Loops over steps: a kernel whose stages call those of the kernels in its body.
//!
//! A step calls the stages of the body's kernels one after the other, with operand tables in which
//! some addresses move: a slice lies further on in its sequence at each step, a carry is read where
//! the step before has written it. Nothing is copied between steps, and a stack is written in
//! place.
//!
//! Stages that give the same in each step, such as the panels of a weight, run once, before the
//! loop. If the units of all others divide every tensor that the loop writes into equal parts, the
//! loop has units too: a worker runs all steps for its part, and waits for no other. Otherwise it
//! has one.

mod check;
mod emit;
mod in_place;
mod lower;

use std::fmt;
use std::sync::Arc;

use brolga_ir::Graph;

use crate::lower::{Lowered, Stage};
use crate::tile::TileProgram;

pub(crate) use emit::emit;
pub(crate) use lower::lower;

/// A loop over steps.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Steps {
    /// The name of the body.
    pub name: String,
    /// The number of steps, or the most of them if there is a condition; there is one at least.
    pub length: usize,
    /// Whether the last step is the first.
    pub reverse: bool,
    /// The kernels that are called.
    pub kernels: Vec<Callee>,
    /// What is handed from step to step.
    pub carries: Vec<Carry>,
    /// The calls before the loop, each a stage of its own.
    pub before: Vec<Call>,
    /// What ends the loop before its last step.
    pub condition: Option<Condition>,
    /// The calls of a step, in order.
    pub calls: Vec<Call>,
    /// The calls after the loop, in order.
    pub after: Vec<Call>,
    /// The number of units of the loop.
    pub units: usize,
}

/// A kernel that is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Callee {
    /// Its body.
    pub body: Arc<Graph>,
    /// Its code.
    pub lowered: Arc<Lowered>,
    /// Its operand table.
    pub table: Vec<Place>,
}

/// A call of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    /// The index of the kernel.
    pub kernel: usize,
    /// The index of the stage.
    pub stage: usize,
    /// The units of the stage that a unit of the loop is.
    pub units: usize,
}

/// A condition on which a loop goes on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The calls before each step that compute it, in order.
    pub calls: Vec<Call>,
    /// The byte that is not 0 if there is another step.
    pub holds: Place,
    /// Where the number of steps is written, an `i32`.
    pub count: Base,
}

/// An address in the operand table of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Base {
    /// The slot.
    pub slot: usize,
    /// Bytes from the slot's address on.
    pub offset: usize,
}

/// An address in the operand table of a kernel that is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The same in each step.
    Fixed(Base),
    /// That of a slice: it moves by so many bytes from an index to the next.
    Slice(Base, usize),
    /// That of a carry before the step.
    Carry(usize),
    /// That of a carry after the step.
    Next(usize),
}

/// What is handed from step to step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Carry {
    /// The first value.
    pub first: Base,
    /// Where steps write the next value.
    pub next: Next,
    /// The bytes of the value.
    pub bytes: usize,
}

/// Where steps write the next value of a carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// In turns here and there; if the number of steps is known, the last step writes to the first
    /// of both.
    Turns([Base; 2]),
    /// To the slice of a stack, as [`Place::Slice`].
    Slice(Base, usize),
    /// Where it is read: a step writes only what it changes. The first value is copied there before
    /// the loop.
    InPlace(Base),
}

/// A stage of the loop's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// The call of this index before the loop.
    Before(usize),
    /// The loop.
    Loop,
}

impl Steps {
    /// The tiles that a part calls.
    pub(crate) fn tiles(&self, part: Part) -> Vec<Arc<TileProgram>> {
        let calls = self.called_in(part);
        let stages = calls.iter().filter_map(|call| self.stage(call));
        stages.flat_map(|stage| stage.code.tiles()).collect()
    }

    /// Bytes that the stages that a part calls read and write, if all are scalar loops.
    pub(crate) fn moved(&self, part: Part) -> Option<u64> {
        let of_calls = |calls: &[Call]| {
            let mut each = calls.iter().map(|call| self.stage(call)?.code.moved());
            each.try_fold(0_u64, |sum, moved| Some(sum.saturating_add(moved?)))
        };
        let Part::Loop = part else { return of_calls(&self.called_in(part)) };
        let (of_condition, length) = match &self.condition {
            Some(condition) => (of_calls(&condition.calls)?, 1),
            None => (0, self.length as u64),
        };
        let of_step = of_condition.saturating_add(of_calls(&self.calls)?);
        Some(of_step.saturating_mul(length).saturating_add(of_calls(&self.after)?))
    }

    /// The calls of a part.
    fn called_in(&self, part: Part) -> Vec<Call> {
        match part {
            Part::Before(index) => vec![self.before[index]],
            Part::Loop => self.called_in_loop().copied().collect(),
        }
    }

    /// The calls of the loop and of what follows it.
    pub(crate) fn called_in_loop(&self) -> impl Iterator<Item = &Call> {
        let condition = self.condition.iter().flat_map(|condition| &condition.calls);
        condition.chain(&self.calls).chain(&self.after)
    }

    /// The stage that is called, if there is one.
    pub(crate) fn stage(&self, call: &Call) -> Option<&Stage> {
        self.kernels.get(call.kernel)?.lowered.stages.get(call.stage)
    }

    /// The name of a part in profiles and dumps.
    pub(crate) fn part_name(&self, part: Part) -> &str {
        match part {
            Part::Before(index) => {
                self.stage(&self.before[index]).map_or(&self.name, |stage| stage.code.name())
            }
            Part::Loop => &self.name,
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, offset } = self;
        if *offset == 0 { write!(f, "slot{slot}") } else { write!(f, "slot{slot} + {offset}") }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(base) => write!(f, "{base}"),
            Self::Slice(base, stride) => write!(f, "{base} + {stride}·t"),
            Self::Carry(index) => write!(f, "carry{index}"),
            Self::Next(index) => write!(f, "next{index}"),
        }
    }
}

/// The loop as text, with the stages that it calls.
pub(crate) struct Text<'a>(pub(crate) &'a Steps, pub(crate) Part);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(steps, part) = *self;
        let call = |f: &mut fmt::Formatter<'_>, call: &Call, indent: &str| {
            let Some(stage) = steps.stage(call) else {
                return writeln!(f, "{indent}call of no stage");
            };
            let Callee { body, table, .. } = &steps.kernels[call.kernel];
            let table: Vec<String> = table.iter().map(Place::to_string).collect();
            let name = format!("{}/{}", body.name(), stage.code.name());
            writeln!(f, "{indent}call {name}({}), units of {}", table.join(", "), call.units)
        };
        let Steps { name, length, reverse, carries, units, .. } = steps;
        match part {
            Part::Before(index) => {
                writeln!(f, "before {name} {{")?;
                call(f, &steps.before[index], "  ")?;
            }
            Part::Loop => {
                writeln!(f, "steps {name}, {units} units {{")?;
                for (index, Carry { first, next, .. }) in carries.iter().enumerate() {
                    write!(f, "  carry{index} = {first}, next ")?;
                    match next {
                        Next::Turns([last, other]) => writeln!(f, "{last} or {other}")?,
                        Next::InPlace(base) => writeln!(f, "in place at {base}")?,
                        Next::Slice(base, stride) => {
                            writeln!(f, "{}", Place::Slice(*base, *stride))?;
                        }
                    }
                }
                let order = if *reverse { " backwards" } else { "" };
                writeln!(f, "  for t in 0..{length}{order} {{")?;
                if let Some(Condition { calls, holds, .. }) = &steps.condition {
                    calls.iter().try_for_each(|each| call(f, each, "    "))?;
                    writeln!(f, "    stop unless {holds}")?;
                }
                steps.calls.iter().try_for_each(|each| call(f, each, "    "))?;
                writeln!(f, "  }}")?;
                if let Some(Condition { count, .. }) = &steps.condition {
                    writeln!(f, "  {count} = number of steps")?;
                }
                steps.after.iter().try_for_each(|each| call(f, each, "  "))?;
            }
        }
        write!(f, "}}")
    }
}
