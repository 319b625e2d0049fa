//! The transcendental functions of the arithmetic language: their errors, and their special values.

mod double;
mod exhaustive;
mod mpmath;
mod operations;
mod reference;
mod single;
mod ulp;
