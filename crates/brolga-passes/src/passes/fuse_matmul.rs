//! Makes one kernel of a matrix product and the elementwise ops behind it: bias, activation, dropout.
//!
//! ```text
//! %0: f32[32,128] = matmul %x, %w
//! %1: f32[32,128] = add %0, %b             →   %0: f32[32,128] = kernel %x, %w, %b {kind="contraction"} matmul_add_relu(..)
//! %2: f32[32,128] = relu %1
//! ```
//!
//! The ops have the shape of the product; what else they read has that shape too, or is one row for all rows, or one element.
//!
//! Refused: ops of another role (see [`epilogue`]), ops that would need the kernel's own result by another way, and a bias for
//! each row instead of each column.

use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, Op};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::{NodeSet, Region, Schedule, epilogue, streams};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseMatmul;

const EPILOGUE: Rule = Rule {
    name: "fuse what is behind a matrix product",
    reason: "the product is still in registers",
};

impl Pass for FuseMatmul {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        for id in schedule.seeds(graph, |op| matches!(op, Op::Matmul(_))) {
            let mut nodes = NodeSet::from([id]);
            epilogue(graph, &schedule, &mut nodes, id, streams);
            if nodes.len() > 1 && rewrites.allow(&EPILOGUE, graph, id) {
                Region::new(KernelKind::Contraction, id, nodes).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}
