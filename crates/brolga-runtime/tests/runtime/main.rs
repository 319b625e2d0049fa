//! Tests of the runtime as its users see it.
#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod compiled;
mod errors;
mod feed;
mod kernels;
mod plans;
mod profile;
mod programs;
mod random;
mod state;
