//! The passes, one file each. Every file opens with the goal, the graph before and after, what must hold, and what is refused.

pub mod algebraic_simplification;
pub mod canonical_reductions;
pub mod canonical_shapes;
pub mod common_subexpressions;
pub mod constant_folding;
pub mod dead_nodes;
pub mod fuse_columns;
pub mod fuse_conv_grads;
pub mod fuse_conv_pool;
pub mod fuse_elementwise;
pub mod fuse_matmul;
pub mod fuse_random;
pub mod fuse_rows;
pub mod fuse_updates;
pub mod fuse_weight_updates;
pub mod fuse_windows;
pub mod outline;
pub mod unpool_mask;

pub use algebraic_simplification::AlgebraicSimplification;
pub use canonical_reductions::CanonicalReductions;
pub use canonical_shapes::CanonicalShapes;
pub use common_subexpressions::CommonSubexpressions;
pub use constant_folding::ConstantFolding;
pub use dead_nodes::DeadNodes;
pub use fuse_columns::FuseColumns;
pub use fuse_conv_grads::FuseConvGrads;
pub use fuse_conv_pool::FuseConvPool;
pub use fuse_elementwise::FuseElementwise;
pub use fuse_matmul::FuseMatmul;
pub use fuse_random::FuseRandom;
pub use fuse_rows::FuseRows;
pub use fuse_updates::FuseUpdates;
pub use fuse_weight_updates::FuseWeightUpdates;
pub use fuse_windows::FuseWindows;
pub use outline::Outline;
pub use unpool_mask::UnpoolMask;

use brolga_ir::{Graph, Mistake, NodeId, Value};

use crate::error::PassError;
use crate::pass::Changed;
use crate::rewrites::Rewrites;

/// Visits the nodes once, operands before their uses, and replaces the result of each by the value that `rule` gives, as long as it
/// gives one.
///
/// Nodes that become dead stay until the end: identities of removed nodes are used again.
fn sweep(
    graph: &mut Graph,
    rewrites: &mut Rewrites,
    rule: impl Fn(&mut Graph, NodeId, &mut Rewrites) -> Result<Option<Value>, Mistake>,
) -> Result<Changed, PassError> {
    for mut id in graph.order() {
        while let Some(new) = rule(graph, id, rewrites)? {
            graph.replace(id.into(), new);
            id = new.node;
        }
    }
    graph.remove_dead();
    Ok(rewrites.changed())
}
