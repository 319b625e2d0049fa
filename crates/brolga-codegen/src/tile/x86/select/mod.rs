//! From a tile program to machine instructions with virtual registers.
//!
//! With two registers for a logical vector, runs of lane-wise statements are written part by part,
//! so that a long chain keeps its intermediate values in few registers, or statement by statement,
//! so that values that both parts use have short lives. Values that are the same in all lanes are
//! computed once.

mod contraction;
mod lanes;
mod memory;
mod packed;

use iced_x86::Code;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::Isa;
use super::inst::{
    Class, Constant, First, Inst, Item, Listing, Mem, Operand, PackedSize, V, VData, Width,
};
use crate::tile::demand::{Demand, lanes_of};
use crate::tile::program::{
    Address, Binary, Element, Extent, Kind, LANES, Op, Stmt, TileProgram, Value, Var,
};

/// The order in which runs of lane-wise statements are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// All statements of a part, then those of the next.
    PartByPart,
    /// All parts of a statement, then those of the next.
    StatementByStatement,
}

/// Registers of one value or variable, by part.
type Parts = [Option<V>; 2];

pub(super) fn select(isa: Isa, program: &TileProgram, order: Order, text: bool) -> Listing {
    let mut select = Select {
        isa,
        order,
        program,
        demand: Demand::of(program, isa.parts()),
        listing: Listing::default(),
        values: vec![Parts::default(); program.values.len()],
        uniform: vec![false; program.values.len()],
        vars: vec![Parts::default(); program.vars.len()],
        constants: FxHashMap::default(),
        rests: FxHashMap::default(),
        compared: FxHashMap::default(),
        uses: Uses::of(program),
        numbers: FxHashMap::default(),
    };
    if text {
        for (number, stmt) in (0..).zip(program.statements()) {
            select.numbers.insert(std::ptr::from_ref(stmt), number);
        }
    }
    select.mark_accumulators(&program.body);
    select.block(&program.body);
    select.listing
}

/// The uses of values.
struct Uses {
    /// The number of uses of each value.
    counts: Vec<u32>,
    /// The operands of the only selection by each mask, if there is one.
    choices: FxHashMap<Value, (Value, Value)>,
}

impl Uses {
    fn of(program: &TileProgram) -> Self {
        let mut uses =
            Self { counts: vec![0; program.values.len()], choices: FxHashMap::default() };
        uses.block(&program.body);
        uses
    }

    fn block(&mut self, block: &[Stmt]) {
        for stmt in block {
            match stmt {
                Stmt::Let(_, op) => {
                    op.operands().for_each(|v| self.counts[v.0 as usize] += 1);
                    if let Op::Select(mask, x, y) = *op {
                        self.choices.insert(mask, (x, y));
                    }
                }
                Stmt::Set(_, value) | Stmt::Store { value, .. } => {
                    self.counts[value.0 as usize] += 1;
                }
                Stmt::StoreTransposed { values, .. } => {
                    values.iter().for_each(|v| self.counts[v.0 as usize] += 1);
                }
                Stmt::Loop { body, .. } => self.block(body),
                Stmt::Prefetch(_) | Stmt::Step { .. } | Stmt::Rank1(_) => {}
            }
        }
    }

    /// Whether the only use of a comparison `x < y` is a selection between its own operands: a
    /// minimum or a maximum.
    fn is_choice(&self, mask: Value, x: Value, y: Value) -> bool {
        self.counts[mask.0 as usize] == 1
            && self.choices.get(&mask).is_some_and(|&chosen| chosen == (x, y) || chosen == (y, x))
    }
}

struct Select<'a> {
    isa: Isa,
    order: Order,
    program: &'a TileProgram,
    demand: Demand,
    listing: Listing,
    values: Vec<Parts>,
    /// Values whose parts are one register.
    uniform: Vec<bool>,
    vars: Vec<Parts>,
    constants: FxHashMap<(Class, Constant), V>,
    /// Masks of what a count leaves over, known in the current block.
    rests: FxHashMap<(Extent, usize), V>,
    /// Comparisons that are part of a minimum or maximum and have no instruction of their own.
    compared: FxHashMap<Value, (Value, Value)>,
    uses: Uses,
    /// The numbers of statements in the order of the text, if they are marked.
    numbers: FxHashMap<*const Stmt, u32>,
}

impl Select<'_> {
    fn block(&mut self, mut block: &[Stmt]) {
        while let [first, rest @ ..] = block {
            let mut stored = false;
            let run = block
                .iter()
                .take_while(|stmt| {
                    let ends = !self.is_lane_wise(stmt) || stored && is_load(stmt);
                    stored |= stmt.is_store();
                    !ends
                })
                .count();
            if run == 0 {
                self.whole(first);
                block = rest;
            } else {
                let (run, rest) = block.split_at(run);
                let parts = self.isa.parts();
                match self.order {
                    Order::PartByPart => (0..parts)
                        .for_each(|part| run.iter().for_each(|stmt| self.lane_wise(stmt, part))),
                    Order::StatementByStatement => run
                        .iter()
                        .for_each(|stmt| (0..parts).for_each(|part| self.lane_wise(stmt, part))),
                }
                block = rest;
            }
        }
    }

    /// Whether the parts of the statement are independent of each other.
    fn is_lane_wise(&self, stmt: &Stmt) -> bool {
        let packed = |element: Element, extent: Extent| {
            self.isa == Isa::Avx2 && element.size() < 4 && matches!(extent, Extent::Rest(_))
        };
        match *stmt {
            Stmt::Let(_, Op::Reduce(..)) => false,
            Stmt::Let(_, Op::Load(element, _, extent)) | Stmt::Store { element, extent, .. } => {
                !packed(element, extent)
            }
            Stmt::Let(..) | Stmt::Set(..) | Stmt::StoreTransposed { .. } => true,
            Stmt::Prefetch(_) | Stmt::Step { .. } | Stmt::Rank1(_) | Stmt::Loop { .. } => false,
        }
    }

    /// Marks what follows as that of a statement.
    fn mark(&mut self, stmt: &Stmt) {
        if let Some(&number) = self.numbers.get(&std::ptr::from_ref(stmt)) {
            self.listing.items.push(Item::Mark(number));
        }
    }

    fn lane_wise(&mut self, stmt: &Stmt, part: usize) {
        self.mark(stmt);
        match *stmt {
            Stmt::Let(value, op) => {
                let index = value.0 as usize;
                if self.demand.values[index] & 1 << part != 0 && self.values[index][part].is_none()
                {
                    self.define(value, op, part);
                }
            }
            Stmt::Set(var, value) if self.demand.vars[var.0 as usize] & 1 << part != 0 => {
                let src = self.value(value, part);
                let dst = self.var(var, part);
                self.listing.items.push(Item::Move { dst, src });
            }
            Stmt::Store { element, address, extent, value }
                if lanes_of(extent, part, self.isa.parts()) > 0 =>
            {
                let value = self.value(value, part);
                self.store(element, address, extent, part, value);
            }
            Stmt::StoreTransposed { address, step, values } => {
                let rows = values.map(|value| self.value(value, part));
                self.store_transposed(address, step, part, rows);
            }
            _ => {}
        }
    }

    fn define(&mut self, value: Value, op: Op, part: usize) {
        let result = match op {
            Op::Load(element, address, extent) => self.load(element, address, extent, part),
            Op::Broadcast(element, address) => self.broadcast(element, address),
            Op::Splat(count) => {
                let dst = self.vector();
                self.listing.items.push(Item::Splat { dst, count });
                dst
            }
            Op::Iota => self.lane_numbers(part),
            Op::FirstLanes(extent) => self.first_lanes(extent, part),
            Op::Get(var) => {
                let src = self.var(var, part);
                let dst = self.listing.fresh(self.listing.data(src).class);
                self.listing.items.push(Item::Move { dst, src });
                dst
            }
            Op::RoundTo(element, a) => {
                let a = self.value(a, part);
                self.round_to(element, a)
            }
            Op::Unary(op, a) => {
                let a = self.value(a, part);
                self.unary(op, a)
            }
            Op::Binary(Binary::Lt, x, y) if self.uses.is_choice(value, x, y) => {
                self.compared.insert(value, (x, y));
                return;
            }
            Op::Binary(op, x, y) => {
                let (x, y) = (self.value(x, part), self.value(y, part));
                self.binary(op, x, y)
            }
            Op::Shift(op, a, bits) => {
                let a = self.value(a, part);
                self.shift(op, a, bits)
            }
            Op::Fma(x, y, z) => {
                let factors = [self.value(x, part), self.value(y, part)];
                let term = self.value(z, part);
                let (dst, width) = (self.vector(), self.full());
                self.listing.items.push(Item::Fma { dst, factors, term, width });
                dst
            }
            Op::Select(mask, x, y) => self.select(mask, x, y, part),
            Op::Reduce(reduction, a) => {
                let parts: SmallVec<[V; 2]> =
                    (0..self.isa.parts()).map(|part| self.value(a, part)).collect();
                self.reduce(reduction, &parts)
            }
        };
        let uniform = op.is_uniform(|operand| self.is_uniform(operand));
        let index = value.0 as usize;
        self.uniform[index] = uniform;
        if uniform {
            self.values[index] = [Some(result); 2];
        } else {
            self.values[index][part] = Some(result);
        }
    }

    /// `x` where the mask is true, `y` elsewhere; a minimum or maximum if the mask compares them.
    fn select(&mut self, mask: Value, x: Value, y: Value, part: usize) -> V {
        match self.compared.get(&mask) {
            Some(&(p, q)) => self.choice((p, q), (x, y), part),
            None => {
                let mask = self.value(mask, part);
                let (x, y) = (self.value(x, part), self.value(y, part));
                self.choose(mask, x, y)
            }
        }
    }

    fn is_uniform(&self, value: Value) -> bool {
        let index = value.0 as usize;
        self.program.values[index].constant.is_some()
            || self.uniform[index]
            || self
                .compared
                .get(&value)
                .is_some_and(|&(p, q)| self.is_uniform(p) && self.is_uniform(q))
    }

    /// A statement that is written for all parts at once.
    fn whole(&mut self, stmt: &Stmt) {
        self.mark(stmt);
        match stmt {
            Stmt::Let(value, Op::Load(element, address, Extent::Rest(count))) => {
                let (dst, size) = (self.vector(), PackedSize::of(*element));
                let mem = self.mem(*address);
                self.listing.items.push(Item::PackedIn { dst, mem, count: *count, size });
                for part in 0..self.isa.parts() {
                    let wide = self.unpack_part(*element, dst, part);
                    self.values[value.0 as usize][part] = Some(wide);
                }
            }
            Stmt::Let(value, op) => {
                if self.demand.values[value.0 as usize] != 0 {
                    self.define(*value, *op, 0);
                }
            }
            Stmt::Store { element, address, extent: Extent::Rest(count), value } => {
                let parts = [self.value(*value, 0), self.value(*value, 1)];
                let (src, size) = (self.pack_vector(*element, parts), PackedSize::of(*element));
                let mem = self.mem(*address);
                self.listing.items.push(Item::PackedOut { src, mem, count: *count, size });
            }
            Stmt::Prefetch(address) => {
                let mem = Operand::Mem(self.mem(*address));
                self.push(Code::Prefetcht0_m8, First::Read, &[mem]);
            }
            Stmt::Step { pointer, bytes, trips } => {
                self.listing.items.push(Item::Step {
                    pointer: *pointer,
                    bytes: *bytes,
                    trips: *trips,
                });
            }
            Stmt::Rank1(rank1) => self.rank1(rank1),
            Stmt::Loop { trips, body } => {
                self.listing.items.push(Item::Begin(*trips));
                // Values of a block are unknown after it, since the block may not have run.
                let rests = self.rests.clone();
                self.block(body);
                self.rests = rests;
                self.listing.items.push(Item::End);
            }
            Stmt::Set(..) | Stmt::Store { .. } | Stmt::StoreTransposed { .. } => {}
        }
    }

    fn full(&self) -> Width {
        match self.isa {
            Isa::Avx2 => Width::Y,
            Isa::Avx512 => Width::Z,
        }
    }

    fn vector(&mut self) -> V {
        self.listing.fresh(Class::Vector)
    }

    /// A register for truth values.
    fn mask(&mut self) -> V {
        self.listing.fresh(self.mask_class())
    }

    fn mask_class(&self) -> Class {
        match self.isa {
            Isa::Avx2 => Class::Vector,
            Isa::Avx512 => Class::Mask,
        }
    }

    fn var(&mut self, var: Var, part: usize) -> V {
        let index = var.0 as usize;
        if let Some(v) = self.vars[index][part] {
            return v;
        }
        let v = match self.program.vars[index] {
            Kind::Mask => self.mask(),
            Kind::Float | Kind::Int => self.vector(),
        };
        self.vars[index][part] = Some(v);
        v
    }

    fn value(&mut self, value: Value, part: usize) -> V {
        let index = value.0 as usize;
        if let Some(v) = self.values[index][part] {
            return v;
        }
        use crate::tile::program::Constant as Number;
        let constant = self.program.values[index].constant;
        match constant.expect("validation: a value is defined before its use") {
            Number::Float(bits) => self.word(bits),
            Number::Int(int) => self.word(int.cast_unsigned()),
            Number::Mask(truth) => self.lane_mask(if truth { LANES } else { 0 }, 0),
        }
    }

    fn constant(&mut self, class: Class, constant: Constant) -> V {
        let key = (class, constant);
        if let Some(&v) = self.constants.get(&key) {
            return v;
        }
        let v = self.listing.add(VData { class, constant: Some(constant), accumulator: false });
        self.constants.insert(key, v);
        v
    }

    /// The same word in all lanes.
    fn word(&mut self, word: u32) -> V {
        self.constant(Class::Vector, Constant::Word(word))
    }

    /// A word for each lane of a register.
    fn words(&mut self, word: impl Fn(usize) -> u32) -> V {
        let width = self.isa.width();
        let words: [u32; 16] =
            std::array::from_fn(|lane| if lane < width { word(lane) } else { 0 });
        if words[..width].iter().all(|word| *word == words[0]) {
            return self.word(words[0]);
        }
        self.constant(Class::Vector, Constant::Words(words))
    }

    fn lane_numbers(&mut self, part: usize) -> V {
        let first = part * self.isa.width();
        self.words(|lane| (first + lane) as u32)
    }

    /// True in the first `lanes` lanes of a logical vector.
    fn lane_mask(&mut self, lanes: usize, part: usize) -> V {
        match self.isa {
            Isa::Avx2 => {
                let first = part * self.isa.width();
                self.words(|lane| if first + lane < lanes { u32::MAX } else { 0 })
            }
            Isa::Avx512 => {
                let bits = u16::MAX.checked_shr((LANES - lanes) as u32).unwrap_or(0);
                self.constant(Class::Mask, Constant::Mask(bits))
            }
        }
    }

    fn first_lanes(&mut self, extent: Extent, part: usize) -> V {
        match extent {
            Extent::Full => self.lane_mask(LANES, part),
            Extent::First(lanes) => self.lane_mask(lanes.into(), part),
            Extent::Rest(count) => {
                if let Some(&v) = self.rests.get(&(extent, part)) {
                    return v;
                }
                let dst = self.mask();
                self.listing.items.push(Item::Rest { dst, count, part });
                self.rests.insert((extent, part), dst);
                dst
            }
        }
    }

    fn mem(&self, address: Address) -> Mem {
        // Validation: the offset is within reach.
        Mem { pointer: address.pointer, offset: address.offset as i32, broadcast: false }
    }

    /// The address of a part's first element.
    fn part_mem(&self, element: Element, address: Address, part: usize) -> Mem {
        self.mem(address.plus((part * self.isa.width() * element.size()) as i64))
    }

    fn push(&mut self, code: Code, first: First, operands: &[Operand]) {
        let operands = SmallVec::from_slice(operands);
        self.listing.items.push(Item::Inst(Inst { code, operands, first, mask: None }));
    }

    fn push_masked(
        &mut self,
        code: Code,
        first: First,
        operands: &[Operand],
        mask: V,
        zeroing: bool,
    ) {
        let operands = SmallVec::from_slice(operands);
        let mask = Some((mask, zeroing));
        self.listing.items.push(Item::Inst(Inst { code, operands, first, mask }));
    }

    /// An instruction with a new result of full width.
    fn make(&mut self, code: Code, sources: &[Operand]) -> V {
        let (dst, width) = (self.vector(), self.full());
        self.make_into(code, dst, width, sources);
        dst
    }

    /// An instruction with a new result of this width.
    fn make_at(&mut self, code: Code, width: Width, sources: &[Operand]) -> V {
        let dst = self.vector();
        self.make_into(code, dst, width, sources);
        dst
    }

    fn make_into(&mut self, code: Code, dst: V, width: Width, sources: &[Operand]) {
        let mut operands: SmallVec<[Operand; 4]> = SmallVec::new();
        operands.push(Operand::Reg(dst, width));
        operands.extend_from_slice(sources);
        self.push(code, First::Written, &operands);
    }

    /// Whether it is a constant with the same word in all lanes.
    fn is_word(&self, v: V) -> bool {
        matches!(self.listing.data(v).constant, Some(Constant::Word(_)))
    }

    fn is_constant(&self, v: V) -> bool {
        self.listing.data(v).constant.is_some()
    }
}

fn is_load(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Let(_, Op::Load(..) | Op::Broadcast(..)))
}
