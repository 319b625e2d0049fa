//! The statements of a tile program as CLIF.
//!
//! Runs of lane-wise statements are emitted part by part: all of the first four lanes, then the
//! next four. A long chain (exp, an optimizer's update) then keeps its intermediate values in a few
//! registers, and the CPU overlaps the four chains. Values that are the same in all lanes are
//! computed once.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I32X4, I64};
use cranelift_codegen::ir::{InstBuilder, Value as ClifValue};
use cranelift_frontend::{FunctionBuilder, Variable};

use super::memory::{self, Mem};
use super::{PARTS, WIDTH, halves, parts};
use crate::host::location;
use crate::tile::demand::{Demand, extent_of, lanes_of, parts_of};
use crate::tile::program::{
    Address, Count, Element, Extent, LANES, Op, ParamKind, Rank1, Stmt, TileProgram, Trips, Value,
};

/// Writes `program` into a function at the builder's position; `args` are its arguments, 64-bit
/// integers.
///
/// The builder's block must be open; afterwards it is in an open block after the program. The
/// program has to be valid.
///
/// A kernel that inlines a contraction should be compiled
/// [`AsWritten`](crate::host::Optimization::AsWritten): moving instructions to their uses breaks
/// the order that keeps the accumulators in registers.
pub fn emit(program: &TileProgram, builder: &mut FunctionBuilder<'_>, args: &[ClifValue]) {
    let demand = Demand::of(program, PARTS);
    let params = (program.params.iter().zip(args))
        .map(|(param, &arg)| match param.kind {
            ParamKind::Count => Param::Count(arg),
            ParamKind::Pointer => {
                let variable = builder.declare_var(I64);
                builder.def_var(variable, arg);
                Param::Pointer(variable)
            }
        })
        .collect();
    let vars = (program.vars.iter())
        .map(|&kind| std::array::from_fn(|_| builder.declare_var(parts::part_type(kind))))
        .collect();
    let values = vec![Emitted::default(); program.values.len()];
    Emitter { program, b: builder, demand, params, vars, values, constants: Vec::new() }
        .block(&program.body);
}

#[derive(Clone, Copy)]
enum Param {
    Count(ClifValue),
    /// Pointers move.
    Pointer(Variable),
}

/// The parts of a value that have been emitted so far.
#[derive(Clone, Copy, Default)]
struct Emitted {
    parts: [Option<ClifValue>; PARTS],
    /// All parts are the same register.
    uniform: bool,
}

struct Emitter<'a, 'b, 'f> {
    program: &'a TileProgram,
    b: &'b mut FunctionBuilder<'f>,
    demand: Demand,
    params: Vec<Param>,
    vars: Vec<[Variable; PARTS]>,
    values: Vec<Emitted>,
    /// The constants that the current part of a run has loaded.
    constants: Vec<Value>,
}

/// A statement of the lane-wise kind.
fn is_lane_wise(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::Let(_, Op::Reduce(..) | Op::Load(_, _, Extent::Rest(_))) => false,
        Stmt::Let(..) | Stmt::Set(..) | Stmt::StoreTransposed { .. } => true,
        Stmt::Store { extent, .. } => !matches!(extent, Extent::Rest(_)),
        Stmt::Prefetch(_) | Stmt::Step { .. } | Stmt::Rank1(_) | Stmt::Loop { .. } => false,
    }
}

fn is_load(stmt: &Stmt) -> bool {
    matches!(stmt, Stmt::Let(_, Op::Load(..) | Op::Broadcast(..)))
}

impl Emitter<'_, '_, '_> {
    fn block(&mut self, mut block: &[Stmt]) {
        while let [first, rest @ ..] = block {
            let mut stored = false;
            let run = block
                .iter()
                .take_while(|stmt| {
                    let ends = !is_lane_wise(stmt) || stored && is_load(stmt);
                    stored |= stmt.is_store();
                    !ends
                })
                .count();
            if run == 0 {
                self.whole(first);
                block = rest;
            } else {
                let (run, rest) = block.split_at(run);
                for part in 0..PARTS {
                    run.iter().for_each(|stmt| self.lane_wise(stmt, part));
                    self.forget_constants();
                }
                block = rest;
            }
            self.forget_constants();
        }
    }

    fn lane_wise(&mut self, stmt: &Stmt, part: usize) {
        self.b.set_srcloc(location(self.program.source(stmt)));
        match *stmt {
            Stmt::Let(value, op) => {
                let demand = self.demand.values[value.0 as usize];
                if demand & 1 << part != 0 && self.values[value.0 as usize].parts[part].is_none() {
                    self.define(value, op, part);
                }
            }
            Stmt::Set(var, value) if self.demand.vars[var.0 as usize] & 1 << part != 0 => {
                let value = self.part(value, part);
                self.b.def_var(self.vars[var.0 as usize][part], value);
            }
            Stmt::Store { element, address, extent, value } => {
                let lanes = lanes_of(extent, part, PARTS);
                if lanes > 0 {
                    let value = self.part(value, part);
                    let mem = self.mem(address).plus(part * WIDTH * element.size());
                    memory::store(self.b, element, mem, lanes, value);
                }
            }
            Stmt::StoreTransposed { address, step, values } => {
                let rows = values.map(|value| self.part(value, part));
                for (lane, column) in (0..).zip(parts::transpose(self.b, rows)) {
                    let lane = (part * WIDTH) as i64 + lane;
                    let mem = self.mem(address.plus(step * lane));
                    memory::store(self.b, Element::F32, mem, WIDTH, column);
                }
            }
            _ => {}
        }
    }

    fn define(&mut self, value: Value, op: Op, part: usize) {
        let emitted = match op {
            Op::Load(element, address, extent) => match lanes_of(extent, part, PARTS) {
                0 => parts::words(self.b, parts::part_type(element.kind()), [0; 4]),
                lanes => {
                    let mem = self.mem(address).plus(part * WIDTH * element.size());
                    memory::load(self.b, element, mem, lanes)
                }
            },
            Op::Broadcast(element, address) => {
                let mem = self.mem(address);
                memory::broadcast(self.b, element, mem)
            }
            Op::Splat(count) => {
                let count = self.count(count);
                self.splat(count)
            }
            Op::Iota => self.iota(part),
            Op::FirstLanes(extent) => self.first_lanes(extent, part),
            Op::Get(var) => self.b.use_var(self.vars[var.0 as usize][part]),
            Op::RoundTo(element, a) => {
                let a = self.part(a, part);
                halves::round_to(self.b, element, a)
            }
            Op::Unary(op, a) => {
                let a = self.part(a, part);
                parts::unary(self.b, op, a)
            }
            Op::Binary(op, x, y) => {
                let (x, y) = (self.part(x, part), self.part(y, part));
                parts::binary(self.b, op, x, y)
            }
            Op::Shift(op, a, bits) => {
                let a = self.part(a, part);
                parts::shift(self.b, op, a, bits)
            }
            Op::Fma(x, y, z) => {
                let (x, y, z) = (self.part(x, part), self.part(y, part), self.part(z, part));
                self.b.ins().fma(x, y, z)
            }
            Op::Select(mask, x, y) => {
                let (mask, x, y) = (self.part(mask, part), self.part(x, part), self.part(y, part));
                parts::select(self.b, mask, x, y)
            }
            Op::Reduce(reduction, a) => {
                let a = std::array::from_fn(|part| self.part(a, part));
                parts::reduce(self.b, reduction, a)
            }
        };
        let uniform = op.is_uniform(|operand| self.values[operand.0 as usize].uniform);
        let entry = &mut self.values[value.0 as usize];
        entry.uniform = uniform;
        if uniform {
            entry.parts = [Some(emitted); PARTS];
        } else {
            entry.parts[part] = Some(emitted);
        }
    }

    /// A statement that is emitted for all parts at once.
    fn whole(&mut self, stmt: &Stmt) {
        self.b.set_srcloc(location(self.program.source(stmt)));
        match stmt {
            Stmt::Let(value, Op::Load(element, address, Extent::Rest(count))) => {
                let (mem, count) = (self.mem(*address), self.rest(*count));
                let loaded = memory::load_counted(self.b, *element, mem, count);
                self.values[value.0 as usize].parts = loaded.map(Some);
            }
            Stmt::Let(value, op) => {
                if self.demand.values[value.0 as usize] != 0 {
                    self.define(*value, *op, 0);
                }
            }
            Stmt::Store { element, address, extent: Extent::Rest(count), value } => {
                let (mem, count) = (self.mem(*address), self.rest(*count));
                let stored = std::array::from_fn(|part| self.part(*value, part));
                memory::store_counted(self.b, *element, mem, count, stored);
            }
            Stmt::Step { pointer, bytes, trips } => {
                let Param::Pointer(variable) = self.params[usize::from(pointer.0)] else { return };
                let old = self.b.use_var(variable);
                let new = match *trips {
                    Trips::Const(n) => {
                        self.b.ins().iadd_imm_s(old, bytes.wrapping_mul(i64::from(n)))
                    }
                    trips => {
                        let trips = self.trips(trips);
                        let bytes = self.b.ins().imul_imm_s(trips, *bytes);
                        self.b.ins().iadd(old, bytes)
                    }
                };
                self.b.def_var(variable, new);
            }
            Stmt::Rank1(rank1) => self.rank1(rank1),
            Stmt::Loop { trips, body } => self.repeat(*trips, body),
            // CLIF has no instruction for it.
            Stmt::Prefetch(_) => {}
            Stmt::Set(..) | Stmt::Store { .. } | Stmt::StoreTransposed { .. } => {}
        }
    }

    /// The order of instructions decides the lives of registers. The factors of the side with fewer
    /// registers are held; those of the other are loaded one at a time and overwritten by their
    /// last multiply-add.
    fn rank1(&mut self, rank1: &Rank1) {
        let columns: Vec<(usize, usize)> = (0..rank1.vectors)
            .flat_map(|vector| (0..PARTS).map(move |part| (vector, part)))
            .filter(|&(vector, part)| parts_of(extent_of(rank1, vector), PARTS) & 1 << part != 0)
            .collect();
        let rows: Vec<usize> = (0..rank1.a.len()).collect();
        if columns.len() <= rows.len() {
            let held: Vec<ClifValue> =
                columns.iter().map(|&column| self.column_factor(rank1, column)).collect();
            for &row in &rows {
                let a = self.row_factor(rank1, row);
                for (&column, &b) in columns.iter().zip(&held) {
                    self.multiply_add(rank1, row, column, a, b);
                }
            }
        } else {
            let held: Vec<ClifValue> =
                rows.iter().map(|&row| self.row_factor(rank1, row)).collect();
            for &column in &columns {
                let b = self.column_factor(rank1, column);
                for (&row, &a) in rows.iter().zip(&held) {
                    self.multiply_add(rank1, row, column, b, a);
                }
            }
        }
    }

    fn row_factor(&mut self, rank1: &Rank1, row: usize) -> ClifValue {
        let mem = self.mem(rank1.a[row]);
        memory::broadcast(self.b, Element::F32, mem)
    }

    fn column_factor(&mut self, rank1: &Rank1, (vector, part): (usize, usize)) -> ClifValue {
        let mem = self.mem(rank1.b).plus(4 * (LANES * vector + WIDTH * part));
        let lanes = lanes_of(extent_of(rank1, vector), part, PARTS);
        memory::load(self.b, Element::F32, mem, lanes)
    }

    fn multiply_add(
        &mut self,
        rank1: &Rank1,
        row: usize,
        (vector, part): (usize, usize),
        x: ClifValue,
        y: ClifValue,
    ) {
        let acc = self.vars[rank1.acc[row * rank1.vectors + vector].0 as usize][part];
        let old = self.b.use_var(acc);
        let new = self.b.ins().fma(x, y, old);
        self.b.def_var(acc, new);
    }

    /// A loop that counts down, tested at its beginning.
    ///
    /// With the test at the end, the results of the body would be used both by the next trip and
    /// after the loop, and Cranelift folds no load into an instruction whose result is used twice,
    /// be it indirectly.
    fn repeat(&mut self, trips: Trips, body: &[Stmt]) {
        match trips {
            Trips::Const(0) => return,
            Trips::Const(1) => return self.block(body),
            _ => {}
        }
        let (head, inside, exit) =
            (self.b.create_block(), self.b.create_block(), self.b.create_block());
        let left = self.b.append_block_param(head, I64);
        let trips = self.trips(trips);
        self.b.ins().jump(head, &[trips.into()]);
        self.b.switch_to_block(head);
        let more = self.b.ins().icmp_imm_s(IntCC::SignedGreaterThan, left, 0);
        self.b.ins().brif(more, inside, &[], exit, &[]);
        self.b.switch_to_block(inside);
        self.b.seal_block(inside);
        self.block(body);
        let left = self.b.ins().iadd_imm_s(left, -1);
        self.b.ins().jump(head, &[left.into()]);
        self.b.seal_block(head);
        self.b.switch_to_block(exit);
        self.b.seal_block(exit);
    }

    fn trips(&mut self, trips: Trips) -> ClifValue {
        match trips {
            Trips::Const(n) => self.b.ins().iconst(I64, i64::from(n)),
            Trips::Count(count) => self.count(count),
            Trips::Vectors(count) => {
                let count = self.count(count);
                self.b.ins().sshr_imm_u(count, i64::from(LANES.ilog2()))
            }
            Trips::Tail(count) => {
                let rest = self.rest(count);
                let any = self.b.ins().icmp_imm_s(IntCC::NotEqual, rest, 0);
                self.b.ins().uextend(I64, any)
            }
        }
    }

    fn count(&self, count: Count) -> ClifValue {
        match self.params[usize::from(count.0)] {
            Param::Count(value) => value,
            Param::Pointer(_) => unreachable!("validation: a count is a count parameter"),
        }
    }

    /// count mod 16.
    fn rest(&mut self, count: Count) -> ClifValue {
        let count = self.count(count);
        self.b.ins().band_imm_u(count, LANES as i64 - 1)
    }

    fn mem(&mut self, address: Address) -> Mem {
        match self.params[usize::from(address.pointer.0)] {
            Param::Pointer(variable) => {
                // Validation: the offset is within reach.
                Mem { base: self.b.use_var(variable), offset: address.offset as i32 }
            }
            Param::Count(_) => unreachable!("validation: a pointer is a pointer parameter"),
        }
    }

    fn splat(&mut self, value: ClifValue) -> ClifValue {
        let value = self.b.ins().ireduce(I32, value);
        self.b.ins().splat(I32X4, value)
    }

    fn iota(&mut self, part: usize) -> ClifValue {
        let first = (part * WIDTH) as u32;
        parts::words(self.b, I32X4, std::array::from_fn(|lane| first + lane as u32))
    }

    fn first_lanes(&mut self, extent: Extent, part: usize) -> ClifValue {
        match extent {
            Extent::Rest(count) => {
                let rest = self.rest(count);
                let rest = self.splat(rest);
                let iota = self.iota(part);
                self.b.ins().icmp(IntCC::SignedLessThan, iota, rest)
            }
            extent => {
                let lanes = lanes_of(extent, part, PARTS);
                let words = std::array::from_fn(|lane| if lane < lanes { u32::MAX } else { 0 });
                parts::words(self.b, I32X4, words)
            }
        }
    }

    /// One register of a value. Each part of a run loads its constants anew: from memory they cost
    /// as much as a spilled register, and held over all parts they would cause spills.
    fn part(&mut self, value: Value, part: usize) -> ClifValue {
        let index = value.0 as usize;
        if let Some(emitted) = self.values[index].parts[part] {
            return emitted;
        }
        let constant = self.program.values[index].constant;
        let constant = constant.expect("validation: a value is defined before its use");
        let emitted = parts::constant(self.b, constant);
        self.values[index] = Emitted { parts: [Some(emitted); PARTS], uniform: true };
        self.constants.push(value);
        emitted
    }

    fn forget_constants(&mut self) {
        for value in self.constants.drain(..) {
            self.values[value.0 as usize] = Emitted::default();
        }
    }
}
