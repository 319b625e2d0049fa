//! Limits on the memory of programs.

use brolga_memory::{Limit, SetBy};

use crate::error::RuntimeError;
use crate::options::Options;
use crate::report::MemoryReport;
use crate::table::bytes;
use crate::together::MemoryTogether;

/// Fails if a program needs more memory than the options allow, or the machine grants. The
/// machine's limit applies to the arena alone, since the states may be allocated already.
pub(crate) fn check(report: &MemoryReport, options: &Options) -> Result<(), RuntimeError> {
    let by_caller = options.memory_limit.filter(|&bytes| report.total > bytes);
    let exceeded =
        by_caller.map(Limit::of_caller).or_else(|| brolga_memory::check(report.arena).err()?.limit);
    exceeded.map_or(Ok(()), |limit| {
        let need = format!("graph `{}` needs {} of memory", report.graph, bytes(report.total));
        let (help, report) = (less_memory(&limit, ""), Box::new(report.clone()));
        Err(RuntimeError::MemoryLimit { need, limit, report, help })
    })
}

impl MemoryTogether {
    /// Fails if the memory is more than the limit, if there is one, or than the machine grants.
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
            let help = less_memory(&limit, self.advice());
            let (need, memory) = (self.need(), Box::new(self));
            Err(RuntimeError::MemoryLimitTogether { need, limit, memory, help })
        })
    }

    /// The memory that is needed, as the start of a sentence.
    fn need(&self) -> String {
        let total = bytes(self.total());
        match self.programs.as_slice() {
            [] => format!("weights and optimizer need {total} of memory"),
            _ => format!("the programs need {total} of memory together"),
        }
    }

    /// Advice other than to make everything smaller.
    fn advice(&self) -> &'static str {
        match self.programs.len() {
            0 | 1 => "",
            _ => {
                "; if the batch divides the number of samples there is no program for a last, \
                 smaller one"
            }
        }
    }
}

/// Advice for programs that need too much memory.
fn less_memory(limit: &Limit, more: &str) -> String {
    let batch = "a smaller batch and layers with fewer units need less";
    match limit.set_by {
        SetBy::Caller => format!("{batch}, a larger memory_limit allows more{more}"),
        _ => format!("{batch}{more}"),
    }
}
