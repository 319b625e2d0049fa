//! The text form of plans.

use std::fmt;

use super::Plan;
use crate::layout::{Address, Space};
use crate::memory::Span;
use crate::schedule::Scheduled;
use crate::table::{bytes, write_table};

/// The addresses, then the kernels in the order of the step with their addresses and stages; a line
/// marks each barrier.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes = match self.lanes() {
            1 => "1 lane".to_owned(),
            lanes => format!("{lanes} lanes"),
        };
        let (arena, states) = (bytes(self.layout.bytes), bytes(self.states.bytes()));
        writeln!(f, "plan of {} for {lanes}: arena of {arena}, states of {states}\n", self.name())?;
        write_table(f, 3, &["what", "type", "address"], &self.rows())?;
        let mut stages = self.schedule.stages.iter().peekable();
        for (index, call) in self.calls.iter().enumerate() {
            let layer = if call.layer().is_empty() { "-" } else { call.layer() };
            let role = call.origin.role.name();
            writeln!(f, "\n{index}  {}  {layer} {role}", call.name)?;
            self.write_addresses(f, "operands", &call.operands)?;
            self.write_addresses(f, "results", &call.results)?;
            if let Some(workspace) = self.layout.workspaces[index] {
                writeln!(f, "   workspace  {}", Shown(workspace))?;
            }
            while let Some(stage) = stages.next_if(|stage| stage.call == index) {
                write_stage(f, stage)?;
            }
        }
        Ok(())
    }
}

impl Plan {
    /// The rows of inputs, outputs, states, constants and scratch memories.
    fn rows(&self) -> Vec<[String; 3]> {
        let Self { signature, layout, constants, states, .. } = self;
        let arena = |span: &Span| Shown(Address { space: Space::Arena, span: *span }).to_string();
        let inputs = signature.inputs.iter().zip(&layout.inputs);
        let inputs = inputs.map(|(input, span)| {
            [format!("input %{}", input.name), input.ty.to_string(), arena(span)]
        });
        let outputs = signature.outputs.iter().zip(&layout.outputs).enumerate();
        let outputs =
            outputs.map(|(n, (ty, span))| [format!("output {n}"), ty.to_string(), arena(span)]);
        let constants = constants.iter().zip(&layout.constants).enumerate();
        let constants = constants.map(|(n, (value, span))| {
            [format!("constant {n}"), value.ty().to_string(), arena(span)]
        });
        let of_states = signature.states.iter().map(|state| {
            let ty = states.ty(&state.name).map(ToString::to_string).unwrap_or_default();
            let address = Shown(Address { space: Space::State, span: state.span });
            [format!("state %{}", state.name), ty, address.to_string()]
        });
        let scratch = layout.scratch.iter().enumerate().filter(|(_, span)| span.bytes > 0);
        let scratch =
            scratch.map(|(n, span)| [format!("scratch of lane {n}"), String::new(), arena(span)]);
        inputs.chain(of_states).chain(constants).chain(outputs).chain(scratch).collect()
    }

    fn write_addresses(
        &self,
        f: &mut fmt::Formatter<'_>,
        what: &str,
        buffers: &[usize],
    ) -> fmt::Result {
        let addresses: Vec<_> =
            buffers.iter().map(|&id| Shown(self.layout.buffers[id]).to_string()).collect();
        writeln!(f, "   {what:<9}  {}", addresses.join(", "))
    }
}

fn write_stage(f: &mut fmt::Formatter<'_>, stage: &Scheduled) -> fmt::Result {
    let Scheduled { name, symbol, units, barrier, long, .. } = stage;
    if *barrier {
        writeln!(f, "   --------- barrier")?;
    }
    let plural = if *units == 1 { "" } else { "s" };
    let shared = if *long { ", shared" } else { "" };
    writeln!(f, "   stage      {name}: {units} unit{plural}{shared}, code {symbol}")
}

/// An address as `arena[64..128]`.
struct Shown(Address);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address { space, span: Span { offset, bytes } } = self.0;
        let space = match space {
            Space::Arena => "arena",
            Space::State => "state",
        };
        write!(f, "{space}[{offset}..{}]", offset.saturating_add(bytes))
    }
}
