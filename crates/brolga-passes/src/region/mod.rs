//! Regions of a graph that become kernels: which nodes fit together, and the kernel made of them.
//!
//! A region must be *convex*: no way leads out of it and back in, or the kernel would need its own result. [`Schedule`] answers
//! that, [`epilogue`], [`prologue`] and [`rows`] grow regions, and [`Region::fuse`] makes the kernel.

mod chain;
mod fuse;
pub(crate) mod gradients;
pub(crate) mod rows;
mod schedule;
pub(crate) mod update;
mod walk;

pub(crate) use chain::{epilogue, prologue};
pub(crate) use fuse::{Part, Region};
pub(crate) use schedule::{Growing, Schedule};

use std::collections::BTreeSet;

use brolga_ir::NodeId;

/// How many nodes a region has at most. A kernel of more is not quicker than two, and the time to generate code for one grows faster
/// than its size.
pub(crate) const MAX_NODES: usize = 256;

/// A set of nodes, iterated in one order on every machine.
pub(crate) type NodeSet = BTreeSet<NodeId>;
