//! Makes one kernel of a reduction along rows and everything around it that goes row by row: a softmax with the cross entropy
//! behind it and the gradient of both, a normalisation, a mean of losses.
//!
//! ```text
//! %0: f32[32,1] = reduce_max %z {axes=[1], keepdims=true}
//! %1: f32[32,10] = sub %z, %0
//! %2: f32[32,10] = exp %1                                         →   %0: f32[32,10] = kernel %z {kind="rows"}
//! %3: f32[32,1] = reduce_sum %2 {axes=[1], keepdims=true}               reduce_max_sub_exp_reduce_sum_div(..)
//! %4: f32[32,10] = div %2, %3
//! ```
//!
//! The *domain* `[r.., c]` is what the reduction reduces. The region is the largest convex one around it in which every node is
//! elementwise over the domain, a reduction of the domain's last axis, elementwise on reduced values, or repeats, counts or marks
//! along the domain (`broadcast`, `iota`, `one_hot`). Each row is computed in one go, while it is in the nearest cache.
//!
//! Refused: reduced values without their axis (`[r..]`) that meet anything but each other and single elements. Under NumPy's rule they would
//! be read along the wrong axis.

use brolga_ir::Graph;
use brolga_ir::ops::KernelKind;

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::rows::{reduced_domain, rows};
use crate::region::{Region, Schedule};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseRows;

const ROWS: Rule =
    Rule { name: "fuse around a reduction of rows", reason: "a row is read once for all of it" };

impl Pass for FuseRows {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        for id in schedule.nodes() {
            // A region that was fused may have taken this node, and a kernel its identity.
            let Some(domain) = reduced_domain(graph, id) else { continue };
            let nodes = rows(graph, &schedule, id, domain);
            if nodes.len() > 1 && rewrites.allow(&ROWS, graph, id) {
                Region::new(KernelKind::Rows, id, nodes).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}
