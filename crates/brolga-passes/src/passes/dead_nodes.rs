//! Removes nodes that no output needs.
//!
//! ```text
//! graph f(%x: f32[4]) {                    graph f(%x: f32[4]) {
//!   %0: f32[4] = exp %x                      %0: f32[4] = relu %x
//!   %1: f32[4] = relu %x              →      return %0
//!   return %1                              }
//! }
//! ```
//!
//! Inputs stay, used or not: they are the signature. No op has side effects; random numbers are functions of seed and step.

use brolga_ir::Graph;

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};

const DEAD: Rule = Rule { name: "remove dead nodes", reason: "no output depends on them" };

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct DeadNodes;

impl Pass for DeadNodes {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let unused = |id| graph.uses(id).is_empty() && graph.parameter(id).is_none();
        let dead = graph.ids().find(|&id| unused(id) && !crate::values::is_returned(graph, id));
        if let Some(id) = dead
            && rewrites.allow(&DEAD, graph, id)
        {
            graph.remove_dead();
        }
        Ok(rewrites.changed())
    }
}
