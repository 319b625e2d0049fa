//! The order of the layers of a functional model, which is that of their weights in Keras.
//!
//! Layers are sorted by depth, the distance of their farthest call from the outputs, the deepest
//! first; those of one depth by when a walk from the outputs back to the inputs meets them
//! (`map_graph` of `keras/src/ops/function.py`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::symbolic::{Node, Shared, Symbolic, Unit};

/// The calls that the outputs need, operands first, and their layers in order.
pub(super) struct Ordered {
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) units: Vec<Shared>,
}

pub(super) fn keras(inputs: &[Symbolic], outputs: &[Symbolic]) -> Ordered {
    let mut walk = Walk::default();
    outputs.iter().for_each(|output| walk.from(&output.node));
    let needed = walk.nodes.len();
    // Inputs that no output depends on come last.
    inputs.iter().for_each(|input| walk.from(&input.node));
    let mut depths: HashMap<*const Node, usize> = HashMap::new();
    let mut unit_depths: HashMap<*const Unit, usize> = HashMap::new();
    for node in walk.nodes[..needed].iter().rev() {
        let of_unit = unit_depths.entry(node.unit.pointer()).or_default();
        let depth = depths.get(&Arc::as_ptr(node)).copied().unwrap_or(0).max(*of_unit);
        *of_unit = depth;
        depths.insert(Arc::as_ptr(node), depth);
        for input in node.tensors() {
            let before = depths.entry(Arc::as_ptr(&input.node)).or_default();
            *before = (depth + 1).max(*before);
        }
    }
    let mut units = walk.units;
    let depth = |unit: &Shared| unit_depths.get(&unit.pointer()).copied().unwrap_or(0);
    // Stable: of one depth in the order of the walk.
    units.sort_by_key(|unit| std::cmp::Reverse(depth(unit)));
    Ordered { nodes: walk.nodes, units }
}

/// A walk from the outputs back to the inputs, depth first.
#[derive(Default)]
struct Walk {
    begun: HashSet<*const Node>,
    known: HashSet<*const Unit>,
    /// Calls whose operands have all been met, in that order.
    nodes: Vec<Arc<Node>>,
    /// Layers in the order in which they were met.
    units: Vec<Shared>,
}

impl Walk {
    fn from(&mut self, node: &Arc<Node>) {
        let mut path: Vec<(Arc<Node>, usize)> = vec![];
        self.begin(node, &mut path);
        while let Some((node, next)) = path.last_mut() {
            let tensor = node.tensors().nth(*next).map(|tensor| Arc::clone(&tensor.node));
            *next += 1;
            match tensor {
                Some(producer) => self.begin(&producer, &mut path),
                None => self.nodes.extend(path.pop().map(|(node, _)| node)),
            }
        }
    }

    fn begin(&mut self, node: &Arc<Node>, path: &mut Vec<(Arc<Node>, usize)>) {
        if !self.begun.insert(Arc::as_ptr(node)) {
            return;
        }
        if self.known.insert(node.unit.pointer()) {
            self.units.push(node.unit.clone());
        }
        path.push((Arc::clone(node), 0));
    }
}
