//! Runs the passes, all in order or some by name.

use brolga_ir::Graph;

use crate::error::PassError;
use crate::manager::{PassManager, Report};
use crate::pass::Pass;
use crate::passes::pipeline;

/// Turns the graph of a step into the graph of kernels that code generation takes.
///
/// # Errors
/// If the graph is not valid, or a pass has a bug that its driver finds.
pub fn optimize(graph: &mut Graph) -> Result<Report, PassError> {
    PassManager::new(pipeline()).run(graph)
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
