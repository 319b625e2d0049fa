//! The passes, one file each. Every file begins with the goal, the graph before and after, the
//! conditions, and what is refused.

use brolga_ir::{Graph, Mistake, NodeId, Value};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::Rewrites;

/// Declares the modules of all passes and the pipeline: `Pass in file`, in order, and `Pass` alone
/// where a pass runs again.
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
    // Functions are inlined first, so that all other passes work across the boundaries of calls.
    InlineCalls in inline_calls,
    // Passes count uses, and a dead node would count as one. A pass removes the nodes that it makes
    // dead.
    DeadNodes in dead_nodes,
    // Simplify. Identities and canonical shapes look for constants, which folding makes; they bring
    // nodes with the same meaning into the same form.
    ConstantFolding in constant_folding,
    AlgebraicSimplification in algebraic_simplification,
    CanonicalShapes in canonical_shapes,
    CommonSubexpressions in common_subexpressions,
    // Reductions become reshapes before fusion looks at shapes.
    CanonicalReductions in canonical_reductions,
    // Again: without the removed reshapes, more nodes are constant or equal.
    ConstantFolding,
    AlgebraicSimplification,
    CanonicalShapes,
    CommonSubexpressions,
    // A gradient brings a second forward loop along, and computes steps again. Bodies have been
    // simplified, so that equal nodes are equal.
    MergeLoops in merge_loops,
    TrimLoops in trim_loops,
    StackRecomputed in stack_recomputed,
    TrimLoops,
    // What another loop has is not computed again in front of a loop. What comes out of loops is
    // simplified before fusion looks for epilogues.
    HoistLoops in hoist_loops,
    TrimLoops,
    // Transpositions of images meet and go before fusion looks for epilogues; reshapes of what was
    // moved with them are composed afterwards.
    SinkLayouts in sink_layouts,
    CanonicalShapes,
    CommonSubexpressions,
    // Removes the backward part's use of an activation, so that it can be fused with its pooling.
    // It relies on equal poolings and index nodes having been merged.
    UnpoolMask in unpool_mask,
    // Fuse. Updates first, so that no other kernel takes a part of one. A product takes the whole
    // update of its weight or none of it.
    FuseWeightUpdates in fuse_weight_updates,
    FuseUpdates in fuse_updates,
    // Contractions take their epilogues before smaller kernels can. Products and convolutions come
    // before the gradients of convolutions: a mask is computed once, in the epilogue of the layer
    // above, rather than twice, in the prologues of two gradients.
    FuseConvPool in fuse_conv_pool,
    FuseMatmul in fuse_matmul,
    FuseConvGrads in fuse_conv_grads,
    FuseWindows in fuse_windows,
    FuseRandom in fuse_random,
    // Rows take all connected ops that work row by row; columns only ops without other uses; chains
    // are what is left.
    FuseRows in fuse_rows,
    FuseColumns in fuse_columns,
    FuseElementwise in fuse_elementwise,
    Outline in outline,
}

/// Visits the nodes once, operands before their uses, and replaces the result of each by the value
/// that `rule` gives, as long as it gives one.
///
/// Nodes that become dead stay until the end, since handles of removed nodes are used again.
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
