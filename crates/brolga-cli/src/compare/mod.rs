//! Two programs side by side: which nodes one has and the other has not.

mod items;
mod pairs;

use std::collections::{HashMap, HashSet};

use brolga_ir::Role;
use brolga_record::{GraphRecord, Graphs};

pub(crate) use items::{Item, Items};
use pairs::{by_identity, by_structure};

/// A node that both have.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) name: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// A node that is the same, and in another kernel.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) name: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
}

/// The differences in one layer and role.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) removed: Vec<(String, String)>,
    pub(crate) added: Vec<(String, String)>,
    pub(crate) changed: Vec<Changed>,
    pub(crate) moved: Vec<Moved>,
}

/// The groups by layer and role, in the order in which they are met.
#[derive(Debug, Default)]
struct Groups {
    order: Vec<(String, Role)>,
    groups: HashMap<(String, Role), Group>,
}

impl Groups {
    /// The group of a node.
    fn of(&mut self, item: &Item) -> &mut Group {
        let key = (item.layer.clone(), item.role);
        if !self.groups.contains_key(&key) {
            self.order.push(key.clone());
        }
        self.groups.entry(key).or_default()
    }

    fn in_order(mut self) -> Vec<((String, Role), Group)> {
        let group = |key: (String, Role)| self.groups.remove(&key).map(|group| (key, group));
        self.order.into_iter().filter_map(group).collect()
    }
}

/// The differences of two graphs.
#[derive(Debug)]
pub(crate) struct Difference {
    /// By layer and role, in the order in which they are met.
    pub(crate) groups: Vec<((String, Role), Group)>,
    /// What is returned, if that is not the same.
    pub(crate) outputs: Option<(String, String)>,
}

impl Difference {
    /// The differences of two graphs. `related`: they are stages of one program, so that a node is
    /// the same if its identity is. Otherwise nodes are the same if they are alike and stand in the
    /// same place of their layer.
    pub(crate) fn new(
        (a_graphs, a): (&Graphs, &GraphRecord),
        (b_graphs, b): (&Graphs, &GraphRecord),
        related: bool,
    ) -> Self {
        let (mut a, mut b) = (Items::new(a_graphs, a), Items::new(b_graphs, b));
        let pairs = if related { by_identity(&a, &b) } else { by_structure(&a, &b) };
        a.name_all();
        b.name_like(&a, &pairs);
        let paired: HashSet<usize> = pairs.iter().flatten().copied().collect();
        let mut groups = Groups::default();
        for (index, item) in a.items.iter().enumerate() {
            let name = item.name.clone();
            let Some(other) = pairs[index].map(|to| &b.items[to]) else {
                groups.of(item).removed.push((name, a.text(item)));
                continue;
            };
            let (before, after) = (a.text(item), b.text(other));
            let (from, to) = (a.place(item), b.place(other));
            if before != after {
                groups.of(other).changed.push(Changed { name, before, after });
            } else if from != to {
                groups.of(other).moved.push(Moved { name, from, to });
            }
        }
        for (index, item) in b.items.iter().enumerate() {
            if !paired.contains(&index) {
                groups.of(item).added.push((item.name.clone(), b.text(item)));
            }
        }
        let groups = groups.in_order();
        let (before, after) = (a.returned(), b.returned());
        Self { groups, outputs: (before != after).then_some((before, after)) }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.outputs.is_none()
    }

    /// How many nodes are removed, added, changed and moved.
    pub(crate) fn counts(&self) -> [usize; 4] {
        let groups = || self.groups.iter().map(|(_, group)| group);
        [
            groups().map(|group| group.removed.len()).sum(),
            groups().map(|group| group.added.len()).sum(),
            groups().map(|group| group.changed.len()).sum(),
            groups().map(|group| group.moved.len()).sum(),
        ]
    }
}
