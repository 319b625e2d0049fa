//! Regions of a graph that become kernels: which nodes fit together, and the kernel made of them.
//!
//! A region must be *convex*: no path leads out of it and back in, or the kernel would need its own
//! result. [`Schedule`] answers that; [`epilogue`], [`prologue`] and [`rows`] grow regions;
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

/// The most nodes of a region. A larger kernel is no faster than two, and the time to generate code
/// for a kernel grows faster than its size.
pub(crate) const MAX_NODES: usize = 256;

/// The candidates that a region rejected, each with the condition that does not hold.
///
/// Parameters and constants are not among them: no kernel computes them. A rejected node may have
/// been added later.
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

    /// The nodes outside of the region, each once, with the last condition that did not hold.
    pub(crate) fn outside(&self, inside: impl Fn(NodeId) -> bool) -> BTreeMap<NodeId, Why> {
        self.0.iter().copied().filter(|(id, _)| !inside(*id)).collect()
    }
}

/// A set of nodes, iterated in one order on every machine.
pub(crate) type NodeSet = BTreeSet<NodeId>;
