//! Where the registers of a program come from.

use std::hash::{Hash, Hasher};

/// For each register of a program, the node that it is computed for: for readers alone. Programs
/// that differ in nothing else are equal.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The index of the node and 1, by register; 0 for none.
    nodes: Vec<u32>,
}

impl Sources {
    /// Sets the node of a register, by the index of [`NodeId::index`](crate::NodeId::index).
    pub fn set(&mut self, register: u32, node: Option<usize>) {
        let node = node.and_then(|node| u32::try_from(node).ok()?.checked_add(1));
        let Some(node) = node else { return };
        let register = register as usize;
        if self.nodes.len() <= register {
            self.nodes.resize(register + 1, 0);
        }
        self.nodes[register] = node;
    }

    /// The index of the node of a register.
    #[must_use]
    pub fn of(&self, register: u32) -> Option<usize> {
        let node = self.nodes.get(register as usize).copied()?;
        Some(node.checked_sub(1)? as usize)
    }
}

impl PartialEq for Sources {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Sources {}

impl Hash for Sources {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_without_a_node_have_none() {
        let mut sources = Sources::default();
        sources.set(2, Some(0));
        sources.set(3, None);
        sources.set(4, Some(usize::MAX));
        assert_eq!([0, 2, 3, 4, 9].map(|r| sources.of(r)), [None, Some(0), None, None, None]);
        assert_eq!(sources, Sources::default());
    }
}
