//! The memory of several programs on one state.

use std::fmt;

use crate::error::RuntimeError;
use crate::report::MemoryReport;
use crate::table::{bytes, write_table};

/// The memory of all programs of a model together, known before any is allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryTogether {
    /// Each program with the name under which it is shown.
    pub programs: Vec<(String, MemoryReport)>,
    /// Bytes of the states that the programs share.
    pub states: usize,
    /// How many copies of the states there are besides.
    pub copies: usize,
}

impl MemoryTogether {
    /// Bytes of all arenas, the states and their copies.
    pub fn total(&self) -> usize {
        let arenas = self.programs.iter().map(|(_, report)| report.arena);
        let states = self.states.saturating_mul(self.copies.saturating_add(1));
        arenas.fold(states, usize::saturating_add)
    }

    /// Fails if it is more than the limit, if there is one.
    ///
    /// # Errors
    /// [`RuntimeError::MemoryLimitTogether`].
    pub fn check(self, limit: Option<usize>) -> Result<(), RuntimeError> {
        match limit {
            Some(limit) if self.total() > limit => {
                Err(RuntimeError::MemoryLimitTogether { limit, memory: Box::new(self) })
            }
            _ => Ok(()),
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
        Ok(())
    }
}
