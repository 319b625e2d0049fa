//! The streams that the command reads from and writes to.

use std::io::{Read, Write};

/// Standard input, output and error, or substitutes.
#[expect(missing_debug_implementations, reason = "streams have nothing to show")]
pub struct Streams<'a> {
    /// Where `-` reads from.
    pub stdin: &'a mut dyn Read,
    /// Where results go.
    pub stdout: &'a mut dyn Write,
    /// Where errors, snapshots and reports go.
    pub stderr: &'a mut dyn Write,
}
