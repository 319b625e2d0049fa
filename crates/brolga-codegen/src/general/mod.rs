//! The general lowering: any body, any element type, as scalar loops through Cranelift.
//!
//! Every op writes itself as [`Loops`], which become stages here. This lowering takes the kernels
//! that the fast lowerings of [`lower`](crate::lower) refuse.

mod convert;
mod emit;
mod numbers;

use std::collections::BTreeSet;
use std::sync::Arc;

use brolga_ir::loops::{self, Buffer, Index, Loops, Step, Storage, Value, Writer, write_body};
use brolga_ir::{Graph, Type};

use crate::kernel::{Access, Touch};
use crate::lower::{Code, Lowered, Stage};

pub(crate) use emit::emit;

/// The alignment of buffers in the workspace.
const ALIGNMENT: usize = 64;

/// Scalar loops with the slots and offsets of their buffers in the operand table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddressedLoops {
    /// The loops.
    pub loops: Loops,
    /// The slot of each buffer, and its offset in bytes from the slot's address.
    pub buffers: Vec<(usize, usize)>,
}

/// Lowers a body.
pub(crate) fn lower(body: &Graph) -> Lowered {
    let of_input = |&id| body.ty(brolga_ir::Value::from(id)).clone();
    let inputs: Vec<Type> = body.inputs().iter().map(of_input).collect();
    let outputs: Vec<Type> = body.outputs().iter().map(|o| body.ty(o.value).clone()).collect();
    let (given, results) = (inputs.len(), outputs.len());
    let mut writer = Writer::new(inputs.into_iter().chain(outputs));
    let buffer = |n: usize| Buffer(n as u32);
    let operands: Vec<Buffer> = (0..given).map(buffer).collect();
    let results: Vec<Buffer> = (given..given + results).map(buffer).collect();
    write_body(&mut writer, body, &operands, &results);
    let loops = writer.finish();
    let (buffers, workspace) = allocate(&loops, operands.len() + results.len());
    let addressed = Arc::new(AddressedLoops { loops, buffers });
    let stage = |n: usize| stage(&addressed, n);
    let stages = (0..addressed.loops.stages.len()).map(stage).collect();
    Lowered { stages, workspace, scratch: 0, in_place: Vec::new() }
}

/// The location of each buffer, and the bytes of workspace that the temporaries take.
fn allocate(loops: &Loops, slots: usize) -> (Vec<(usize, usize)>, usize) {
    let mut buffers: Vec<(usize, usize)> = Vec::new();
    let mut workspace = 0;
    for buffer in &loops.buffers {
        let at = match buffer.storage {
            Storage::Given(slot) => (slot as usize, 0),
            Storage::View(other) => buffers[other.0 as usize],
            Storage::Temporary => {
                let start = workspace;
                workspace += buffer.ty.bytes().next_multiple_of(ALIGNMENT);
                (slots, start)
            }
        };
        buffers.push(at);
    }
    (buffers, workspace)
}

fn stage(addressed: &Arc<AddressedLoops>, number: usize) -> Stage {
    let stage = &addressed.loops.stages[number];
    let mut uses = Uses::default();
    uses.collect(&stage.body);
    let touches = |buffers: BTreeSet<Buffer>, own: &dyn Fn(Buffer) -> bool| {
        let mut touches: Vec<Touch> = Vec::new();
        for buffer in buffers {
            let slot = addressed.buffers[buffer.0 as usize].0;
            let access = if own(buffer) { Access::Units } else { Access::Whole };
            match touches.iter_mut().find(|touch| touch.slot == slot) {
                Some(touch) => touch.access = Access::Whole,
                None => touches.push(Touch { slot, access }),
            }
        }
        touches
    };
    let unit = Index::from(stage.unit);
    let by_units = |buffer: Buffer| {
        let (_, offset) = addressed.buffers[buffer.0 as usize];
        let alone = uses.accesses.iter().filter(|(other, _)| *other == buffer);
        // Units do not divide the workspace equally, since temporaries share it.
        let is_given =
            matches!(addressed.loops.buffers[buffer.0 as usize].storage, Storage::Given(_));
        is_given
            && offset == 0
            && addressed.loops.ty(buffer).shape.elements() == stage.units
            && alone.clone().all(|(_, index)| *index == unit)
    };
    Stage {
        reads: touches(uses.reads.clone(), &by_units),
        writes: touches(uses.writes.clone(), &by_units),
        flops: stage.flops(),
        code: Code::Loops(Arc::clone(addressed), number),
        units: stage.units,
    }
}

/// The effects of a stage's steps.
#[derive(Default)]
struct Uses {
    reads: BTreeSet<Buffer>,
    writes: BTreeSet<Buffer>,
    accesses: Vec<(Buffer, Index)>,
}

impl Uses {
    fn collect(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Loop { body, .. } => self.collect(body),
                Step::When { then, otherwise, .. } => {
                    self.collect(then);
                    self.collect(otherwise);
                }
                Step::Let(_, Value::Load(buffer, index)) => {
                    self.reads.insert(*buffer);
                    self.accesses.push((*buffer, index.clone()));
                }
                Step::Store(buffer, index, _) => {
                    self.writes.insert(*buffer);
                    self.accesses.push((*buffer, index.clone()));
                }
                Step::Let(..) | Step::Set(..) | Step::Atom(..) => {}
            }
        }
    }
}

impl AddressedLoops {
    /// A stage's name.
    pub(crate) fn name(&self, stage: usize) -> &str {
        &self.stage(stage).name
    }

    pub(crate) fn stage(&self, stage: usize) -> &loops::Stage {
        &self.loops.stages[stage]
    }
}
