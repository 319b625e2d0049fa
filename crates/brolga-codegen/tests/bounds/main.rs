//! Kernels stay inside their memory: what the check of a nest accepts touches no other byte, and it
//! accepts every kernel.

mod exact;
mod footprints;
#[path = "../common/graph.rs"]
mod graph;
mod kernels;
mod mistakes;
mod mutations;
mod run;
