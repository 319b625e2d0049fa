//! The memory of several programs on one state.

use std::fmt;

use brolga_ir::Role;
use brolga_memory::{Limit, bytes};

use crate::error::RuntimeError;
use crate::report::MemoryReport;
use crate::table::write_table;

/// The memory of all programs of a model together, known before any is allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryTogether {
    /// Each program with the name under which it is shown.
    pub programs: Vec<(String, MemoryReport)>,
    /// Bytes of the states that the programs share.
    pub states: usize,
    /// Which layer has how many bytes of the states, and in which part of the step.
    pub layers: Vec<(String, Role, usize)>,
    /// How many copies of the states there are besides.
    pub copies: usize,
    /// How many of all these bytes are allocated already.
    pub held: usize,
}

impl MemoryTogether {
    /// Bytes of all arenas, the states and their copies.
    pub fn total(&self) -> usize {
        let arenas = self.programs.iter().map(|(_, report)| report.arena);
        let states = self.states.saturating_mul(self.copies.saturating_add(1));
        arenas.fold(states, usize::saturating_add)
    }

    /// Fails if it is more than the limit, if there is one, or than the machine grants.
    ///
    /// # Errors
    /// [`RuntimeError::MemoryLimitTogether`].
    pub fn check(self, limit: Option<usize>) -> Result<(), RuntimeError> {
        let (total, held) = (self.total(), self.held);
        let by_caller = limit.filter(|&bytes| total > bytes).map(Limit::of_caller);
        let by_machine = || {
            let refused = brolga_memory::check(total.saturating_sub(held)).err()?;
            refused.limit.map(|limit| limit.beyond(held))
        };
        by_caller.or_else(by_machine).map_or(Ok(()), |limit| {
            Err(RuntimeError::MemoryLimitTogether { limit, memory: Box::new(self) })
        })
    }

    /// What needs how much, as the start of a sentence.
    pub(crate) fn need(&self) -> String {
        let total = bytes(self.total());
        match self.programs.as_slice() {
            [] => format!("weights and optimizer need {total} of memory"),
            _ => format!("the programs need {total} of memory together"),
        }
    }

    /// What else can be done than to make everything smaller.
    pub(crate) fn advice(&self) -> &'static str {
        match self.programs.len() {
            0 | 1 => "",
            _ => {
                "; if the batch divides the number of samples there is no program for a last, \
                 smaller one"
            }
        }
    }
}

impl fmt::Display for MemoryTogether {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |what: &str, size: usize| [what.to_owned(), bytes(size)];
        let mut rows: Vec<_> =
            self.programs.iter().map(|(name, report)| row(name, report.arena)).collect();
        rows.push(row("states", self.states));
        if self.copies > 0 {
            rows.push(row("copies of the states", self.states.saturating_mul(self.copies)));
        }
        rows.push(row("total", self.total()));
        write_table(f, 1, &["program", "memory"], &rows)?;
        for (name, report) in &self.programs {
            writeln!(f, "\n{name}")?;
            report.write_layers(f)?;
        }
        if self.programs.is_empty() {
            let row = |(layer, role, size): &(String, Role, usize)| {
                [layer.clone(), role.name().to_owned(), bytes(*size)]
            };
            let rows: Vec<_> = self.layers.iter().map(row).collect();
            writeln!(f)?;
            write_table(f, 2, &["layer", "role", "states"], &rows)?;
        }
        Ok(())
    }
}
