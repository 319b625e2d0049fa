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
use brolga_ir::{Graph, NodeId, Type};

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
    lower_with(body, |writer, operands, results| write_body(writer, body, operands, results))
}

/// Lowers a body of one op whose result differs from an operand in some elements: these alone are
/// written, to a result that shares the operand's memory. `None` if the body is of another form.
pub(crate) fn lower_in_place(body: &Graph) -> Option<Lowered> {
    let id = updating(body)?;
    let (op, values) = (body.node(id).op.definition(), body.operands(id));
    let of_input = |value: &brolga_ir::Value| body.inputs().iter().position(|&i| i == value.node);
    let places = values.iter().map(of_input).collect::<Option<Vec<usize>>>()?;
    Some(lower_with(body, |writer, operands, results| {
        let operands: Vec<Buffer> = places.iter().map(|&place| operands[place]).collect();
        writer.set_name(format!("{} in place", body.node(id).op.name()));
        op.update_loops(writer, &operands, results[0]);
    }))
}

/// The node of a body that is a single op whose result differs from an operand in some elements.
pub(crate) fn updating(body: &Graph) -> Option<NodeId> {
    let mut nodes = body.ids().filter(|&id| body.parameter(id).is_none());
    let (Some(id), None) = (nodes.next(), nodes.next()) else { return None };
    let [output] = body.outputs() else { return None };
    (output.value.node == id && body.node(id).op.definition().updated().is_some()).then_some(id)
}

fn lower_with(body: &Graph, write: impl FnOnce(&mut Writer, &[Buffer], &[Buffer])) -> Lowered {
    let of_input = |&id| body.ty(brolga_ir::Value::from(id)).clone();
    let inputs: Vec<Type> = body.inputs().iter().map(of_input).collect();
    let outputs: Vec<Type> = body.outputs().iter().map(|o| body.ty(o.value).clone()).collect();
    let (given, results) = (inputs.len(), outputs.len());
    let mut writer = Writer::new(inputs.into_iter().chain(outputs));
    let buffer = |n: usize| Buffer(n as u32);
    let operands: Vec<Buffer> = (0..given).map(buffer).collect();
    let results: Vec<Buffer> = (given..given + results).map(buffer).collect();
    write(&mut writer, &operands, &results);
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
                Step::While { condition, body, .. } => {
                    self.collect(condition);
                    self.collect(body);
                }
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

/// Bytes that a stage of loops reads and writes. A loop whose bounds are not constant counts once.
pub(crate) fn moved(addressed: &AddressedLoops, stage: usize) -> u64 {
    fn of_steps(loops: &Loops, steps: &[Step]) -> u64 {
        let bytes = |buffer: &Buffer| loops.ty(*buffer).dtype.size() as u64;
        let of_step = |step: &Step| match step {
            Step::Loop { from, to, body, .. } => {
                let trips = match (from.constant(), to.constant()) {
                    (Some(from), Some(to)) => u64::try_from(to - from).unwrap_or(0),
                    _ => 1,
                };
                trips.saturating_mul(of_steps(loops, body))
            }
            Step::While { condition, body, .. } => {
                of_steps(loops, condition).saturating_add(of_steps(loops, body))
            }
            Step::When { then, otherwise, .. } => {
                of_steps(loops, then).max(of_steps(loops, otherwise))
            }
            Step::Let(_, Value::Load(buffer, _)) | Step::Store(buffer, ..) => bytes(buffer),
            Step::Let(..) | Step::Set(..) | Step::Atom(..) => 0,
        };
        steps.iter().map(of_step).fold(0, u64::saturating_add)
    }
    let stage = addressed.stage(stage);
    of_steps(&addressed.loops, &stage.body).saturating_mul(stage.units as u64)
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
