//! The assembler: from instructions with registers to bytes.

mod encoder;
mod packed;

use iced_x86::Code::*;
use iced_x86::Register::{self, EAX, K0, R11, R11D, RAX, RSP, XMM0, YMM0, ZMM0};
use smallvec::SmallVec;

use self::encoder::{Bytes, Label, Memory, Op};
use super::Isa;
use super::allocate::{Allocated, Assignment};
use super::codes;
use super::frame::{Frame, Home, VECTOR};
use super::inst::{Class, Constant, Inst, Item, Mem, Operand, V, Width};
use crate::error::{Error, Result};
use crate::host::{CodeListing, CodeText, MachineCode, MachineLine, SourceLine, disassemble};
use crate::tile::program::{Count, LANES, Pointer, TileProgram, Trips};

/// The alignment of functions, and of innermost loops.
const ALIGNMENT: usize = 64;

pub(super) fn assemble(
    isa: Isa,
    program: &TileProgram,
    allocated: &Allocated,
    text: bool,
) -> Result<MachineCode> {
    let frame = Frame::of(program, allocated);
    let mut assembler = Assembler {
        isa,
        code: allocated,
        frame: &frame,
        bytes: Bytes::new(),
        loops: Vec::new(),
        begun: 0,
        marks: Vec::new(),
    };
    assembler.enter();
    for (position, item) in allocated.items.iter().enumerate() {
        assembler.item(item, &allocated.items[position + 1..]);
    }
    assembler.marks.push((assembler.bytes.len(), None));
    assembler.leave();
    let marks = assembler.marks;
    let (bytes, code) = assembler
        .bytes
        .finish()
        .map_err(|message| Error::Compile { function: program.name.clone(), message })?;
    let text = text.then(|| {
        let stack = match allocated.slots {
            0 => String::new(),
            slots => format!("; {slots} vectors are on the stack\n"),
        };
        let machine = disassemble(&bytes[..code]);
        let lines: String = machine.iter().map(|line| line.to_string() + "\n").collect();
        CodeText {
            source: program.to_string(),
            assembly: stack + &lines,
            listing: listing(program, machine, &marks),
        }
    });
    Ok(MachineCode {
        bytes,
        alignment: ALIGNMENT as u64,
        relocations: Vec::new(),
        text,
        program: None,
    })
}

/// Instructions beside the statements that they are marked as.
fn listing(
    program: &TileProgram,
    machine: Vec<MachineLine>,
    marks: &[(usize, Option<u32>)],
) -> CodeListing {
    let sources = program
        .statements()
        .map(|stmt| SourceLine { text: program.statement_text(stmt), node: program.source(stmt) });
    let sources: Vec<SourceLine> = sources.collect();
    let instruction = |line: MachineLine| {
        let after = marks.partition_point(|&(offset, _)| offset <= line.offset);
        let number = after.checked_sub(1).and_then(|index| marks[index].1);
        let source = number.map(|number| number as usize);
        let node = source.and_then(|index| sources.get(index)?.node);
        MachineLine { source, node, ..line }
    };
    let instructions = machine.into_iter().map(instruction).collect();
    CodeListing { sources, instructions }
}

struct OpenLoop {
    top: Label,
    exit: Label,
    counter: Home,
    trips: Trips,
}

struct Assembler<'a> {
    isa: Isa,
    code: &'a Allocated,
    frame: &'a Frame,
    bytes: Bytes,
    loops: Vec<OpenLoop>,
    /// The number of loops so far.
    begun: usize,
    /// The offsets from which on code is of a statement, and the number of that.
    marks: Vec<(usize, Option<u32>)>,
}

fn stack(offset: i32) -> Op {
    Memory::At(RSP, offset).into()
}

impl Assembler<'_> {
    fn enter(&mut self) {
        for &register in &self.frame.saved {
            self.bytes.emit(Push_r64, &[register.into()]);
        }
        if self.frame.bytes > 0 {
            self.bytes.emit(Sub_rm64_imm32, &[RSP.into(), Op::Int(self.frame.bytes)]);
        }
        for &(register, offset) in &self.frame.loaded {
            self.bytes.emit(Mov_r64_rm64, &[register.into(), stack(offset)]);
        }
    }

    fn leave(&mut self) {
        if self.frame.bytes > 0 {
            self.bytes.emit(Add_rm64_imm32, &[RSP.into(), Op::Int(self.frame.bytes)]);
        }
        for &register in self.frame.saved.iter().rev() {
            self.bytes.emit(Pop_r64, &[register.into()]);
        }
        self.bytes.emit(VEX_Vzeroupper, &[]);
        self.bytes.emit(Retnq, &[]);
    }

    fn item(&mut self, item: &Item, rest: &[Item]) {
        match item {
            Item::Inst(inst) => self.inst(inst),
            Item::Fma { dst, factors, term, width } => self.fma(*dst, *factors, *term, *width),
            Item::Move { dst, src } => self.copy(*dst, *src),
            Item::Constant { dst, of } => self.constant(*dst, *of),
            Item::Rest { dst, count, part } => self.rest(*dst, *count, *part),
            Item::Splat { dst, count } => self.splat(*dst, *count),
            Item::Byte { dst, mem } => {
                let memory = self.memory(*mem);
                self.bytes.emit(Movzx_r32_rm8, &[EAX.into(), memory]);
                self.spread_eax(*dst);
            }
            Item::PackedIn { dst, mem, count, size } => self.packed_in(*dst, *mem, *count, *size),
            Item::PackedOut { src, mem, count, size } => self.packed_out(*src, *mem, *count, *size),
            Item::Step { pointer, bytes, trips } => self.step(*pointer, *bytes, *trips),
            Item::Begin(trips) => self.begin(*trips, rest),
            Item::End => {
                self.marks.push((self.bytes.len(), None));
                self.end();
            }
            Item::Mark(number) => self.marks.push((self.bytes.len(), Some(*number))),
        }
    }

    fn inst(&mut self, inst: &Inst) {
        let operands: SmallVec<[Op; 4]> =
            inst.operands.iter().map(|operand| self.operand(*operand)).collect();
        let mask = inst.mask.map(|(v, zeroing)| (self.register(v, Width::X), zeroing));
        self.bytes.emit_masked(inst.code, &operands, mask);
    }

    fn operand(&mut self, operand: Operand) -> Op {
        match operand {
            Operand::Reg(v, width) | Operand::Any(v, width) => self.register_or_memory(v, width),
            Operand::Mem(mem) => self.memory(mem),
            Operand::Imm(byte) => Op::Byte(byte),
        }
    }

    /// A register, or the memory of its content.
    fn register_or_memory(&mut self, v: V, width: Width) -> Op {
        match self.code.assignments[v.index()] {
            Assignment::Slot(slot) => stack(VECTOR * slot as i32),
            Assignment::Constant => self.constant_memory(v).into(),
            Assignment::Register(_) | Assignment::Nowhere => self.register(v, width).into(),
        }
    }

    fn constant_memory(&mut self, v: V) -> Memory {
        match self.code.registers[v.index()].constant {
            Some(Constant::Word(word)) if self.isa == Isa::Avx512 => {
                Memory::Constant(self.bytes.constant(word.to_le_bytes().to_vec()), true)
            }
            constant => {
                let words = match constant {
                    Some(Constant::Words(words)) => words,
                    Some(Constant::Word(word)) => [word; LANES],
                    _ => [0; LANES],
                };
                let words = &words[..self.isa.width()];
                let bytes = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                Memory::Constant(self.bytes.constant(bytes), false)
            }
        }
    }

    fn register(&self, v: V, width: Width) -> Register {
        let number = match self.code.assignments[v.index()] {
            Assignment::Register(number) => u32::from(number),
            // A value that is never read may be written anywhere.
            _ => 0,
        };
        if self.code.registers[v.index()].class == Class::Mask {
            return K0 + number;
        }
        match width {
            Width::X => XMM0 + number,
            Width::Y => YMM0 + number,
            Width::Z => ZMM0 + number,
        }
    }

    fn is_register(&self, v: V) -> bool {
        matches!(self.code.assignments[v.index()], Assignment::Register(_))
    }

    fn full(&self) -> Width {
        match self.isa {
            Isa::Avx2 => Width::Y,
            Isa::Avx512 => Width::Z,
        }
    }

    fn memory(&mut self, mem: Mem) -> Op {
        let base = self.in_register(self.frame.pointer(mem.pointer), R11);
        Op::Memory(Memory::At(base, mem.offset), mem.broadcast)
    }

    /// The register of a number, which is loaded into `scratch` if it is on the stack.
    fn in_register(&mut self, home: Home, scratch: Register) -> Register {
        match home {
            Home::Register(register) => register,
            Home::Stack(offset) => {
                self.bytes.emit(Mov_r64_rm64, &[scratch.into(), stack(offset)]);
                scratch
            }
        }
    }

    /// A multiply-add, in the form whose overwritten operand, a factor or the term, is in the
    /// result's register.
    fn fma(&mut self, dst: V, [x, y]: [V; 2], term: V, width: Width) {
        let assignment = |v: V| self.code.assignments[v.index()];
        let result = assignment(dst);
        let (form, second, third) = if result == assignment(term) {
            if self.is_register(x) { (231, x, y) } else { (231, y, x) }
        } else if result == assignment(x) || result == assignment(y) {
            let other = if result == assignment(x) { y } else { x };
            if self.is_register(other) { (213, other, term) } else { (132, term, other) }
        } else {
            // If none is, the factor in memory or the term is moved to the result's register first.
            if let Some(first) = [x, y].into_iter().find(|&v| !self.is_register(v)) {
                let other = if first == x { y } else { x };
                self.copy(dst, first);
                (213, other, term)
            } else {
                self.copy(dst, term);
                (231, x, y)
            }
        };
        let operands = [
            self.register(dst, width).into(),
            self.register(second, width).into(),
            self.register_or_memory(third, width),
        ];
        self.bytes.emit(codes::fma(self.isa, form), &operands);
    }

    fn copy(&mut self, dst: V, src: V) {
        if self.code.assignments[src.index()] == Assignment::Constant {
            return self.constant(dst, src);
        }
        if self.code.assignments[dst.index()] == self.code.assignments[src.index()] {
            return;
        }
        let width = self.full();
        let is_mask = self.code.registers[dst.index()].class == Class::Mask;
        let code = match (is_mask, self.is_register(dst), self.is_register(src)) {
            (true, true, true) => VEX_Kmovw_kr_km16,
            (true, true, false) => VEX_Kmovw_kr_km16,
            (true, false, _) => VEX_Kmovw_m16_kr,
            (false, false, _) => {
                self.isa.either(VEX_Vmovups_ymmm256_ymm, EVEX_Vmovups_zmmm512_k1z_zmm)
            }
            (false, true, true) => {
                self.isa.either(VEX_Vmovaps_ymm_ymmm256, EVEX_Vmovaps_zmm_k1z_zmmm512)
            }
            (false, true, false) => {
                self.isa.either(VEX_Vmovups_ymm_ymmm256, EVEX_Vmovups_zmm_k1z_zmmm512)
            }
        };
        let operands = [self.register_or_memory(dst, width), self.register_or_memory(src, width)];
        self.bytes.emit(code, &operands);
    }

    fn constant(&mut self, dst: V, of: V) {
        let Some(constant) = self.code.registers[of.index()].constant else { return };
        let full = self.register(dst, self.full());
        let low = self.register(dst, Width::X);
        match constant {
            Constant::Mask(0) => self.bytes.emit(VEX_Kxorw_kr_kr_kr, &[full.into(); 3]),
            Constant::Mask(u16::MAX) => self.bytes.emit(VEX_Kxnorw_kr_kr_kr, &[full.into(); 3]),
            Constant::Mask(bits) => {
                self.bytes.emit(Mov_r32_imm32, &[EAX.into(), Op::Int(bits.into())]);
                self.bytes.emit(VEX_Kmovw_kr_r32, &[full.into(), EAX.into()]);
            }
            // A write to the low part clears the upper part.
            Constant::Word(0) => {
                let code =
                    self.isa.either(VEX_Vxorps_xmm_xmm_xmmm128, EVEX_Vpxord_xmm_k1z_xmm_xmmm128b32);
                self.bytes.emit(code, &[low.into(); 3]);
            }
            Constant::Word(u32::MAX) if self.isa == Isa::Avx2 => {
                self.bytes.emit(VEX_Vpcmpeqd_ymm_ymm_ymmm256, &[full.into(); 3]);
            }
            Constant::Word(_) if self.isa == Isa::Avx512 => {
                let Memory::Constant(number, _) = self.constant_memory(of) else { return };
                let memory = Memory::Constant(number, false);
                self.bytes.emit(EVEX_Vbroadcastss_zmm_k1z_xmmm32, &[full.into(), memory.into()]);
            }
            Constant::Word(_) | Constant::Words(_) => {
                let memory = self.constant_memory(of);
                let code = self.isa.either(VEX_Vmovaps_ymm_ymmm256, EVEX_Vmovaps_zmm_k1z_zmmm512);
                self.bytes.emit(code, &[full.into(), memory.into()]);
            }
        }
    }

    /// `eax = count mod 16`.
    fn rest_of(&mut self, count: Count) {
        self.load(RAX, self.frame.count(count));
        self.bytes.emit(And_rm64_imm8, &[RAX.into(), Op::Int(LANES as i32 - 1)]);
    }

    fn load(&mut self, register: Register, home: Home) {
        let source = match home {
            Home::Register(other) => other.into(),
            Home::Stack(offset) => stack(offset),
        };
        self.bytes.emit(Mov_r64_rm64, &[register.into(), source]);
    }

    fn rest(&mut self, dst: V, count: Count, part: usize) {
        self.rest_of(count);
        let register = self.register(dst, self.full());
        match self.isa {
            // Sixteen words of ones, then zeros: the mask starts as many words before the zeros as
            // there are lanes.
            Isa::Avx2 => {
                let words =
                    (0..LANES + 2 * self.isa.width()).map(|i| if i < LANES { u32::MAX } else { 0 });
                let table = self.bytes.constant(words.flat_map(u32::to_le_bytes).collect());
                self.bytes.emit(Lea_r64_m, &[R11.into(), Memory::Constant(table, false).into()]);
                self.bytes.emit(Neg_rm64, &[RAX.into()]);
                let offset = 4 * (LANES + part * self.isa.width()) as i32;
                let memory = Memory::Indexed(R11, RAX, 4, offset);
                self.bytes.emit(VEX_Vmovups_ymm_ymmm256, &[register.into(), memory.into()]);
            }
            Isa::Avx512 => {
                self.bytes.emit(Mov_r32_imm32, &[R11D.into(), Op::Int(-1)]);
                self.bytes.emit(VEX_Bzhi_r32_rm32_r32, &[R11D.into(), R11D.into(), EAX.into()]);
                self.bytes.emit(VEX_Kmovw_kr_r32, &[register.into(), R11D.into()]);
            }
        }
    }

    fn splat(&mut self, dst: V, count: Count) {
        self.load(RAX, self.frame.count(count));
        self.spread_eax(dst);
    }

    fn spread_eax(&mut self, dst: V) {
        let (low, full) = (self.register(dst, Width::X), self.register(dst, self.full()));
        match self.isa {
            Isa::Avx2 => {
                self.bytes.emit(VEX_Vmovd_xmm_rm32, &[low.into(), EAX.into()]);
                self.bytes.emit(VEX_Vpbroadcastd_ymm_xmmm32, &[full.into(), low.into()]);
            }
            Isa::Avx512 => {
                self.bytes.emit(EVEX_Vpbroadcastd_zmm_k1z_r32, &[full.into(), EAX.into()])
            }
        }
    }

    /// Adds to a number in a register or on the stack.
    fn add(&mut self, home: Home, distance: i32) {
        let target = match home {
            Home::Register(register) => register.into(),
            Home::Stack(offset) => stack(offset),
        };
        let code = if i8::try_from(distance).is_ok() { Add_rm64_imm8 } else { Add_rm64_imm32 };
        self.bytes.emit(code, &[target, Op::Int(distance)]);
    }

    fn step(&mut self, pointer: Pointer, bytes: i64, trips: Trips) {
        let home = self.frame.pointer(pointer);
        let distance = match trips {
            Trips::Const(n) => {
                let bytes = bytes.wrapping_mul(n.into());
                if let Ok(distance) = i32::try_from(bytes) {
                    return self.add(home, distance);
                }
                self.bytes.wide(RAX, bytes);
                RAX
            }
            trips => {
                self.trips(RAX, trips);
                match i32::try_from(bytes) {
                    Ok(bytes) => {
                        self.bytes
                            .emit(Imul_r64_rm64_imm32, &[RAX.into(), RAX.into(), Op::Int(bytes)]);
                    }
                    Err(_) => {
                        self.bytes.wide(R11, bytes);
                        self.bytes.emit(Imul_r64_rm64, &[RAX.into(), R11.into()]);
                    }
                }
                RAX
            }
        };
        let target = match home {
            Home::Register(register) => register.into(),
            Home::Stack(offset) => stack(offset),
        };
        self.bytes.emit(Add_rm64_r64, &[target, distance.into()]);
    }

    /// The number of trips, in `register`.
    fn trips(&mut self, register: Register, trips: Trips) {
        match trips {
            Trips::Const(n) => self.bytes.wide(register, n.into()),
            Trips::Count(count) => self.load(register, self.frame.count(count)),
            Trips::Vectors(count) => {
                self.load(register, self.frame.count(count));
                self.bytes.emit(Sar_rm64_imm8, &[register.into(), Op::Byte(LANES.ilog2() as u8)]);
            }
            // 1 to 15 lanes become 16 to 30, and then 1.
            Trips::Tail(count) => {
                self.load(register, self.frame.count(count));
                let (rest, bits) = (LANES as i32 - 1, LANES.ilog2() as u8);
                self.bytes.emit(And_rm64_imm8, &[register.into(), Op::Int(rest)]);
                self.bytes.emit(Add_rm64_imm8, &[register.into(), Op::Int(rest)]);
                self.bytes.emit(Shr_rm64_imm8, &[register.into(), Op::Byte(bits)]);
            }
        }
    }

    /// A loop is tested before its first trip and counts down at its end.
    fn begin(&mut self, trips: Trips, rest: &[Item]) {
        let (top, exit) = (self.bytes.label(), self.bytes.label());
        let counter = self.frame.counters[self.begun];
        self.begun += 1;
        let register = match counter {
            Home::Register(register) => register,
            Home::Stack(_) => RAX,
        };
        self.trips(register, trips);
        if !matches!(trips, Trips::Const(1..)) {
            self.bytes.emit(Test_rm64_r64, &[register.into(); 2]);
            self.bytes.jump(Jle_rel32_64, exit);
        }
        // A loop of at most one trip has no counter.
        let counts = !matches!(trips, Trips::Tail(_));
        if let (Home::Stack(offset), true) = (counter, counts) {
            self.bytes.emit(Mov_rm64_r64, &[stack(offset), register.into()]);
        }
        let ends = rest.iter().find(|item| matches!(item, Item::Begin(_) | Item::End));
        if matches!(ends, Some(Item::End)) && counts {
            self.bytes.align(ALIGNMENT);
        }
        self.bytes.bind(top);
        self.loops.push(OpenLoop { top, exit, counter, trips });
    }

    fn end(&mut self) {
        let Some(OpenLoop { top, exit, counter, trips }) = self.loops.pop() else { return };
        if !matches!(trips, Trips::Tail(_)) {
            let target = match counter {
                Home::Register(register) => register.into(),
                Home::Stack(offset) => stack(offset),
            };
            self.bytes.emit(Dec_rm64, &[target]);
            self.bytes.jump(Jne_rel32_64, top);
        }
        self.bytes.bind(exit);
    }
}
