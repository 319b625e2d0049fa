//! Makes a kernel of every node that is still alone, so that code generation meets kernels only.
//!
//! ```text
//! %0: f32[8,32] = transpose %x {permutation=[1,0]}    →   %0: f32[8,32] = kernel %x {kind="move"} transpose(..)
//! ```
//!
//! Parameters stay, and so do `reshape`s, which are views and need no code, and constants: of those that are splats, elementwise ops
//! have a copy in their bodies. What the result must be is written down in [`contract`](crate::contract) and checked.

use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, NodeId, Op};

use crate::contract::check_kernels;
use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::rows::{leading_reduction, reduced_domain};
use crate::region::{NodeSet, Region, Schedule};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct Outline;

const ALONE: Rule = Rule { name: "make a kernel of one node", reason: "all code is in kernels" };

impl Pass for Outline {
    fn is_required(&self) -> bool {
        true
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        for id in schedule.nodes() {
            if let Some(kind) = kind(graph, id)
                && rewrites.allow(&ALONE, graph, id)
            {
                Region::new(kind, id, NodeSet::from([id])).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }

    fn check(&self, graph: &Graph) -> Result<(), PassError> {
        check_kernels(graph).map_err(PassError::Contract)
    }
}

/// The kind of kernel that computes a node alone; `None` if it needs none.
fn kind(graph: &Graph, id: NodeId) -> Option<KernelKind> {
    Some(match &graph.node(id).op {
        Op::Parameter(_) | Op::Constant(_) | Op::Reshape(_) | Op::Kernel(_) => return None,
        Op::Matmul(_) | Op::Conv2d(_) | Op::Conv2dGradInput(_) | Op::Conv2dGradFilter(_) => {
            KernelKind::Contraction
        }
        Op::MaxPool(_)
        | Op::MaxPoolIndex(_)
        | Op::MaxUnpool(_)
        | Op::MaxPoolGather(_)
        | Op::AvgPool(_)
        | Op::AvgPoolGrad(_) => KernelKind::Window,
        Op::RandomBits(_) | Op::RandomUniform(_) | Op::RandomBernoulli(_) => KernelKind::Random,
        op if op.is_elementwise() => KernelKind::Rows,
        _ if reduced_domain(graph, id).is_some() => KernelKind::Rows,
        _ if leading_reduction(graph, id) => KernelKind::Columns,
        _ => KernelKind::Move,
    })
}
