//! The first wrong rewrite.

use brolga_ir::Graph;

use crate::error::PassError;
use crate::manager::PassManager;
use crate::pass::Pass;
use crate::rewrites::Rewrite;

/// What makes a result wrong.
#[derive(Debug, Clone)]
pub struct Culprit {
    /// The pass.
    pub pass: String,
    /// The rewrite, and its number among those of passes that are not required, from 1; `None` if
    /// it is a required pass, or what the pass does outside of its rewrites.
    pub rewrite: Option<(usize, Rewrite)>,
    /// How many rewrites there are without a limit.
    pub of: usize,
    /// How the result is wrong.
    pub error: PassError,
}

/// Finds the first rewrite after which the passes leave a graph that `check` refuses; `None` if it
/// accepts what all rewrites leave. `check` is given the graph before the passes, and the one after
/// them.
///
/// A rewrite is found by halving, which assumes that a result stays wrong: if rewrites undo each
/// other's mistakes, the one that is found makes a right result wrong, and need not be the first
/// that does.
///
/// # Errors
/// [`PassError::Input`] if the graph is not valid.
pub fn bisect(
    graph: &Graph,
    passes: impl Fn() -> Vec<Box<dyn Pass>>,
    mut check: impl FnMut(&Graph, &Graph) -> Result<(), PassError>,
) -> Result<Option<Culprit>, PassError> {
    let names: Vec<(String, bool)> =
        passes().iter().map(|pass| (pass.name(), pass.is_required())).collect();
    let required = |name: &str| names.iter().any(|(known, required)| known == name && *required);
    let mut attempt = |limit: Option<usize>| {
        let mut changed = graph.clone();
        let mut manager = PassManager::new(passes());
        if let Some(limit) = limit {
            manager = manager.stop_after(limit);
        }
        let result = manager.run(&mut changed).and_then(|report| {
            check(graph, &changed)?;
            Ok(report.rewrites.iter().filter(|rewrite| !required(&rewrite.pass)).count())
        });
        match result {
            Err(error @ PassError::Input(_)) => Err(error),
            other => Ok(other),
        }
    };
    let last = match attempt(None)? {
        Ok(_) => return Ok(None),
        Err(error) => error,
    };
    // Required passes alone, or what passes do outside of rewrites.
    if let Err(error) = attempt(Some(0))? {
        let pass = guilty_pass(graph, &passes, &error);
        return Ok(Some(Culprit { pass, rewrite: None, of: 0, error }));
    }
    // With `right` rewrites the result is right, with `wrong` of them it is not.
    let (mut right, mut wrong, mut error) = (0, 1, last);
    loop {
        match attempt(Some(wrong))? {
            Ok(of) if of < wrong => {
                // There are no more, and yet without a limit the result is wrong.
                let pass = guilty_pass(graph, &passes, &error);
                return Ok(Some(Culprit { pass, rewrite: None, of, error }));
            }
            Ok(_) => (right, wrong) = (wrong, wrong.saturating_mul(2)),
            Err(found) => {
                error = found;
                break;
            }
        }
    }
    while wrong - right > 1 {
        let middle = right + (wrong - right) / 2;
        match attempt(Some(middle))? {
            Ok(_) => right = middle,
            Err(found) => (wrong, error) = (middle, found),
        }
    }
    let rewrites = rewrites_until(graph, &passes, wrong);
    let of = rewrites_until(graph, &passes, usize::MAX).len().max(wrong);
    let rewrite = rewrites.into_iter().filter(|r| !required(&r.pass)).nth(wrong - 1);
    let pass = rewrite.as_ref().map(|rewrite| rewrite.pass.to_string());
    let pass = pass.unwrap_or_else(|| guilty_pass(graph, &passes, &error));
    Ok(Some(Culprit { pass, rewrite: rewrite.map(|rewrite| (wrong, rewrite)), of, error }))
}

/// The pass that an error names, or the first that changes bits.
fn guilty_pass(
    graph: &Graph,
    passes: &impl Fn() -> Vec<Box<dyn Pass>>,
    error: &PassError,
) -> String {
    let named = |error: &PassError| match error {
        PassError::Mistake { pass, .. }
        | PassError::Verify { pass, .. }
        | PassError::Endless { pass, .. }
        | PassError::Bits { pass, .. } => Some(pass.clone()),
        _ => None,
    };
    let mut manager = PassManager::new(passes()).check_each_pass(true);
    let checked = manager.run(&mut graph.clone()).err().and_then(|error| named(&error));
    checked.or_else(|| named(error)).unwrap_or_else(|| "all passes together".to_owned())
}

/// The rewrites up to a limit, those of a pass that fails included.
fn rewrites_until(
    graph: &Graph,
    passes: &impl Fn() -> Vec<Box<dyn Pass>>,
    limit: usize,
) -> Vec<Rewrite> {
    let mut manager = PassManager::new(passes()).stop_after(limit);
    manager.rewrites_of(&mut graph.clone())
}
