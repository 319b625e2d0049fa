//! What is fuzzed.

use std::time::Duration;

use crate::coverage::Coverage;
use crate::failure::Failure;

/// Something that cases are tried on. A case is a number, which with the seed decides everything
/// else.
pub trait Target: Sync {
    /// Tries a case.
    ///
    /// # Errors
    /// What failed.
    fn try_case(&self, case: u64, coverage: &mut Coverage) -> Result<(), Failure>;

    /// The smallest input found that fails like the case, and how to repeat it. If the case kills
    /// the process, other processes try the inputs.
    fn shrunk(&self, case: u64, failure: &Failure, dies: bool) -> String;

    /// A case that takes longer than this never ends.
    fn patience(&self) -> Duration;

    /// The most memory that the process may take, in bytes, if there is a limit.
    fn memory(&self) -> Option<u64>;
}

/// Tries a case; a panic is a failure.
pub fn guarded(target: &dyn Target, case: u64, coverage: &mut Coverage) -> Result<(), Failure> {
    caught(|| target.try_case(case, coverage))
}

/// Runs a function and makes a panic a failure.
///
/// # Errors
/// The error that it returns, or the panic.
pub fn caught(run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let run = std::panic::AssertUnwindSafe(run);
    std::panic::catch_unwind(run).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Err(Failure::new("panic", text.unwrap_or("without a message")))
    })
}
