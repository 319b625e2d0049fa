//! Register allocation: a linear scan of live ranges over the structured program.
//!
//! Virtual registers that do not fit are spilled to the stack, the least used first; constants are
//! read from after the code instead. The accumulators of a contraction and the registers of its
//! loops have to fit.

use smallvec::SmallVec;

use super::Isa;
use super::coalesce::Loops;
use super::inst::{Class, First, Inst, Item, Listing, Operand, V, VData};

/// The location of a virtual register's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Assignment {
    /// It is used nowhere.
    Nowhere,
    /// The register with this number.
    Register(u8),
    /// A constant after the code.
    Constant,
    /// The slot of this index on the stack.
    Slot(u32),
}

/// Code with its registers.
pub(super) struct Allocated {
    pub(super) items: Vec<Item>,
    pub(super) registers: Vec<VData>,
    pub(super) assignments: Vec<Assignment>,
    /// Vectors on the stack.
    pub(super) slots: u32,
}

/// The most attempts. Each spills the registers that did not fit in the one before.
const ATTEMPTS: usize = 24;

pub(super) fn allocate(isa: Isa, mut listing: Listing) -> Result<Allocated, &'static str> {
    let constants = loop_constants(&listing);
    let mut in_memory: Vec<bool> =
        listing.registers.iter().map(|data| data.constant.is_some()).collect();
    constants.iter().for_each(|v| in_memory[v.index()] = false);
    let contracts = listing.registers.iter().any(|data| data.accumulator);
    let own = listing.registers.len();
    for _ in 0..ATTEMPTS {
        listing.registers.truncate(own);
        let (registers, items) = rewrite(&listing, &constants, &in_memory);
        let loops = Loops::of(&items);
        let (lives, order) = lives(&items, &loops, registers.len());
        let scan = Scan::new(isa, &registers, &lives, own, &in_memory);
        match scan.run(&items, &order)? {
            Outcome::Fits(mut assignments) => {
                let slots = assign_memory(&mut assignments, &registers, &in_memory);
                return Ok(Allocated { items, registers, assignments, slots });
            }
            Outcome::Spilled(victims) => {
                for v in victims {
                    let in_loop = lives[v.index()].is_some_and(|life| life.in_loop);
                    if contracts && in_loop && registers[v.index()].constant.is_none() {
                        return Err(
                            "a contraction does not fit the registers; `contraction_shape` gives tiles that do",
                        );
                    }
                    in_memory[v.index()] = true;
                }
            }
        }
    }
    Err("the registers do not suffice")
}

/// The constants that loops read. They are loaded into registers at the beginning if there are
/// enough; others are read from memory.
fn loop_constants(listing: &Listing) -> Vec<V> {
    let loops = Loops::of(&listing.items);
    let mut hoisted = vec![false; listing.registers.len()];
    for (position, item) in listing.items.iter().enumerate() {
        if loops.of[position] != 0 {
            item.reads(|v| hoisted[v.index()] |= listing.data(v).constant.is_some());
        }
    }
    (0..hoisted.len()).filter(|&i| hoisted[i]).map(|i| V(i as u32)).collect()
}

/// The listing with loads and stores of spilled registers, and with the constants at its beginning.
fn rewrite(listing: &Listing, constants: &[V], in_memory: &[bool]) -> (Vec<VData>, Vec<Item>) {
    let mut rewritten = Rewrite {
        registers: listing.registers.clone(),
        in_memory,
        items: Vec::with_capacity(listing.items.len() + constants.len()),
    };
    for &v in constants.iter().filter(|v| !in_memory[v.index()]) {
        rewritten.items.push(Item::Constant { dst: v, of: v });
    }
    listing.items.iter().for_each(|item| rewritten.item(item));
    (rewritten.registers, rewritten.items)
}

/// Assigns registers in memory to constants and to slots of the stack, and returns the number of
/// slots.
fn assign_memory(assignments: &mut [Assignment], registers: &[VData], in_memory: &[bool]) -> u32 {
    let mut slots = 0;
    for (v, _) in in_memory.iter().enumerate().filter(|(_, in_memory)| **in_memory) {
        assignments[v] = match registers[v].constant {
            Some(_) => Assignment::Constant,
            None => {
                slots += 1;
                Assignment::Slot(slots - 1)
            }
        };
    }
    slots
}

/// Inserts loads and stores around the items whose registers are in memory.
struct Rewrite<'a> {
    registers: Vec<VData>,
    in_memory: &'a [bool],
    items: Vec<Item>,
}

impl Rewrite<'_> {
    fn is_in_memory(&self, v: V) -> bool {
        self.in_memory.get(v.index()).copied().unwrap_or(false)
    }

    fn temporary(&mut self, v: V) -> V {
        let class = self.registers[v.index()].class;
        self.registers.push(VData { class, constant: None, accumulator: false });
        V((self.registers.len() - 1) as u32)
    }

    fn load(&mut self, v: V) -> V {
        let dst = self.temporary(v);
        self.items.push(if self.registers[v.index()].constant.is_some() {
            Item::Constant { dst, of: v }
        } else {
            Item::Move { dst, src: v }
        });
        dst
    }

    fn item(&mut self, item: &Item) {
        let mut item = item.clone();
        let stored = match &mut item {
            Item::Inst(inst) => self.inst(inst),
            Item::Fma { dst, factors: [x, y], term, .. } => {
                self.fma_operands([x, y, term]);
                self.result(dst)
            }
            Item::Move { dst, src } => {
                if self.is_in_memory(*dst) && self.is_in_memory(*src) {
                    *src = self.load(*src);
                }
                None
            }
            Item::PackedOut { src, .. } => {
                if self.is_in_memory(*src) {
                    *src = self.load(*src);
                }
                None
            }
            Item::Constant { dst, .. }
            | Item::Rest { dst, .. }
            | Item::Splat { dst, .. }
            | Item::Byte { dst, .. }
            | Item::PackedIn { dst, .. } => self.result(dst),
            Item::Step { .. } | Item::Begin(_) | Item::End | Item::Mark(_) => None,
        };
        self.items.push(item);
        if let Some(Stored { to, from }) = stored {
            self.items.push(Item::Move { dst: to, src: from });
        }
    }

    /// A temporary register for a result in memory.
    fn result(&mut self, dst: &mut V) -> Option<Stored> {
        if !self.is_in_memory(*dst) {
            return None;
        }
        let from = self.temporary(*dst);
        Some(Stored { to: std::mem::replace(dst, from), from })
    }

    /// Temporary registers for the operands of an instruction.
    fn inst(&mut self, inst: &mut Inst) -> Option<Stored> {
        let mut stored = None;
        let mut loaded: SmallVec<[(V, V); 2]> = SmallVec::new();
        for (index, operand) in inst.operands.iter_mut().enumerate() {
            let Operand::Reg(v, _) = operand else { continue };
            if !self.is_in_memory(*v) {
                continue;
            }
            let own = *v;
            let known = loaded.iter().find(|(of, _)| *of == own).map(|&(_, tmp)| tmp);
            *v = match known {
                Some(tmp) => tmp,
                None if index == 0 && inst.first == First::Written => self.temporary(own),
                None => self.load(own),
            };
            if index == 0 && inst.first != First::Read {
                stored = Some(Stored { to: own, from: *v });
            } else {
                loaded.push((own, *v));
            }
        }
        if let Some((mask, _)) = &mut inst.mask
            && self.is_in_memory(*mask)
        {
            *mask = self.load(*mask);
        }
        stored
    }

    /// Temporary registers for the operands of a multiply-add, of which one may be in memory, once.
    fn fma_operands(&mut self, mut operands: [&mut V; 3]) {
        let mut memory: Option<V> = None;
        for index in 0..operands.len() {
            let v = *operands[index];
            if !self.is_in_memory(v) {
                continue;
            }
            let is_single = operands.iter().filter(|other| ***other == v).count() == 1;
            if memory.is_none() && is_single {
                memory = Some(v);
            } else if memory != Some(v) {
                let tmp = self.load(v);
                operands.iter_mut().filter(|other| ***other == v).for_each(|v| **v = tmp);
            }
        }
    }
}

/// A result that is stored after its item.
struct Stored {
    to: V,
    from: V,
}

/// A live range: from the first write to the last use, extended to the ends of loops that repeat
/// the use.
#[derive(Debug, Clone, Copy)]
struct Life {
    start: usize,
    end: usize,
    /// The number of its uses, a loop counting eight times.
    weight: u64,
    in_loop: bool,
}

/// The lives of registers, and the registers in the order of their first writes.
fn lives(items: &[Item], loops: &Loops, registers: usize) -> (Vec<Option<Life>>, Vec<Option<V>>) {
    let mut lives: Vec<Option<Life>> = vec![None; registers];
    let mut order = vec![None; items.len()];
    for (position, item) in items.iter().enumerate() {
        let depth = loops.depth[loops.of[position]];
        let weight = 8_u64.saturating_pow(depth);
        let mut touch = |v: V, writes: bool| {
            let life = &mut lives[v.index()];
            match life {
                Some(life) => {
                    life.end = life.end.max(loops.reach(life.start, position));
                    life.weight = life.weight.saturating_add(weight);
                    life.in_loop |= depth > 0;
                }
                None if writes => {
                    *life =
                        Some(Life { start: position, end: position, weight, in_loop: depth > 0 });
                    order[position] = Some(v);
                }
                None => {}
            }
        };
        item.reads(|v| touch(v, false));
        if let Some(v) = item.written() {
            touch(v, true);
        }
    }
    (lives, order)
}

enum Outcome {
    Fits(Vec<Assignment>),
    /// The registers that have to be spilled.
    Spilled(Vec<V>),
}

struct Scan<'a> {
    registers: &'a [VData],
    lives: &'a [Option<Life>],
    /// Virtual registers of the program; those after them are temporary.
    own: usize,
    in_memory: &'a [bool],
    assignments: Vec<Assignment>,
    /// The virtual registers that have registers now.
    active: Vec<V>,
    /// Free registers, a bit each.
    vectors: u32,
    masks: u32,
    spilled: Vec<V>,
}

impl<'a> Scan<'a> {
    fn new(
        isa: Isa,
        registers: &'a [VData],
        lives: &'a [Option<Life>],
        own: usize,
        in_memory: &'a [bool],
    ) -> Self {
        Self {
            registers,
            lives,
            own,
            in_memory,
            assignments: vec![Assignment::Nowhere; registers.len()],
            active: Vec::new(),
            vectors: u32::MAX >> (32 - isa.registers()),
            // k0 means no mask.
            masks: 0b1111_1110,
            spilled: Vec::new(),
        }
    }

    fn run(mut self, items: &[Item], order: &[Option<V>]) -> Result<Outcome, &'static str> {
        for (position, item) in items.iter().enumerate() {
            let Some(v) = order[position] else { continue };
            // The item reads before it writes, so that a life that ends here frees its register for
            // the result.
            let mut active = std::mem::take(&mut self.active);
            active.retain(|&other| {
                let ends = self.life(other).end <= position;
                if ends && let Assignment::Register(register) = self.assignments[other.index()] {
                    *self.free(self.registers[other.index()].class) |= 1 << register;
                }
                !ends
            });
            self.active = active;
            if !self.in_memory.get(v.index()).copied().unwrap_or(false) {
                self.give(v, item)?;
            }
        }
        if self.spilled.is_empty() {
            Ok(Outcome::Fits(self.assignments))
        } else {
            Ok(Outcome::Spilled(self.spilled))
        }
    }

    fn life(&self, v: V) -> Life {
        self.lives[v.index()].unwrap_or(Life { start: 0, end: 0, weight: 0, in_loop: false })
    }

    fn free(&mut self, class: Class) -> &mut u32 {
        match class {
            Class::Vector => &mut self.vectors,
            Class::Mask => &mut self.masks,
        }
    }

    fn give(&mut self, v: V, item: &Item) -> Result<(), &'static str> {
        let class = self.registers[v.index()].class;
        let free = *self.free(class);
        let register = match self.wanted(item, free) {
            Some(register) => register,
            None if free != 0 => free.trailing_zeros() as u8,
            None => {
                let candidates = self.active.iter().copied().chain([v]).filter(|&v| {
                    let data = &self.registers[v.index()];
                    v.index() < self.own && !data.accumulator && data.class == class
                });
                let victim = candidates
                    .min_by_key(|&v| {
                        let life = self.life(v);
                        // A constant needs no store.
                        let computed = self.registers[v.index()].constant.is_none();
                        (computed, life.weight, usize::MAX - life.end)
                    })
                    .ok_or("more is live at once than there are registers")?;
                self.spilled.push(victim);
                if victim == v {
                    return Ok(());
                }
                self.active.retain(|&other| other != victim);
                let Assignment::Register(register) = self.assignments[victim.index()] else {
                    return Err("an active value has no register");
                };
                *self.free(class) |= 1 << register;
                register
            }
        };
        *self.free(class) &= !(1 << register);
        self.assignments[v.index()] = Assignment::Register(register);
        self.active.push(v);
        Ok(())
    }

    /// A register that makes a copy unnecessary, if it is free.
    fn wanted(&self, item: &Item, free: u32) -> Option<u8> {
        let of = |v: V| match self.assignments[v.index()] {
            Assignment::Register(register) if free & 1 << register != 0 => Some(register),
            _ => None,
        };
        match item {
            Item::Fma { factors, term, .. } => {
                of(*term).or_else(|| of(factors[0])).or_else(|| of(factors[1]))
            }
            Item::Move { src, .. } => of(*src),
            _ => None,
        }
    }
}
