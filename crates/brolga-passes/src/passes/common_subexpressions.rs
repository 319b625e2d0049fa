//! Merges equal nodes.
//!
//! ```text
//! %0: f32[4] = exp %x                     %0: f32[4] = exp %x
//! %1: f32[4] = exp %x              →      %1: f32[4] = mul %0, %0
//! %2: f32[4] = mul %0, %1
//! ```
//!
//! Nodes are equal if their ops, compared by value, and their operands are. The operands of `add`,
//! `mul`, `eq`, `ne`, `and` and `or` may be in either order. The first node stays, with its layer
//! and role.
//!
//! Refused: reordering the operands of `max` and `min`, which take the second one of +0 and −0.

use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};

use brolga_ir::{Graph, NodeId, Op, Value};
use rustc_hash::{FxHashMap, FxHasher};
use smallvec::SmallVec;

use crate::error::PassError;
use crate::pass::{Changed, Pass};
use crate::rewrites::{Rewrites, Rule};

const SAME: Rule =
    Rule { name: "share equal nodes", reason: "an op is a function of its operands" };

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub struct CommonSubexpressions;

impl Pass for CommonSubexpressions {
    fn is_required(&self) -> bool {
        false
    }

    fn run(&self, graph: &mut Graph, rewrites: &mut Rewrites) -> Result<Changed, PassError> {
        // Never iterated, so that the order of hashes has no influence.
        let mut seen: FxHashMap<u64, SmallVec<[NodeId; 4]>> = FxHashMap::default();
        seen.reserve(graph.len());
        for id in graph.order() {
            if graph.parameter(id).is_some() {
                continue;
            }
            let operands = key_operands(graph, id);
            let mut hasher = FxHasher::default();
            (&graph.node(id).op, &operands).hash(&mut hasher);
            let same = |&first: &NodeId| {
                graph.node(first).op == graph.node(id).op && key_operands(graph, first) == operands
            };
            match seen.entry(hasher.finish()) {
                Entry::Vacant(entry) => {
                    entry.insert(SmallVec::from_elem(id, 1));
                }
                Entry::Occupied(mut entry) => match entry.get().iter().copied().find(same) {
                    Some(first) => {
                        if rewrites.allow(&SAME, graph, id) {
                            for port in 0..graph.node(id).types.len() as u32 {
                                let (old, new) =
                                    (Value { node: id, port }, Value { node: first, port });
                                graph.replace(old, new);
                            }
                        }
                    }
                    None => entry.get_mut().push(id),
                },
            }
        }
        graph.remove_dead();
        Ok(rewrites.changed())
    }
}

/// The operands in an order that is the same for equal nodes.
fn key_operands(graph: &Graph, id: NodeId) -> SmallVec<[Value; 4]> {
    let mut operands = SmallVec::from_slice(&graph.operands(id));
    if matches!(
        graph.node(id).op,
        Op::Add(_) | Op::Mul(_) | Op::Eq(_) | Op::Ne(_) | Op::And(_) | Op::Or(_)
    ) {
        operands.sort_unstable();
    }
    operands
}

#[cfg(test)]
mod tests {
    use super::CommonSubexpressions;
    use crate::testing::{refuses, run};

    #[test]
    fn equal_nodes_become_the_first() {
        let text = "graph f(%x: f32[4], %y: f32[4]) {
            %0: f32[4] = exp %x @a
            %1: f32[4] = exp %x @b #backward
            %2: f32[4] = add %0, %y
            %3: f32[4] = add %y, %1
            %4: f32[4] = sub %2, %3
            return %4, %1
        }";
        insta::assert_snapshot!(run(CommonSubexpressions, text), @r"
        graph f(%x: f32[4], %y: f32[4]) {
          %0: f32[4] = exp %x   @a
          %1: f32[4] = add %0, %y
          %2: f32[4] = sub %1, %1
          return %2, %0
        }
        ");
    }

    #[test]
    fn attributes_are_compared_by_value() {
        let text = "graph f(%x: f32[4,4]) {
            %0: f32[4] = reduce_sum %x {axes=[0], keepdims=false}
            %1: f32[4] = reduce_sum %x {axes=[1], keepdims=false}
            %2: f32[] = constant {value=0}
            %3: f32[] = constant {value=-0}
            return %0, %1, %2, %3
        }";
        refuses(CommonSubexpressions, text);
    }

    #[test]
    fn the_order_of_operands_matters_where_it_changes_bits() {
        // max(+0, −0) is −0, max(−0, +0) is +0.
        let text = "graph f(%x: f32[4], %y: f32[4]) {
            %0: f32[4] = max %x, %y
            %1: f32[4] = max %y, %x
            %2: f32[4] = sub %x, %y
            %3: f32[4] = sub %y, %x
            return %0, %1, %2, %3
        }";
        refuses(CommonSubexpressions, text);
    }

    #[test]
    fn random_numbers_of_other_streams_differ() {
        let text = "graph f(%seed: i32[2], %step: i32[]) {
            %0: i32[8] = random_bits %seed, %step {stream=0}
            %1: i32[8] = random_bits %seed, %step {stream=1}
            return %0, %1
        }";
        refuses(CommonSubexpressions, text);
    }
}
