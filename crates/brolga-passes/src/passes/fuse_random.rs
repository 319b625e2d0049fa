//! Makes one kernel of random numbers and the elementwise ops behind them.
//!
//! ```text
//! %0: bool[32,128] = random_bernoulli %seed, %step      →   %0: f32[32,128] = kernel %seed, %step {kind="random"}
//! %1: f32[32,128] = cast %0                                   random_bernoulli_cast(..)
//! ```
//!
//! The ops are those that [`FuseMatmul`](super::FuseMatmul) takes behind a product. It runs later than the contractions, which take
//! the mask of a dropout as an operand.

use brolga_ir::ops::KernelKind;
use brolga_ir::{Graph, Op};

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::region::{NodeSet, Region, Schedule, epilogue, streams};
use crate::rewrites::{Rewrites, Rule};

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct FuseRandom;

const EPILOGUE: Rule =
    Rule { name: "fuse what is behind random numbers", reason: "the numbers need not be stored" };

impl Pass for FuseRandom {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        let mut schedule = Schedule::new(graph);
        let is_random = |op: &Op| {
            matches!(op, Op::RandomBits(_) | Op::RandomUniform(_) | Op::RandomBernoulli(_))
        };
        for id in schedule.seeds(graph, is_random) {
            let mut nodes = NodeSet::from([id]);
            epilogue(graph, &schedule, &mut nodes, id, streams);
            if nodes.len() > 1 && rewrites.allow(&EPILOGUE, graph, id) {
                Region::new(KernelKind::Random, id, nodes).fuse(graph, &mut schedule)?;
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}
