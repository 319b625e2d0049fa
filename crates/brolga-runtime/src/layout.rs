//! The addresses of all buffers, relative to the arena or the state.
//!
//! The arena holds, one after the other, constants, data inputs, the planned part (results,
//! outputs, workspaces), and one scratch memory for each worker.

use serde::{Deserialize, Serialize};

use crate::memory::{Span, padded};
use crate::memory_plan::MemoryPlan;
use crate::regions::Regions;
use crate::signature::Signature;
use crate::tasks::{Home, TaskId, Tasks};

/// The memory that an address is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Space {
    /// The executable's own memory.
    Arena,
    /// The model's states.
    State,
}

/// The address of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    pub(crate) space: Space,
    pub(crate) span: Span,
}

/// The addresses of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layout {
    /// The address of each buffer.
    pub(crate) buffers: Vec<Address>,
    /// The address of each call's workspace, in the order of the step.
    pub(crate) workspaces: Vec<Option<Address>>,
    pub(crate) constants: Vec<Span>,
    pub(crate) inputs: Vec<Span>,
    pub(crate) outputs: Vec<Span>,
    /// The scratch memory of each worker; there are as many workers as lanes.
    pub(crate) scratch: Vec<Span>,
    /// The bytes of the arena.
    pub(crate) bytes: usize,
}

impl Layout {
    pub(crate) fn new(
        tasks: &Tasks,
        signature: &Signature,
        order: &[TaskId],
        regions: &Regions,
        plan: &MemoryPlan,
        lanes: usize,
    ) -> Self {
        let mut layout = Self::default();
        for buffer in &tasks.buffers {
            if let Home::Constant(_) = buffer.home {
                let span = layout.append(buffer.bytes);
                layout.constants.push(span);
            }
        }
        for input in &signature.inputs {
            let span = layout.append(input.ty.bytes());
            layout.inputs.push(span);
        }
        let planned = layout.append(plan.bytes).offset;
        let span_of = |region: usize, bytes| Span { offset: planned + plan.offsets[region], bytes };
        for (id, buffer) in tasks.buffers.iter().enumerate() {
            let (space, span) = match buffer.home {
                Home::Constant(constant) => (Space::Arena, layout.constants[constant]),
                Home::Input(input) => (Space::Arena, layout.inputs[input]),
                Home::OldState(state) | Home::NewState(state) => {
                    (Space::State, signature.states[state].span)
                }
                Home::Planned => {
                    let region = regions.of_buffer[id];
                    (Space::Arena, region.map(|r| span_of(r, buffer.bytes)).unwrap_or_default())
                }
            };
            layout.buffers.push(Address { space, span });
        }
        let workspace = |&id: &TaskId| {
            let region = regions.of_workspace[id]?;
            let span = span_of(region, tasks.tasks[id].call.kernel.workspace);
            Some(Address { space: Space::Arena, span })
        };
        layout.workspaces = order.iter().map(workspace).collect();
        layout.outputs = tasks.outputs.iter().map(|&id| layout.buffers[id].span).collect();
        let scratch = tasks.tasks.iter().map(|task| task.call.kernel.scratch).max().unwrap_or(0);
        layout.scratch = (0..lanes).map(|_| layout.append(scratch)).collect();
        layout
    }

    /// The addresses of data inputs and outputs only, for the interpreter.
    pub(crate) fn of_signature(signature: &Signature) -> Self {
        let mut layout = Self::default();
        let inputs = signature.inputs.iter().map(|input| input.ty.bytes());
        layout.inputs = inputs.map(|bytes| layout.append(bytes)).collect();
        let outputs = signature.outputs.iter().map(|output| output.bytes());
        layout.outputs = outputs.map(|bytes| layout.append(bytes)).collect();
        layout
    }

    fn append(&mut self, bytes: usize) -> Span {
        let span = Span { offset: self.bytes, bytes };
        self.bytes += padded(bytes);
        span
    }
}
