//! Copies that are not needed: reading a variable that keeps its value long enough, and setting it to what was computed for it.

use smallvec::SmallVec;

use super::inst::{Item, Listing, V};

/// The loops of a listing.
pub(super) struct Loops {
    /// For each item the loop around it, by its number; the first is the whole listing.
    pub(super) of: Vec<usize>,
    parent: Vec<usize>,
    begin: Vec<usize>,
    end: Vec<usize>,
    pub(super) depth: Vec<u32>,
}

impl Loops {
    pub(super) fn of(items: &[Item]) -> Self {
        let mut loops = Self {
            of: Vec::with_capacity(items.len()),
            parent: vec![0],
            begin: vec![0],
            end: vec![items.len()],
            depth: vec![0],
        };
        let mut current = 0;
        for (position, item) in items.iter().enumerate() {
            if matches!(item, Item::Begin(_)) {
                loops.parent.push(current);
                loops.begin.push(position);
                loops.end.push(items.len());
                loops.depth.push(loops.depth[current] + 1);
                current = loops.parent.len() - 1;
            }
            loops.of.push(current);
            if matches!(item, Item::End) {
                loops.end[current] = position;
                current = loops.parent[current];
            }
        }
        loops
    }

    /// Up to where something has to live that is made at `start` and used at `used`: a loop in between may come back to the use.
    pub(super) fn reach(&self, start: usize, used: usize) -> usize {
        let mut reach = used;
        let mut around = self.of[used];
        while around != 0 && self.begin[around] > start {
            reach = reach.max(self.end[around]);
            around = self.parent[around];
        }
        reach
    }
}

/// Where a register is written and read, in ascending order.
#[derive(Clone, Default)]
struct Life {
    writes: Positions,
    reads: Positions,
}

type Positions = SmallVec<[usize; 2]>;

/// Removes copies. With `split`, results of a contraction keep theirs, so that they need not stay where the loop had them.
pub(super) fn coalesce(listing: &mut Listing, split: bool) {
    let loops = Loops::of(&listing.items);
    let mut lives = vec![Life::default(); listing.registers.len()];
    let mut moves = Vec::new();
    for (position, item) in listing.items.iter().enumerate() {
        item.reads(|v| lives[v.index()].reads.push(position));
        if let Some(v) = item.written() {
            lives[v.index()].writes.push(position);
        }
        if let Item::Move { dst, src } = *item
            && listing.data(src).constant.is_none()
        {
            moves.push((position, dst, src));
        }
    }
    let mut names: Vec<V> = (0..listing.registers.len()).map(|i| V(i as u32)).collect();
    let mut removed = vec![false; listing.items.len()];

    // dst = variable: dst can be the variable itself while nothing else is put into it.
    moves.retain(|&(position, dst, src)| {
        let kept = split && listing.data(src).accumulator && loops.of[position] == 0;
        let (copy, variable) = (&lives[dst.index()], &lives[src.index()]);
        let end =
            copy.reads.iter().map(|&used| loops.reach(position, used)).max().unwrap_or(position);
        let unchanged = !variable.writes.iter().any(|&write| position < write && write < end);
        if kept || copy.writes.len() != 1 || !unchanged {
            return true;
        }
        let reads = std::mem::take(&mut lives[dst.index()].reads);
        merge(&mut lives[src.index()].reads, reads, position);
        names[dst.index()] = src;
        removed[position] = true;
        false
    });

    // variable = src: src can be computed right into the variable if that is not read any more.
    for (position, variable, src) in moves {
        let src = names[src.index()];
        let (value, life) = (&lives[src.index()], &lives[variable.index()]);
        let [made] = value.writes[..] else { continue };
        let between = |&p: &usize| made < p && p < position;
        if variable == src
            || value.reads.last() != Some(&position)
            || loops.of[made] != loops.of[position]
            || life.writes.iter().any(between)
            || life.reads.iter().any(between)
        {
            continue;
        }
        let reads = std::mem::take(&mut lives[src.index()].reads);
        let life = &mut lives[variable.index()];
        merge(&mut life.reads, reads, position);
        life.writes.retain(|&mut write| write != position);
        life.writes.push(made);
        life.writes.sort_unstable();
        names[src.index()] = variable;
        removed[position] = true;
    }

    let name = |mut v: V| {
        while names[v.index()] != v {
            v = names[v.index()];
        }
        v
    };
    let mut position = 0;
    listing.items.retain_mut(|item| {
        item.rename(name);
        position += 1;
        !removed[position - 1]
    });
}

/// All of both but the copy at `position`.
fn merge(into: &mut Positions, reads: Positions, position: usize) {
    into.extend(reads);
    into.retain(|&mut read| read != position);
    into.sort_unstable();
}
