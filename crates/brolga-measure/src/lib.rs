//! What this machine can do: multiply-adds of each instruction set, and bytes from each level of
//! memory.
//!
//! [`Meter`] measures the [`Limits`] of an instruction set on some threads, round by round, so that
//! they can be measured in turns with what is compared with them. [`Limits::roof`] tells which of
//! them bounds a kernel.

pub mod limit;
mod limits;

pub use limits::{LevelLimits, Limits, Meter, Roof, Work};

/// The median; of an even number the upper one, of none 0.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
