//! Kernels stay inside their memory: the check of a nest accepts every kernel, and no accepted nest
//! touches another byte.

mod exact;
mod footprints;
#[path = "../common/graph.rs"]
mod graph;
mod kernels;
mod loops;
mod mistakes;
mod mutations;
#[path = "../loops/outline.rs"]
mod outline;
mod run;
