//! Which nodes of two graphs are the same.

use std::collections::HashMap;

use brolga_ir::Role;
use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::items::{Item, Items};

/// For each node of the first graph the node of the second with the same identity, the first copy
/// with the first.
pub(super) fn by_identity(a: &Items, b: &Items) -> Vec<Option<usize>> {
    let key = |item: &Item| (item.uid, item.op.clone());
    let mut found: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, item) in b.items.iter().enumerate().rev() {
        found.entry(key(item)).or_default().push(index);
    }
    a.items.iter().map(|item| found.get_mut(&key(item)).and_then(Vec::pop)).collect()
}

/// What is the same of two nodes that are paired.
type Key<'a> = &'a dyn Fn(&Item) -> String;

/// For each node of the first graph the node of the second that stands in the same place of the
/// same layer: first those that are alike, then those of the same op, then kernels of the same
/// kind.
pub(super) fn by_structure(a: &Items, b: &Items) -> Vec<Option<usize>> {
    let mut pairs = vec![None; a.items.len()];
    let mut taken = vec![false; b.items.len()];
    let alike = |item: &Item| format!("{} {} {}", item.op, item.attributes, item.types);
    let of_op = |item: &Item| item.op.clone();
    let of_kind = |item: &Item| item.attributes.clone();
    for (key, kernels) in [(&alike as Key<'_>, false), (&of_op, false), (&of_kind, true)] {
        let wanted = |item: &Item| !kernels || item.is_kernel();
        let left = groups(a, |index| pairs[index].is_none() && wanted(&a.items[index]));
        let mut right = groups(b, |index| !taken[index] && wanted(&b.items[index]));
        for (group, left) in left {
            let right = right.remove(&group).unwrap_or_default();
            let keys = |items: &Items, indices: &[usize]| -> Vec<String> {
                indices.iter().map(|&index| key(&items.items[index])).collect()
            };
            let (from, to) = (keys(a, &left), keys(b, &right));
            for op in capture_diff_slices(Algorithm::Patience, &from, &to) {
                if op.tag() == DiffTag::Equal {
                    for (from, to) in op.old_range().zip(op.new_range()) {
                        pairs[left[from]] = Some(right[to]);
                        taken[right[to]] = true;
                    }
                }
            }
        }
    }
    pairs
}

/// Nodes by layer and role, and whether they are inputs or kernels.
fn groups(
    items: &Items,
    wanted: impl Fn(usize) -> bool,
) -> HashMap<(&str, Role, bool), Vec<usize>> {
    let mut groups: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, item) in items.items.iter().enumerate().filter(|(index, _)| wanted(*index)) {
        let key = (item.layer.as_str(), item.role, item.is_kernel());
        groups.entry(key).or_default().push(index);
    }
    groups
}
