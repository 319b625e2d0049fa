//! The memory of several programs on one state.

use std::fmt;

use brolga_ir::Role;
use brolga_memory::bytes;

use crate::report::MemoryReport;
use crate::table::write_table;

/// The memory of all programs of a model together, known before any is allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryTogether {
    /// The programs, each with its name in the report.
    pub programs: Vec<(String, MemoryReport)>,
    /// Bytes of the states that the programs share.
    pub states: usize,
    /// The bytes of the states by layer and role.
    pub layers: Vec<(String, Role, usize)>,
    /// The number of additional copies of the states.
    pub copies: usize,
    /// The part of these bytes that is allocated already.
    pub held: usize,
}

impl MemoryTogether {
    /// Bytes of all arenas, the states and their copies.
    pub fn total(&self) -> usize {
        let arenas = self.programs.iter().map(|(_, report)| report.arena);
        let states = self.states.saturating_mul(self.copies.saturating_add(1));
        arenas.fold(states, usize::saturating_add)
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
