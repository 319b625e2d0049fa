//! Moves of whole vectors, and of single elements between vectors, general registers and memory.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::operands::immediate8;
use super::registers::{Slot, Vector, slot};
use super::vector::{Reads, Shape, width};
use super::{Machine, Outcome};

/// Executes a move; `false` if it is unknown.
pub(super) fn execute(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome<bool> {
    use Mnemonic::*;
    match i.mnemonic() {
        Vmovaps | Vmovapd | Vmovdqa | Vmovdqa32 | Vmovdqa64 => {
            for op in 0..2 {
                if i.op_kind(op) == OpKind::Memory {
                    let address = m.address(i, op)?;
                    if !address.is_multiple_of(width(i) as u64) {
                        return Err(format!("{address:#x} is not aligned"));
                    }
                }
            }
            whole(m, i)?;
        }
        Vmovups | Vmovupd | Vmovdqu | Vmovdqu8 | Vmovdqu16 | Vmovdqu32 | Vmovdqu64 => whole(m, i)?,
        Vmovss => scalar(m, i, 4)?,
        Vmovsd => scalar(m, i, 8)?,
        Vmovd | Vmovq => {
            let size = if i.mnemonic() == Vmovd { 4 } else { 8 };
            let is_vector = |op| {
                i.op_kind(op) == OpKind::Register
                    && matches!(slot(i.op_register(op)), Ok(Slot::Vector { .. }))
            };
            let shape = Shape::new(size, 16);
            let value = if is_vector(1) {
                m.source(i, 1, shape, Reads::All)?.qwords()[0]
            } else {
                m.number(i, 1)?
            };
            if is_vector(0) {
                m.write(i, Vector::from_bytes(&value.to_le_bytes()[..size]), shape)?;
            } else {
                m.set_number(i, 0, value)?;
            }
        }
        Vmovlps | Vmovlpd => half(m, i, 0)?,
        Vmovhps | Vmovhpd => half(m, i, 1)?,
        Vextractps | Vpextrd => return extract(m, i, 4),
        Vpextrb => return extract(m, i, 1),
        Vpextrw => return extract(m, i, 2),
        Vpextrq => return extract(m, i, 8),
        Vpinsrb => return insert(m, i, 1),
        Vpinsrw => return insert(m, i, 2),
        Vpinsrd => return insert(m, i, 4),
        Vpinsrq => return insert(m, i, 8),
        _ => return Ok(false),
    }
    Ok(true)
}

/// A whole vector; an opmask chooses among elements.
fn whole(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome {
    use Mnemonic::*;
    let element = match i.mnemonic() {
        Vmovdqu8 => 1,
        Vmovdqu16 => 2,
        Vmovapd | Vmovupd | Vmovdqa64 | Vmovdqu64 => 8,
        _ => 4,
    };
    let shape = Shape::new(element, width(i));
    let value = m.source(i, 1, shape, Reads::Chosen(element))?;
    m.write(i, value, shape)
}

/// The lowest element: a load clears the others, a move between registers takes them from the
/// second operand.
fn scalar(m: &mut Machine<'_, '_>, i: &Instruction, size: usize) -> Outcome {
    let shape = Shape { element: size, count: 1 };
    let mut value = m.source(i, 1, shape, Reads::Chosen(size))?;
    if i.op_count() == 3 {
        let low = m.source(i, 2, shape, Reads::All)?;
        value.0[..size].copy_from_slice(&low.0[..size]);
    }
    m.write(i, value, shape)
}

/// The low or the high 64 bits of 128: a load takes the other half from the second operand.
fn half(m: &mut Machine<'_, '_>, i: &Instruction, half: usize) -> Outcome {
    let shape = Shape::new(8, 16);
    let mut words = m.source(i, 1, shape, Reads::All)?.qwords();
    if i.op_count() == 2 {
        return m.set_number(i, 0, words[half]);
    }
    words[half] = m.number(i, 2)?;
    m.write(i, Vector::from_qwords(words), shape)
}

fn extract(m: &mut Machine<'_, '_>, i: &Instruction, size: usize) -> Outcome<bool> {
    let Some(imm) = immediate8(i) else { return Ok(false) };
    let source = m.source(i, 1, Shape::new(size, 16), Reads::All)?;
    let offset = usize::from(imm) % (16 / size) * size;
    let mut bytes = [0; 8];
    bytes[..size].copy_from_slice(&source.0[offset..][..size]);
    m.set_number(i, 0, u64::from_le_bytes(bytes))?;
    Ok(true)
}

fn insert(m: &mut Machine<'_, '_>, i: &Instruction, size: usize) -> Outcome<bool> {
    let Some(imm) = immediate8(i) else { return Ok(false) };
    let shape = Shape::new(size, 16);
    let mut result = m.source(i, 1, shape, Reads::All)?;
    let offset = usize::from(imm) % (16 / size) * size;
    let number = m.number(i, 2)?.to_le_bytes();
    result.0[offset..][..size].copy_from_slice(&number[..size]);
    m.write(i, result, shape)?;
    Ok(true)
}
