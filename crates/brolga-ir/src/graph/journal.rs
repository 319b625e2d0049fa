//! The history of a graph: identities of nodes, and the record of changes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The identity of a node, which no other node of the graph ever gets, unlike a
/// [`NodeId`](super::NodeId).
///
/// A node that moves into the body of a kernel keeps its identity, and so does a copy of it, since
/// both compute the same value. A clone of a graph has the same identities, and assigns new ones
/// independently of its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub(super) u64);

impl Uid {
    /// The identity of this number, which a file or a user names: `12` for `n12`.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// `n12`, as [`TextOptions::ids`](crate::TextOptions::ids) prints the node's first result.
impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// One change of a graph. Results are pairs of a node and the index of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A node was added.
    Added(Uid),
    /// All uses of the first result, also by the graph's outputs, became uses of the second one.
    Replaced((Uid, u32), (Uid, u32)),
    /// One operand of a node became another value.
    Rewired {
        /// The node.
        node: Uid,
        /// The index of the operand.
        operand: u32,
        /// The new operand.
        to: (Uid, u32),
    },
    /// A node was removed.
    Removed(Uid),
    /// A node was removed because no output needed it any longer.
    Dead(Uid),
}
