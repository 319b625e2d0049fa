//! Two programs side by side: which nodes one has and the other has not.

mod items;
mod pairs;

use std::collections::BTreeMap;

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

impl Group {
    fn is_empty(&self) -> bool {
        let Self { removed, added, changed, moved } = self;
        removed.is_empty() && added.is_empty() && changed.is_empty() && moved.is_empty()
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
        let mut of_b: Vec<Option<usize>> = vec![None; b.items.len()];
        for (from, to) in pairs.iter().enumerate() {
            if let Some(to) = to {
                of_b[*to] = Some(from);
            }
        }
        let mut order: Vec<(String, Role)> = vec![];
        let mut groups: BTreeMap<(String, Role), Group> = BTreeMap::new();
        let mut entry = |item: &Item, add: &mut dyn FnMut(&mut Group)| {
            let key = (item.layer.clone(), item.role);
            if !groups.contains_key(&key) {
                order.push(key.clone());
            }
            add(groups.entry(key).or_default());
        };
        for (index, item) in a.items.iter().enumerate() {
            let Some(other) = pairs[index].map(|to| &b.items[to]) else {
                entry(item, &mut |g| g.removed.push((item.name.clone(), a.text(item))));
                continue;
            };
            let (before, after) = (a.text(item), b.text(other));
            let (from, to) = (a.place(item), b.place(other));
            let name = item.name.clone();
            if before != after {
                let changed = Changed { name, before, after };
                let mut changed = Some(changed);
                entry(other, &mut |g| g.changed.extend(changed.take()));
            } else if from != to {
                let mut moved = Some(Moved { name, from, to });
                entry(other, &mut |g| g.moved.extend(moved.take()));
            }
        }
        for (index, item) in b.items.iter().enumerate() {
            if of_b[index].is_none() {
                entry(item, &mut |g| g.added.push((item.name.clone(), b.text(item))));
            }
        }
        let groups = order.into_iter().filter_map(|key| {
            let group = groups.remove(&key)?;
            (!group.is_empty()).then_some((key, group))
        });
        let groups = groups.collect();
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
