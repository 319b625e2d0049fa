//! A check of loops over steps: every kernel that is called stays inside of what it is given, and
//! that lies inside of the operands, the results and the workspace of the loop.

use super::{Base, Call, Carry, Condition, Next, Place, Steps};
use crate::error::Result;
use crate::lower::Stage;

impl Steps {
    /// Proves it, for slots of so many bytes.
    ///
    /// # Errors
    /// The breach of a kernel that is called; within, the reason why a table is wrong.
    pub(crate) fn check(&self, slots: &[usize]) -> Result<std::result::Result<(), String>> {
        for callee in &self.kernels {
            callee.lowered.check(&callee.body)?;
        }
        Ok(self.check_tables(slots))
    }

    fn check_tables(&self, slots: &[usize]) -> std::result::Result<(), String> {
        for Carry { first, next, bytes } in &self.carries {
            inside(slots, *first, *bytes)?;
            match next {
                Next::Turns(bases) => {
                    bases.iter().try_for_each(|&base| inside(slots, base, *bytes))?;
                }
                Next::Slice(base, stride) => self.check_slices(slots, *base, *stride, *bytes)?,
                Next::InPlace(base) => inside(slots, *base, *bytes)?,
            }
        }
        for callee in &self.kernels {
            let body = &callee.body;
            let operands = body.inputs().iter().map(|&id| body.ty(id.into()).bytes());
            let results = body.outputs().iter().map(|output| body.ty(output.value).bytes());
            let sizes = operands.chain(results).chain([callee.lowered.workspace]);
            let sizes: Vec<usize> = sizes.collect();
            if sizes.len() != callee.table.len() {
                let (given, expected) = (callee.table.len(), sizes.len());
                let name = body.name();
                return Err(format!("gives `{name}` a table of {given} places, not {expected}"));
            }
            for (&bytes, &place) in sizes.iter().zip(&callee.table) {
                self.check_place(slots, place, bytes)?;
            }
        }
        if let Some(Condition { holds, count, .. }) = &self.condition {
            self.check_place(slots, *holds, 1)?;
            inside(slots, *count, 4)?;
            if self.units != 1 {
                return Err(format!("has {} units, each with a condition", self.units));
            }
        }
        for call in &self.before {
            self.called(call)?;
        }
        for call in self.called_in_loop() {
            let stage = self.called(call)?;
            if call.units.checked_mul(self.units) != Some(stage.units) {
                let (each, own) = (call.units, stage.units);
                return Err(format!("calls {each} units of {own} in each of {}", self.units));
            }
        }
        Ok(())
    }

    fn check_place(
        &self,
        slots: &[usize],
        place: Place,
        bytes: usize,
    ) -> std::result::Result<(), String> {
        match place {
            Place::Fixed(base) => inside(slots, base, bytes),
            Place::Slice(base, stride) => self.check_slices(slots, base, stride, bytes),
            Place::Carry(carry) | Place::Next(carry) => {
                match self.carries.get(carry).map(|carry| carry.bytes) {
                    Some(given) if given >= bytes => Ok(()),
                    _ => Err(format!("touches {bytes} bytes of carry {carry}, which has fewer")),
                }
            }
        }
    }

    fn called(&self, call: &Call) -> std::result::Result<&Stage, String> {
        let Call { kernel, stage, .. } = *call;
        self.stage(call)
            .ok_or_else(|| format!("calls stage {stage} of kernel {kernel}, which is not there"))
    }

    fn check_slices(
        &self,
        slots: &[usize],
        base: Base,
        stride: usize,
        bytes: usize,
    ) -> std::result::Result<(), String> {
        if bytes > stride {
            return Err(format!("touches slices of {bytes} bytes that are {stride} bytes apart"));
        }
        inside(slots, base, stride.saturating_mul(self.length))
    }
}

fn inside(slots: &[usize], base: Base, bytes: usize) -> std::result::Result<(), String> {
    match slots.get(base.slot) {
        Some(&size) if base.offset.saturating_add(bytes) <= size => Ok(()),
        _ => Err(format!("touches {bytes} bytes at {base}")),
    }
}
