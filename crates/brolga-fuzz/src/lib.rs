//! The fuzzer: random graphs by every path through the compiler, random bytes into every reader.
//! See `docs/fuzzing.md`.

pub mod compare;
pub mod coverage;
pub mod failure;
pub mod files;
pub mod graph_target;
pub mod graphs;
mod motifs;
mod mutate;
mod native;
pub mod plan;
pub mod readers;
pub mod supervise;
pub mod target;
mod training;
pub mod values;
pub mod worker;
