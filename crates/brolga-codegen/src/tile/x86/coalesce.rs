//! Removal of unnecessary copies: from a variable that keeps its value long enough, and to a
//! variable from a value that is computed for it.

use smallvec::SmallVec;

use super::inst::{Item, Listing, V};

/// The loops of a listing.
pub(super) struct Loops {
    /// The index of the loop around each item; the first loop is the whole listing.
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

    /// The end of the life of a register that is written at `start` and used at `used`: a loop in
    /// between may repeat the use.
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

/// The positions at which a register is written and read, ascending.
#[derive(Clone, Default)]
struct Life {
    writes: Positions,
    reads: Positions,
}

type Positions = SmallVec<[usize; 2]>;

/// Removes copies. With `split`, results of a contraction keep theirs, so that they need not stay
/// in the registers of the loop.
pub(super) fn coalesce(listing: &mut Listing, split: bool) {
    let (lives, mut copies) = lives(listing);
    let mut pass = Coalesce {
        loops: Loops::of(&listing.items),
        lives,
        names: (0..listing.registers.len()).map(|i| V(i as u32)).collect(),
        removed: vec![false; listing.items.len()],
    };
    copies.retain(|copy| {
        let is_kept =
            split && listing.data(copy.src).accumulator && pass.loops.of[copy.position] == 0;
        is_kept || !pass.read(copy)
    });
    copies.iter().for_each(|copy| pass.write(copy));
    pass.rename(listing);
}

/// An item that copies a register.
struct Copy {
    position: usize,
    dst: V,
    src: V,
}

/// The life of each register, and the copies of registers that are no constants.
fn lives(listing: &Listing) -> (Vec<Life>, Vec<Copy>) {
    let mut lives = vec![Life::default(); listing.registers.len()];
    let mut copies = Vec::new();
    for (position, item) in listing.items.iter().enumerate() {
        item.reads(|v| lives[v.index()].reads.push(position));
        if let Some(v) = item.written() {
            lives[v.index()].writes.push(position);
        }
        if let Item::Move { dst, src } = *item
            && listing.data(src).constant.is_none()
        {
            copies.push(Copy { position, dst, src });
        }
    }
    (lives, copies)
}

struct Coalesce {
    loops: Loops,
    lives: Vec<Life>,
    /// The present name of each register.
    names: Vec<V>,
    /// The items that are removed.
    removed: Vec<bool>,
}

impl Coalesce {
    /// `dst = variable`: `dst` becomes the variable itself if that is not set while `dst` lives.
    /// Returns whether it does.
    fn read(&mut self, &Copy { position, dst, src }: &Copy) -> bool {
        let (copy, variable) = (&self.lives[dst.index()], &self.lives[src.index()]);
        let end = copy.reads.iter().map(|&used| self.loops.reach(position, used)).max();
        let end = end.unwrap_or(position);
        let changes = variable.writes.iter().any(|&write| position < write && write < end);
        if copy.writes.len() != 1 || changes {
            return false;
        }
        let reads = std::mem::take(&mut self.lives[dst.index()].reads);
        merge(&mut self.lives[src.index()].reads, reads, position);
        self.names[dst.index()] = src;
        self.removed[position] = true;
        true
    }

    /// `variable = src`: `src` is computed in the variable itself if that is not read while `src`
    /// lives.
    fn write(&mut self, &Copy { position, dst: variable, src }: &Copy) {
        let src = self.names[src.index()];
        let (value, life) = (&self.lives[src.index()], &self.lives[variable.index()]);
        let [made] = value.writes[..] else { return };
        let between = |&p: &usize| made < p && p < position;
        if variable == src
            || value.reads.last() != Some(&position)
            || self.loops.of[made] != self.loops.of[position]
            || life.writes.iter().any(between)
            || life.reads.iter().any(between)
        {
            return;
        }
        let reads = std::mem::take(&mut self.lives[src.index()].reads);
        let life = &mut self.lives[variable.index()];
        merge(&mut life.reads, reads, position);
        life.writes.retain(|&mut write| write != position);
        life.writes.push(made);
        life.writes.sort_unstable();
        self.names[src.index()] = variable;
        self.removed[position] = true;
    }

    /// Removes the copies from the listing, and renames registers.
    fn rename(&self, listing: &mut Listing) {
        let name = |mut v: V| {
            while self.names[v.index()] != v {
                v = self.names[v.index()];
            }
            v
        };
        let mut position = 0;
        listing.items.retain_mut(|item| {
            item.rename(name);
            position += 1;
            !self.removed[position - 1]
        });
    }
}

/// The union of both without the copy at `position`.
fn merge(into: &mut Positions, reads: Positions, position: usize) {
    into.extend(reads);
    into.retain(|&mut read| read != position);
    into.sort_unstable();
}
