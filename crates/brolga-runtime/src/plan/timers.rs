//! Clocks for the kernels of a plan.

use std::collections::HashSet;

use super::Plan;
use crate::layout::Address;
use crate::profile::{Timed, Timers};
use crate::schedule::operand_table;

impl Plan {
    /// Clocks for the stages, on `threads` threads, with memory for `events` events of each.
    pub(crate) fn timers(&self, threads: usize, events: usize) -> Timers {
        let kernels = self.schedule.stages.chunk_by(|a, b| a.call == b.call).map(|stages| {
            let call = &self.calls[stages[0].call];
            Timed {
                flops: stages.iter().map(|stage| stage.flops).sum(),
                read: stages.iter().map(|stage| stage.read).sum(),
                written: stages.iter().map(|stage| stage.written).sum(),
                working_set: self.working_set(stages[0].call),
                stages: stages.len(),
                ..Timed::new(&call.name, call.node, &call.origin)
            }
        });
        Timers::new(kernels.collect(), threads, events)
    }

    /// The bytes of the distinct addresses that a call touches: an operand and a result in place
    /// count once.
    fn working_set(&self, call: usize) -> usize {
        let table = operand_table(&self.calls, &self.layout, call);
        let addresses: HashSet<Address> = table.into_iter().collect();
        addresses.iter().map(|address| address.span.bytes).sum()
    }
}
