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
//! Inputs stay, used or not: they are the signature. No op has side effects; random numbers are
//! functions of seed and step.

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
        let unused = |id| graph.users(id).next().is_none() && graph.parameter(id).is_none();
        let dead = graph.ids().find(|&id| unused(id) && !crate::values::is_returned(graph, id));
        if let Some(id) = dead
            && rewrites.allow(&DEAD, graph, id)
        {
            graph.remove_dead();
        }
        Ok(rewrites.changed())
    }
}

#[cfg(test)]
mod tests {
    use super::DeadNodes;
    use crate::testing::{refuses, run};

    #[test]
    fn what_no_output_needs_goes_and_inputs_stay() {
        let text = "graph f(%x: f32[4], %unused: f32[2], state %s: f32[4]) {
            %0: f32[4] = exp %x
            %1: f32[4] = tanh %0
            %2: f32[4] = relu %x
            %3: f32[4] = add %s, %2
            return %2, %3 => %s
        }";
        insta::assert_snapshot!(run(DeadNodes, text), @r"
        graph f(%x: f32[4], %unused: f32[2], state %s: f32[4]) {
          %0: f32[4] = relu %x
          %1: f32[4] = add %s, %0
          return %0, %1 => %s
        }
        ");
    }

    #[test]
    fn updates_of_states_are_outputs() {
        refuses(DeadNodes, "graph f(state %s: f32[4]) { %0: f32[4] = relu %s return %0 => %s }");
    }
}
