//! Regions of a graph that become kernels: which nodes fit together, and the kernel made of them.
//!
//! A region must be *convex*: no way leads out of it and back in, or the kernel would need its own
//! result. [`Schedule`] answers that, [`epilogue`], [`prologue`] and [`rows`] grow regions, and
//! [`Region::fuse`] makes the kernel.

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

use std::collections::{BTreeMap, BTreeSet};

use brolga_ir::op::Family;
use brolga_ir::{Graph, NodeId};

use crate::rewrites::Why;

/// How many nodes a region has at most. A kernel of more is not quicker than two, and the time to
/// generate code for one grows faster than its size.
pub(crate) const MAX_NODES: usize = 256;

/// The nodes that a region met and did not take in, each with the condition that does not hold.
///
/// Parameters and constants are not among them: they are no work that a kernel could take over. A
/// node that was met early may have been taken in later.
#[derive(Debug, Default)]
pub(crate) struct Border(Vec<(NodeId, Why)>);

impl Border {
    pub(crate) fn refuse(&mut self, graph: &Graph, id: NodeId, why: Why) {
        match graph.node(id).op.family() {
            Family::Source => {}
            Family::Call => self.0.push((id, "it is a kernel already")),
            _ => self.0.push((id, why)),
        }
    }

    /// The nodes outside of the region, each once, with the last condition that it did not meet.
    pub(crate) fn outside(&self, inside: impl Fn(NodeId) -> bool) -> BTreeMap<NodeId, Why> {
        self.0.iter().copied().filter(|(id, _)| !inside(*id)).collect()
    }
}

/// A set of nodes, iterated in one order on every machine.
pub(crate) type NodeSet = BTreeSet<NodeId>;
