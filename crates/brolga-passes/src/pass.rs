//! What a pass is to its driver.

use std::any::type_name;

use brolga_ir::Graph;

use crate::error::PassError;
use crate::rewrites::Rewrites;

/// A rewrite of a whole graph that keeps the bits of every output.
pub trait Pass {
    /// The name by which the pass is printed, skipped and asked for: the type's name in snake case.
    fn name(&self) -> String {
        snake_case(type_name::<Self>())
    }

    /// Whether the graph cannot be compiled without this pass. Each author decides: needed for
    /// correctness, or an optimisation.
    fn is_required(&self) -> bool;

    /// Rewrites the graph. Each rewrite is asked for with [`Rewrites::allow`] before it is made.
    ///
    /// The graph is verified afterwards. A pass that makes nodes dead removes them at its end.
    ///
    /// # Errors
    /// If a rewrite builds a node that its op refuses: a bug of the pass.
    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError>;

    /// What holds of the graph after this pass and later ones rely on, beyond the verifier's list.
    ///
    /// # Errors
    /// If it does not hold.
    fn check(&self, _graph: &Graph) -> Result<(), PassError> {
        Ok(())
    }
}

/// Whether a pass made a rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It made at least one.
    Yes,
    /// The graph is as it was.
    No,
}

/// `FuseConvPool` of any module as `fuse_conv_pool`.
fn snake_case(path: &str) -> String {
    let name = path.rsplit("::").next().unwrap_or(path);
    let mut snake = String::with_capacity(name.len() + 4);
    for (place, c) in name.chars().enumerate() {
        if c.is_ascii_uppercase() && place > 0 {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn names_come_from_types() {
        assert_eq!(snake_case("a::b::FuseConvPool"), "fuse_conv_pool");
        assert_eq!(snake_case("Outline"), "outline");
    }
}
