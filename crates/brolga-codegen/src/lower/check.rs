//! A check of lowered kernels: the memory that a kernel may touch follows from its operands.

use brolga_ir::{Graph, Type};

use super::body::element;
use super::{Code, Lowered, Stage};
use crate::error::{Error, Result};
use crate::kernel::Touch;
use crate::nest::Room;
use crate::tile::Element;

impl Lowered {
    /// Proves that every stage stays inside the operands and results of the kernel's body, the
    /// workspace and the scratch memory, touches only slots that it lists, and that each unit stays
    /// in its part of slots that units divide.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] with the first step for which that cannot be proven.
    pub fn check(&self, body: &Graph) -> Result<()> {
        let room = |name: String, bytes: usize, element: Option<Element>| Room {
            name,
            bytes,
            element,
            reads: None,
            writes: None,
        };
        let typed = |name: String, ty: &Type| room(name, ty.bytes(), element(ty.dtype).ok());
        let operands = body.inputs().iter().map(|&id| body.ty(id.into())).enumerate();
        let results = body.outputs().iter().map(|output| body.ty(output.value)).enumerate();
        let mut table: Vec<Room> = (operands.map(|(i, ty)| typed(format!("operand {i}"), ty)))
            .chain(results.map(|(i, ty)| typed(format!("result {i}"), ty)))
            .chain([room("the workspace".to_owned(), self.workspace, None)])
            .collect();
        for stage in &self.stages {
            let Stage { code, units, reads, writes, .. } = stage;
            // Where a slot is listed twice, the first one counts.
            for room in &mut table {
                (room.reads, room.writes) = (None, None);
            }
            for &Touch { slot, access } in reads.iter().rev() {
                table.get_mut(slot).into_iter().for_each(|room| room.reads = Some(access));
            }
            for &Touch { slot, access } in writes.iter().rev() {
                table.get_mut(slot).into_iter().for_each(|room| room.writes = Some(access));
            }
            let checked = match code {
                Code::Nest(nest) => nest
                    .check(*units, &table, self.scratch)
                    .map_err(|breach| (breach.problem, breach.step)),
                Code::Steps(steps, _) => {
                    let slots: Vec<usize> = table.iter().map(|room| room.bytes).collect();
                    steps.check(&slots)?.map_err(|problem| (problem, code.to_string()))
                }
                Code::Loops(addressed, number) => addressed
                    .loops
                    .check(addressed.stage(*number))
                    .map_err(|breach| (breach.problem, breach.step)),
            };
            checked.map_err(|(problem, step)| Error::OutOfBounds {
                kernel: format!("`{}`", body.name()),
                nest: code.name().to_owned(),
                problem,
                step,
            })?;
        }
        Ok(())
    }
}
