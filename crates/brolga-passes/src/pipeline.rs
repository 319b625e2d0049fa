//! The list of the passes.

use brolga_ir::Graph;

use crate::error::PassError;
use crate::manager::{PassManager, Report};
use crate::pass::Pass;
use crate::passes::*;

/// Turns the graph of a step into the graph of kernels that code generation takes.
///
/// # Errors
/// If the graph is not valid, or a pass has a bug that its driver finds.
pub fn optimize(graph: &mut Graph) -> Result<Report, PassError> {
    PassManager::new(pipeline()).run(graph)
}

/// The passes that [`optimize`] runs, in order.
pub fn pipeline() -> Vec<Box<dyn Pass>> {
    vec![
        // Passes count uses, and a dead node would count as one. What a pass leaves behind it removes itself.
        Box::new(DeadNodes),
        // Simplify. Folding shows constants to the identities and to canonical shapes; these bring equal nodes into equal form.
        Box::new(ConstantFolding),
        Box::new(AlgebraicSimplification),
        Box::new(CanonicalShapes),
        Box::new(CommonSubexpressions),
        // The reshapes that reductions leave come before fusion looks at shapes.
        Box::new(CanonicalReductions),
        // Again: shapes that went have brought constants and equal nodes together.
        Box::new(ConstantFolding),
        Box::new(AlgebraicSimplification),
        Box::new(CanonicalShapes),
        Box::new(CommonSubexpressions),
        // Frees activations of their use by the backward part, so that they can be fused with their pooling. It looks for the one
        // pooling and index node that sharing equal nodes has left.
        Box::new(UnpoolMask),
        // Fuse. Updates first: what computes states is not to be split among the kernels that end with gradients. A product takes the
        // whole update of its weight, or nothing of it.
        Box::new(FuseWeightUpdates),
        Box::new(FuseUpdates),
        // Contractions take what is behind them before anything smaller can. Products and convolutions come before the gradients of
        // convolutions: a mask behind the layer above is computed once there, and needs no copy in front of two gradients.
        Box::new(FuseConvPool),
        Box::new(FuseMatmul),
        Box::new(FuseConvGrads),
        Box::new(FuseWindows),
        Box::new(FuseRandom),
        // Rows take all that goes row by row, reductions included; columns only what nothing else uses; chains are what is left.
        Box::new(FuseRows),
        Box::new(FuseColumns),
        Box::new(FuseElementwise),
        Box::new(Outline),
    ]
}

/// Every pass once, in alphabetical order.
pub fn all_passes() -> Vec<Box<dyn Pass>> {
    let mut passes = pipeline();
    passes.sort_by_key(|pass| pass.name());
    passes.dedup_by_key(|pass| pass.name());
    passes
}

/// The passes of these names, separated by commas, in the order given.
///
/// # Errors
/// If there is no pass of a name; the error lists those there are.
pub fn passes_by_name(names: &str) -> Result<Vec<Box<dyn Pass>>, PassError> {
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut passes = all_passes();
            match passes.iter().position(|pass| pass.name() == name) {
                Some(place) => Ok(passes.swap_remove(place)),
                None => {
                    let known = passes.iter().map(|pass| pass.name()).collect();
                    Err(PassError::UnknownPass { name: name.to_owned(), known })
                }
            }
        })
        .collect()
}
