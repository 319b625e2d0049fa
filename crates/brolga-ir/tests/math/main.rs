//! The transcendental functions of the arithmetic language: how far they are off, and their special
//! values.

mod double;
mod exhaustive;
mod mpmath;
mod operations;
mod reference;
mod single;
mod ulp;
