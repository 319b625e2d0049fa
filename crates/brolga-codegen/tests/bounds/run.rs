//! The bytes that a stage touches, found by executing it.

use std::collections::HashMap;

use brolga_codegen::kernel::Access;
use brolga_codegen::lower::Stage;
use brolga_codegen::nest::{Affine, Arg, Base, Nest, Room, Step};
use brolga_codegen::tile::{
    Address, Element, Extent, Op, ParamKind, Pointer, Stmt, TileProgram, Trips,
};

use crate::kernels::nest;

/// Bytes from `low` up to `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

impl Span {
    pub(crate) fn join(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// The touched bytes by pointer, element type, and whether they are written.
pub(crate) type Spans<K> = HashMap<(K, Element, bool), Span>;

/// The bytes that a tile touches from its pointers on.
pub(crate) fn tile(program: &TileProgram, args: &[i64]) -> Spans<Pointer> {
    let mut walk = Tile { args, addresses: vec![0; args.len()], touched: Spans::default() };
    walk.block(&program.body);
    walk.touched
}

struct Tile<'a> {
    args: &'a [i64],
    addresses: Vec<i64>,
    touched: Spans<Pointer>,
}

impl Tile<'_> {
    fn block(&mut self, block: &[Stmt]) {
        for stmt in block {
            match stmt {
                Stmt::Let(_, Op::Load(element, at, extent)) => {
                    self.touch(*at, *element, self.lanes(*extent), false);
                }
                Stmt::Let(_, Op::Broadcast(element, at)) => self.touch(*at, *element, 1, false),
                Stmt::Store { element, address, extent, .. } => {
                    self.touch(*address, *element, self.lanes(*extent), true);
                }
                Stmt::StoreTransposed { address, step, .. } => {
                    for lane in 0..16 {
                        self.touch(address.plus(lane * step), Element::F32, 4, true);
                    }
                }
                Stmt::Rank1(rank1) => {
                    for &a in &rank1.a {
                        self.touch(a, Element::F32, 1, false);
                    }
                    let lanes = 16 * (rank1.vectors as i64 - 1) + self.lanes(rank1.extent);
                    self.touch(rank1.b, Element::F32, lanes, false);
                }
                Stmt::Step { pointer, bytes, trips } => {
                    self.addresses[usize::from(pointer.0)] += bytes * self.trips(*trips);
                }
                Stmt::Loop { trips, body } => {
                    (0..self.trips(*trips)).for_each(|_| self.block(body));
                }
                Stmt::Let(..) | Stmt::Set(..) | Stmt::Prefetch(_) => {}
            }
        }
    }

    fn touch(&mut self, address: Address, element: Element, lanes: i64, writes: bool) {
        let low = self.addresses[usize::from(address.pointer.0)] + address.offset;
        let span = Span { low, high: low + lanes * element.size() as i64 };
        if lanes > 0 {
            let key = (address.pointer, element, writes);
            self.touched.entry(key).and_modify(|own| *own = own.join(span)).or_insert(span);
        }
    }

    fn lanes(&self, extent: Extent) -> i64 {
        match extent {
            Extent::Full => 16,
            Extent::First(lanes) => lanes.into(),
            Extent::Rest(count) => self.args[usize::from(count.0)] % 16,
        }
    }

    fn trips(&self, trips: Trips) -> i64 {
        let count = |count: brolga_codegen::tile::Count| self.args[usize::from(count.0)];
        match trips {
            Trips::Const(trips) => trips.into(),
            Trips::Count(n) => count(n),
            Trips::Vectors(n) => count(n) / 16,
            Trips::Tail(n) => i64::from(count(n) % 16 > 0),
        }
    }
}

/// Runs the units of a stage, and calls `visit` with all bytes that each touches; false if a step
/// has no meaning.
pub(crate) fn stage(stage: &Stage, visit: &mut Visit<'_>) -> bool {
    let mut machine = Machine {
        indices: vec![0; nest(stage).indices as usize],
        tiles: HashMap::new(),
        visit,
        has_meaning: true,
    };
    for unit in 0..stage.units {
        machine.indices[Nest::UNIT.0 as usize] = unit as i64;
        machine.steps(&nest(stage).body);
    }
    machine.has_meaning
}

/// A visitor of a unit and the bytes that it touches.
pub(crate) type Visit<'a> = dyn FnMut(i64, (Base, Element, bool), Span) + 'a;

struct Machine<'a, 'b> {
    indices: Vec<i64>,
    tiles: HashMap<(*const TileProgram, Vec<i64>), Spans<Pointer>>,
    visit: &'a mut Visit<'b>,
    has_meaning: bool,
}

impl Machine<'_, '_> {
    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            if self.has_meaning {
                self.step(step);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Loop { index, from, to, body } => {
                for i in self.number(from)..self.number(to) {
                    self.indices[index.0 as usize] = i;
                    self.steps(body);
                }
            }
            Step::Divide { index, number, divisor } => {
                let number = self.number(number);
                self.has_meaning &= number >= 0 && *divisor > 0;
                self.indices[index.0 as usize] = number / divisor.max(&1);
            }
            Step::Read { index, address, element } => {
                let low = self.number(address);
                let span = Span { low, high: low + element.size() as i64 };
                self.touch(address.base, *element, false, span);
                // The element may have any value.
                self.indices[index.0 as usize] = match (low.unsigned_abs() * 7 % 11, element) {
                    (0, Element::I32) => -1,
                    (1, Element::I32) => i32::MIN.into(),
                    (2, Element::I32) => i32::MAX.into(),
                    (3, Element::U8) => 255,
                    (small, _) => small as i64,
                };
            }
            Step::When { number, from, to, then, otherwise } => {
                self.has_meaning &= from <= to;
                let inside = (*from..*to).contains(&self.number(number));
                self.steps(if inside { then } else { otherwise });
            }
            Step::Call { tile, args } => self.call(tile, args),
        }
    }

    fn call(&mut self, program: &TileProgram, args: &[Arg]) {
        let values: Vec<i64> = args
            .iter()
            .map(|arg| match arg {
                Arg::Affine(affine) => self.number(affine),
                Arg::Min(affine, limit) => self.number(affine).min(*limit),
            })
            .collect();
        let kinds = program.params.iter().map(|param| param.kind);
        let counts: Vec<i64> = (values.iter().zip(kinds))
            .map(|(&value, kind)| if kind == ParamKind::Count { value } else { 0 })
            .collect();
        if counts.iter().any(|&count| count < 0) {
            self.has_meaning = false;
            return;
        }
        let key = (std::ptr::from_ref(program), counts.clone());
        let spans = self.tiles.entry(key).or_insert_with(|| tile(program, &counts)).clone();
        for ((pointer, element, writes), Span { low, high }) in spans {
            let index = usize::from(pointer.0);
            let (Arg::Affine(affine) | Arg::Min(affine, _)) = &args[index];
            let start = values[index];
            self.touch(affine.base, element, writes, Span { low: start + low, high: start + high });
        }
    }

    fn touch(&mut self, base: Option<Base>, element: Element, writes: bool, span: Span) {
        match base {
            Some(base) => {
                (self.visit)(self.indices[Nest::UNIT.0 as usize], (base, element, writes), span);
            }
            None => self.has_meaning = false,
        }
    }

    fn number(&self, affine: &Affine) -> i64 {
        let terms =
            affine.terms.iter().map(|(index, factor)| self.indices[index.0 as usize] * factor);
        affine.offset + terms.sum::<i64>()
    }
}

/// Whether the stage touches only bytes that it may.
pub(crate) fn is_inside(own: &Stage, table: &[Room], scratch: usize) -> bool {
    let units = own.units as i64;
    let mut inside = true;
    let has_meaning = stage(own, &mut |unit, (base, element, writes), Span { low, high }| {
        inside &= match base {
            Base::Scratch => low >= 0 && high <= scratch as i64,
            Base::Slot(slot) => table.get(slot).is_some_and(|room| {
                let bytes = room.bytes as i64;
                let typed = room.element.is_none_or(|own| {
                    own == element || (own, element) == (Element::F32, Element::I32)
                });
                let accesses = if writes { [None, room.writes] } else { [room.reads, room.writes] };
                let admits = |access: Access| match access {
                    Access::Whole => low >= 0 && high <= bytes,
                    Access::Units => {
                        bytes % units == 0
                            && low >= unit * (bytes / units)
                            && high <= (unit + 1) * (bytes / units)
                    }
                };
                typed && accesses.into_iter().flatten().any(admits)
            }),
        };
    });
    inside && has_meaning
}
