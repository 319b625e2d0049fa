//! The parts that all vector instructions share: operands from memory, masks, broadcasts, and
//! writes of results.

use iced_x86::{Instruction, Mnemonic, OpKind, Register, RoundingControl};

use super::operands::{immediate8, is_immediate};
use super::registers::{Slot, Vector, slot};
use super::{Machine, Outcome, lanes, pieces, shuffle, transfer};

/// The elements of a destination that an opmask chooses among.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Bytes of one element.
    pub(super) element: usize,
    /// The number of elements the mask chooses among. Bytes of the result after them are written in
    /// any case.
    pub(super) count: usize,
}

impl Shape {
    pub(super) fn new(element: usize, width: usize) -> Self {
        Self { element, count: width / element }
    }
}

/// The bytes of an operand in memory that an instruction reads under an opmask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// The elements that the mask chooses, each of this number of bytes.
    Chosen(usize),
    /// All bytes if the mask chooses any element, or else none.
    AllOrNothing,
    /// Everything.
    All,
}

/// Executes a vector instruction; `false` if it is unknown.
pub(super) fn execute(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome<bool> {
    match i.mnemonic() {
        Mnemonic::Vzeroupper => {
            m.registers.zero_upper();
            return Ok(true);
        }
        _ if !matches!(
            i.rounding_control(),
            RoundingControl::None | RoundingControl::RoundToNearest
        ) =>
        {
            return Ok(false);
        }
        _ => {}
    }
    Ok(transfer::execute(m, i)? || pieces::execute(m, i)? || lanewise(m, i)? || shuffled(m, i)?)
}

/// Bytes of the widest vector register among the operands, 0 without one.
pub(super) fn width(i: &Instruction) -> usize {
    let size = |op| match slot(i.op_register(op)) {
        Ok(Slot::Vector { size, .. }) if i.op_kind(op) == OpKind::Register => size,
        _ => 0,
    };
    (0..i.op_count()).map(size).max().unwrap_or(0)
}

/// The operands from `first` on that are no immediates, at most three.
fn sources(
    m: &Machine<'_, '_>,
    i: &Instruction,
    first: u32,
    shape: Shape,
    reads: Reads,
) -> Outcome<[Vector; 3]> {
    let mut sources = [Vector::ZERO; 3];
    let ops = (first..i.op_count()).filter(|&op| !is_immediate(i, op));
    for (source, op) in sources.iter_mut().zip(ops) {
        *source = m.source(i, op, shape, reads)?;
    }
    Ok(sources)
}

/// Instructions that compute each lane from the same lanes of their operands.
fn lanewise(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome<bool> {
    let mnemonic = i.mnemonic();
    let Some(operation) = lanes::operation(mnemonic) else { return Ok(false) };
    let imm = immediate8(i);
    if lanes::needs_immediate(mnemonic) != imm.is_some() {
        return Ok(false);
    }
    let imm = imm.unwrap_or(0);
    if lanes::is_scaled_round(mnemonic) && imm >> 4 != 0 {
        return Err("the emulator rounds to integers only".to_owned());
    }
    let (width, element) = (width(i), lanes::element(mnemonic));
    let scalar = lanes::is_scalar(mnemonic);
    let shape = if scalar { Shape { element, count: 1 } } else { Shape::new(element, width) };
    let first = u32::from(!lanes::changes_destination(mnemonic));
    let s = sources(m, i, first, shape, Reads::Chosen(element))?;
    let result = match operation {
        lanes::Operation::Words(f) => {
            let [a, b, c] = s.map(|source| source.dwords());
            if scalar {
                // The other lanes come from the first source.
                let mut words = a;
                words[0] = f([a[0], b[0], c[0]], imm);
                Vector::from_dwords(words)
            } else {
                Vector::from_dwords(std::array::from_fn(|l| f([a[l], b[l], c[l]], imm)))
            }
        }
        lanes::Operation::Quads(f) => {
            let [a, b, _] = s.map(|source| source.qwords());
            Vector::from_qwords(std::array::from_fn(|l| f([a[l], b[l]], imm)))
        }
    };
    if let Ok(Slot::Mask(index)) = slot(i.op_register(0)) {
        let words = result.dwords();
        let bits = (0..shape.count).map(|lane| u64::from(words[lane] != 0) << lane).sum::<u64>();
        m.registers.masks[index] = bits & m.chosen(i)?;
    } else if lanes::is_blend(mnemonic) {
        // A blend takes the first source where the mask is clear, not the old destination.
        m.write_over(i, s[0], result, shape)?;
    } else {
        m.write(i, result, shape)?;
    }
    Ok(true)
}

/// Instructions that move lanes.
fn shuffled(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome<bool> {
    let (mnemonic, width, imm) = (i.mnemonic(), width(i), immediate8(i));
    if shuffle::shuffle(mnemonic, [Vector::ZERO; 3], imm, width).is_none() {
        return Ok(false);
    }
    let shape = Shape::new(shuffle::element(mnemonic), width);
    let first = u32::from(!shuffle::changes_destination(mnemonic));
    let s = sources(m, i, first, shape, Reads::All)?;
    if let Some(result) = shuffle::shuffle(mnemonic, s, imm, width) {
        m.write(i, result, shape)?;
    }
    Ok(true)
}

impl Machine<'_, '_> {
    /// The elements that the instruction's opmask chooses; all without one.
    pub(super) fn chosen(&self, i: &Instruction) -> Outcome<u64> {
        match i.op_mask() {
            Register::None => Ok(u64::MAX),
            register => match slot(register)? {
                Slot::Mask(index) => Ok(self.registers.masks[index]),
                _ => Err("a mask is an opmask".to_owned()),
            },
        }
    }

    /// A vector operand: a register, the bytes of memory with zeros after them, or one element of
    /// memory broadcast.
    pub(super) fn source(
        &self,
        i: &Instruction,
        op: u32,
        shape: Shape,
        reads: Reads,
    ) -> Outcome<Vector> {
        if i.op_kind(op) == OpKind::Register {
            return match slot(i.op_register(op))? {
                Slot::Vector { index, .. } => Ok(self.registers.vectors[index]),
                _ => Err("no vector".to_owned()),
            };
        }
        let (address, size) = (self.address(i, op)?, i.memory_size().size());
        let unused = 64 - u32::try_from(shape.count).map_err(|e| e.to_string())?;
        let chosen = self.chosen(i)? & u64::MAX >> unused;
        let mut bytes = [0; 64];
        let masked = i.op_mask() != Register::None;
        match reads {
            _ if i.is_broadcast() => {
                if chosen != 0 || reads == Reads::All {
                    self.memory.read(address, &mut bytes[..size])?;
                }
                for at in size..64 {
                    bytes[at] = bytes[at - size];
                }
            }
            Reads::Chosen(piece) if masked => {
                for (lane, piece) in bytes[..size].chunks_mut(piece).enumerate() {
                    if chosen >> lane & 1 == 1 {
                        let at = address.wrapping_add((lane * piece.len()) as u64);
                        self.memory.read(at, piece)?;
                    }
                }
            }
            Reads::AllOrNothing if chosen == 0 => {}
            _ => self.memory.read(address, &mut bytes[..size])?,
        }
        Ok(Vector(bytes))
    }

    /// Writes the result to the first operand; elements that the opmask does not choose stay or
    /// become zero.
    pub(super) fn write(&mut self, i: &Instruction, result: Vector, shape: Shape) -> Outcome {
        let old = match slot(i.op_register(0)) {
            Ok(Slot::Vector { index, .. }) => self.registers.vectors[index],
            _ => Vector::ZERO,
        };
        self.write_over(i, old, result, shape)
    }

    /// As `write`, with `old` instead of the content of the destination.
    fn write_over(
        &mut self,
        i: &Instruction,
        old: Vector,
        mut result: Vector,
        shape: Shape,
    ) -> Outcome {
        let Shape { element, count } = shape;
        let chosen = self.chosen(i)?;
        let is_chosen = |lane: usize| chosen >> lane & 1 == 1;
        if i.op_kind(0) == OpKind::Memory {
            let address = self.address(i, 0)?;
            if i.op_mask() == Register::None {
                return self.memory.write(address, &result.0[..i.memory_size().size()]);
            }
            for lane in (0..count).filter(|&lane| is_chosen(lane)) {
                let bytes = &result.0[lane * element..][..element];
                self.memory.write(address.wrapping_add((lane * element) as u64), bytes)?;
            }
            return Ok(());
        }
        let Slot::Vector { index, size } = slot(i.op_register(0))? else {
            return Err("the result is a vector".to_owned());
        };
        for lane in (0..count).filter(|&lane| !is_chosen(lane)) {
            let range = lane * element..(lane + 1) * element;
            if i.zeroing_masking() {
                result.0[range].fill(0);
            } else {
                result.0[range.clone()].copy_from_slice(&old.0[range]);
            }
        }
        self.registers.set_vector(index, size, result);
        Ok(())
    }
}
