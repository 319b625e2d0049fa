//! The statements of a tile program, one after the other.

use half::{bf16, f16};

use super::lanes::{self, Vector};
use super::memory::{Buffer, Buffers, Memory};
use crate::error::{Error, Result};
use crate::tile::program::{
    Address, Count, Element, Extent, LANES, Op, ParamKind, Rank1, Stmt, TileProgram, Trips, Value,
};

/// Executes the program on buffers; every access is checked.
///
/// # Errors
/// [`Error::Malformed`] if the program breaks a rule, [`Error::Interpret`] if the buffers do not
/// fit the parameters or the program reads or writes outside a buffer.
pub fn interpret(program: &TileProgram, buffers: &mut [Buffer<'_>]) -> Result<()> {
    program.validate()?;
    let failed = |problem: String| Error::Interpret { program: program.name.clone(), problem };
    if buffers.len() != program.params.len() {
        return Err(failed(format!(
            "{} parameters, {} arguments",
            program.params.len(),
            buffers.len()
        )));
    }
    for (param, buffer) in program.params.iter().zip(&*buffers) {
        if (param.kind == ParamKind::Pointer) != matches!(buffer, Buffer::Bytes(..)) {
            return Err(failed(format!(
                "%{} is a {:?}, the argument is not",
                param.name, param.kind
            )));
        }
    }
    let memory = Buffers(buffers);
    let args = memory.args();
    Machine::new(program, memory, args).run().map_err(failed)
}

/// A statement's outcome; the error says which access failed.
type Done = std::result::Result<(), String>;

/// The state of an execution.
pub(super) struct Machine<'a, M> {
    program: &'a TileProgram,
    memory: M,
    /// The arguments; pointers move.
    args: Vec<u64>,
    values: Vec<Vector>,
    vars: Vec<Vector>,
}

impl<'a, M: Memory> Machine<'a, M> {
    /// The state before a valid program, with as many arguments as parameters.
    pub(super) fn new(program: &'a TileProgram, memory: M, args: Vec<u64>) -> Self {
        let values =
            program.values.iter().map(|v| v.constant.map_or([0; LANES], lanes::constant)).collect();
        Self { program, memory, args, values, vars: vec![[0; LANES]; program.vars.len()] }
    }

    pub(super) fn run(&mut self) -> Done {
        self.block(&self.program.body)
    }

    fn block(&mut self, block: &[Stmt]) -> Done {
        block.iter().try_for_each(|stmt| {
            self.stmt(stmt).map_err(|problem| match stmt {
                Stmt::Loop { .. } => problem,
                _ => format!("{problem} in `{}`", self.program.statement_text(stmt)),
            })
        })
    }

    fn stmt(&mut self, stmt: &Stmt) -> Done {
        match stmt {
            Stmt::Let(value, op) => self.values[value.0 as usize] = self.op(*op)?,
            Stmt::Set(var, value) => self.vars[var.0 as usize] = self.value(*value),
            Stmt::Store { element, address, extent, value } => {
                let words = self.value(*value);
                let start = self.address(*address);
                for (lane, word) in words.into_iter().enumerate().take(self.lanes(*extent)) {
                    self.write(*element, start.wrapping_add((lane * element.size()) as u64), word)?;
                }
            }
            Stmt::StoreTransposed { address, step, values } => {
                for (i, words) in values.map(|value| self.value(value)).into_iter().enumerate() {
                    for (lane, word) in (0..).zip(words) {
                        let at = address.plus(step * lane).plus(4 * i as i64);
                        self.write(Element::F32, self.address(at), word)?;
                    }
                }
            }
            Stmt::Prefetch(_) => {}
            Stmt::Step { pointer, bytes, trips } => {
                let distance = bytes.wrapping_mul(self.trips(*trips));
                let pointer = &mut self.args[usize::from(pointer.0)];
                *pointer = pointer.wrapping_add_signed(distance);
            }
            Stmt::Rank1(rank1) => self.rank1(rank1)?,
            Stmt::Loop { trips, body } => {
                for _ in 0..self.trips(*trips) {
                    self.block(body)?;
                }
            }
        }
        Ok(())
    }

    fn op(&self, op: Op) -> Result<Vector, String> {
        Ok(match op {
            Op::Load(element, address, extent) => {
                self.load(element, self.address(address), self.lanes(extent))?
            }
            Op::Broadcast(element, address) => [self.read(element, self.address(address))?; LANES],
            // The low 32 bits.
            Op::Splat(count) => [self.count(count) as u32; LANES],
            Op::Iota => std::array::from_fn(|lane| lane as u32),
            Op::FirstLanes(extent) => {
                std::array::from_fn(|lane| u32::from(lane < self.lanes(extent)))
            }
            Op::Get(var) => self.vars[var.0 as usize],
            Op::RoundTo(element, a) => lanes::round_to(element, self.value(a)),
            Op::Unary(op, a) => lanes::unary(op, self.value(a)),
            Op::Binary(op, x, y) => lanes::binary(op, self.value(x), self.value(y)),
            Op::Shift(op, a, bits) => lanes::shift(op, self.value(a), bits),
            Op::Fma(x, y, z) => lanes::fma(self.value(x), self.value(y), self.value(z)),
            Op::Select(mask, x, y) => lanes::select(self.value(mask), self.value(x), self.value(y)),
            Op::Reduce(reduction, a) => lanes::reduce(reduction, self.value(a)),
        })
    }

    fn rank1(&mut self, rank1: &Rank1) -> Done {
        for vector in 0..rank1.vectors {
            let extent = if vector + 1 == rank1.vectors { rank1.extent } else { Extent::Full };
            let b = self.address(rank1.b).wrapping_add((4 * LANES * vector) as u64);
            let b = self.load(Element::F32, b, self.lanes(extent))?;
            for (row, &a) in rank1.a.iter().enumerate() {
                let a = [self.read(Element::F32, self.address(a))?; LANES];
                let acc = rank1.acc[row * rank1.vectors + vector].0 as usize;
                self.vars[acc] = lanes::fma(a, b, self.vars[acc]);
            }
        }
        Ok(())
    }

    fn load(&self, element: Element, start: u64, count: usize) -> Result<Vector, String> {
        let mut words = [0; LANES];
        for (lane, word) in words.iter_mut().enumerate().take(count) {
            *word = self.read(element, start.wrapping_add((lane * element.size()) as u64))?;
        }
        Ok(words)
    }

    fn read(&self, element: Element, address: u64) -> Result<u32, String> {
        let word = match element {
            Element::F32 | Element::I32 => self.memory.read(address).map(u32::from_le_bytes),
            Element::BF16 => {
                self.memory.read(address).map(|b| bf16::from_le_bytes(b).to_f32().to_bits())
            }
            Element::F16 => {
                self.memory.read(address).map(|b| f16::from_le_bytes(b).to_f32().to_bits())
            }
            Element::U8 => self.memory.read(address).map(|[byte]| u32::from(byte)),
        };
        word.ok_or_else(|| "reads outside its buffer".to_owned())
    }

    fn write(&mut self, element: Element, address: u64, word: u32) -> Done {
        let written = match element {
            Element::F32 | Element::I32 => self.memory.write(address, word.to_le_bytes()),
            Element::BF16 => {
                self.memory.write(address, bf16::from_f32(f32::from_bits(word)).to_le_bytes())
            }
            Element::F16 => {
                self.memory.write(address, f16::from_f32(f32::from_bits(word)).to_le_bytes())
            }
            Element::U8 => self.memory.write(address, [word.to_le_bytes()[0]]),
        };
        written.ok_or_else(|| "writes outside its buffer".to_owned())
    }

    fn value(&self, value: Value) -> Vector {
        self.values[value.0 as usize]
    }

    fn address(&self, address: Address) -> u64 {
        self.args[usize::from(address.pointer.0)].wrapping_add_signed(address.offset)
    }

    fn count(&self, count: Count) -> i64 {
        self.args[usize::from(count.0)].cast_signed()
    }

    fn rest(&self, count: Count) -> i64 {
        self.count(count).rem_euclid(LANES as i64)
    }

    fn lanes(&self, extent: Extent) -> usize {
        match extent {
            Extent::Full => LANES,
            Extent::First(lanes) => lanes.into(),
            Extent::Rest(count) => usize::try_from(self.rest(count)).unwrap_or(0),
        }
    }

    fn trips(&self, trips: Trips) -> i64 {
        match trips {
            Trips::Const(n) => n.into(),
            Trips::Count(count) => self.count(count),
            Trips::Vectors(count) => self.count(count).div_euclid(LANES as i64),
            Trips::Tail(count) => i64::from(self.rest(count) != 0),
        }
    }
}
