//! The passes, one file each. Every file opens with the goal, the graph before and after, what must
//! hold, and what is refused.

use brolga_ir::{Graph, Mistake, NodeId, Value};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::Rewrites;

/// Declares the modules of all passes and the pipeline: `Pass in file`, in order, and `Pass` alone
/// where one runs once more.
macro_rules! passes {
    ($($pass:ident $(in $file:ident)?,)*) => {
        $($(pub mod $file; pub use $file::$pass;)?)*

        /// The passes that [`optimize`](crate::optimize) runs, in order.
        pub fn pipeline() -> Vec<Box<dyn Pass>> {
            vec![$(Box::new($pass)),*]
        }
    };
}

passes! {
    // What is called comes first into the graph, so that all that follows works across the border
    // of a call.
    InlineCalls in inline_calls,
    // Passes count uses, and a dead node would count as one. What a pass leaves behind it removes
    // itself.
    DeadNodes in dead_nodes,
    // Simplify. Folding shows constants to the identities and to canonical shapes; these bring
    // equal nodes into equal form.
    ConstantFolding in constant_folding,
    AlgebraicSimplification in algebraic_simplification,
    CanonicalShapes in canonical_shapes,
    CommonSubexpressions in common_subexpressions,
    // The reshapes that reductions leave come before fusion looks at shapes.
    CanonicalReductions in canonical_reductions,
    // Again: shapes that went have brought constants and equal nodes together.
    ConstantFolding,
    AlgebraicSimplification,
    CanonicalShapes,
    CommonSubexpressions,
    // Frees activations of their use by the backward part, so that they can be fused with their
    // pooling. It looks for the one pooling and index node that sharing equal nodes has left.
    UnpoolMask in unpool_mask,
    // Fuse. Updates first: what computes states is not to be split among the kernels that end with
    // gradients. A product takes the whole update of its weight, or nothing of it.
    FuseWeightUpdates in fuse_weight_updates,
    FuseUpdates in fuse_updates,
    // Contractions take what is behind them before anything smaller can. Products and convolutions
    // come before the gradients of convolutions: a mask behind the layer above is computed once
    // there, and needs no copy in front of two gradients.
    FuseConvPool in fuse_conv_pool,
    FuseMatmul in fuse_matmul,
    FuseConvGrads in fuse_conv_grads,
    FuseWindows in fuse_windows,
    FuseRandom in fuse_random,
    // Rows take all that goes row by row, reductions included; columns only what nothing else uses;
    // chains are what is left.
    FuseRows in fuse_rows,
    FuseColumns in fuse_columns,
    FuseElementwise in fuse_elementwise,
    Outline in outline,
}

/// Visits the nodes once, operands before their uses, and replaces the result of each by the value
/// that `rule` gives, as long as it gives one.
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
