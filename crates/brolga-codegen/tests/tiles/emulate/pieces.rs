//! Instructions whose source and destination differ in size: broadcasts, insertions, extractions,
//! conversions of width.

use half::f16;
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::operands::{immediate8, signed};
use super::registers::{Slot, Vector, slot};
use super::vector::{Reads, Shape, width};
use super::{Machine, Outcome};

/// Executes such an instruction; `false` if it is unknown.
pub(super) fn execute(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome<bool> {
    let mnemonic = i.mnemonic();
    if let Some((piece, element)) = broadcast(mnemonic) {
        let shape = Shape::new(element, width(i));
        let source = match slot(i.op_register(1)) {
            Ok(Slot::General { .. }) if i.op_kind(1) == OpKind::Register => {
                Vector::from_bytes(&m.number(i, 1)?.to_le_bytes())
            }
            _ => m.source(i, 1, shape, Reads::AllOrNothing)?,
        };
        m.write(i, Vector(std::array::from_fn(|at| source.0[at % piece])), shape)?;
    } else if let Some((piece, element)) = insertion(mnemonic) {
        let Some(imm) = immediate8(i) else { return Ok(false) };
        let shape = Shape::new(element, width(i));
        let mut result = m.source(i, 1, shape, Reads::All)?;
        let inserted = m.source(i, 2, shape, Reads::All)?;
        let index = usize::from(imm) % (width(i) / piece);
        result.0[index * piece..][..piece].copy_from_slice(&inserted.0[..piece]);
        m.write(i, result, shape)?;
    } else if let Some((piece, element)) = extraction(mnemonic) {
        let Some(imm) = immediate8(i) else { return Ok(false) };
        let shape = Shape::new(element, piece);
        let source = m.source(i, 1, shape, Reads::All)?;
        let index = usize::from(imm) % (width(i) / piece);
        if i.op_kind(0) == OpKind::Memory {
            // The mask chooses the written bytes, but all of the memory must exist.
            m.memory.check(m.address(i, 0)?, piece)?;
        }
        m.write(i, Vector::from_bytes(&source.0[index * piece..][..piece]), shape)?;
    } else if let Some((from, to, signs)) = extension(mnemonic) {
        let shape = Shape::new(to, width(i));
        let source = m.source(i, 1, shape, Reads::Chosen(from))?;
        m.write(i, resized(source, from, to, shape.count, signs), shape)?;
    } else if let Some((from, to)) = truncation(mnemonic) {
        let shape = Shape { element: to, count: width(i) / from };
        let source = m.source(i, 1, shape, Reads::All)?;
        m.write(i, resized(source, from, to, shape.count, false), shape)?;
    } else {
        return convert(m, i);
    }
    Ok(true)
}

/// Executes a conversion between halves and floats, or between lanes and bits of masks.
fn convert(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome<bool> {
    let mnemonic = i.mnemonic();
    if mnemonic == Mnemonic::Vcvtph2ps {
        let shape = Shape::new(4, width(i));
        let halves = m.source(i, 1, shape, Reads::Chosen(2))?;
        let half = |lane: usize| f16::from_le_bytes(halves.0.as_chunks().0[lane]);
        let words = std::array::from_fn(|lane| half(lane).to_f32().to_bits());
        m.write(i, Vector::from_dwords(words), shape)?;
    } else if mnemonic == Mnemonic::Vcvtps2ph {
        // The immediate has the rounding; 4 and above mean that of the machine.
        if immediate8(i) != Some(0) {
            return Ok(false);
        }
        let shape = Shape { element: 2, count: width(i) / 4 };
        let words = m.source(i, 1, shape, Reads::All)?.dwords();
        let mut halves = Vector::ZERO;
        for (half, word) in halves.0.as_chunks_mut().0.iter_mut().zip(words).take(shape.count) {
            *half = f16::from_f32(f32::from_bits(word)).to_le_bytes();
        }
        m.write(i, halves, shape)?;
    } else if mnemonic == Mnemonic::Vpmovm2d {
        let mask = m.number(i, 1)?;
        let lane = |lane: usize| if mask >> lane & 1 == 1 { u32::MAX } else { 0 };
        m.write(i, Vector::from_dwords(std::array::from_fn(lane)), Shape::new(4, width(i)))?;
    } else if matches!(mnemonic, Mnemonic::Vmovmskps | Mnemonic::Vpmovd2m) {
        let shape = Shape::new(4, width(i));
        let words = m.source(i, 1, shape, Reads::All)?.dwords();
        let bits = (0..shape.count).map(|lane| u64::from(words[lane] >> 31) << lane).sum();
        m.set_number(i, 0, bits)?;
    } else if matches!(mnemonic, Mnemonic::Vmaskmovps | Mnemonic::Vpmaskmovd) {
        masked_move(m, i)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Moves to or from memory in the lanes whose sign bit is set in the second operand; a load zeroes
/// the others.
fn masked_move(m: &mut Machine<'_, '_>, i: &Instruction) -> Outcome {
    debug_assert_eq!(i.op_mask(), Register::None, "these have no EVEX form");
    let shape = Shape::new(4, width(i));
    let mask = m.source(i, 1, shape, Reads::All)?.dwords();
    let chosen = (0..shape.count).filter(|&lane| mask[lane] >> 31 == 1);
    if i.op_kind(0) == OpKind::Memory {
        let words = m.source(i, 2, shape, Reads::All)?.dwords();
        let address = m.address(i, 0)?;
        for lane in chosen {
            m.memory.write(address.wrapping_add(4 * lane as u64), &words[lane].to_le_bytes())?;
        }
        Ok(())
    } else {
        let address = m.address(i, 2)?;
        let mut bytes = [0; 64];
        for lane in chosen {
            let at = address.wrapping_add(4 * lane as u64);
            m.memory.read(at, &mut bytes[4 * lane..][..4])?;
        }
        m.write(i, Vector(bytes), shape)
    }
}

/// Integers of `from` bytes as integers of `to` bytes.
fn resized(source: Vector, from: usize, to: usize, count: usize, signs: bool) -> Vector {
    let mut result = Vector::ZERO;
    for lane in 0..count {
        let mut bytes = [0; 8];
        bytes[..from].copy_from_slice(&source.0[lane * from..][..from]);
        let number = u64::from_le_bytes(bytes);
        let number = if signs { signed(number, from).cast_unsigned() } else { number };
        result.0[lane * to..][..to].copy_from_slice(&number.to_le_bytes()[..to]);
    }
    result
}

/// Bytes of the piece that is repeated, and of the elements that an opmask chooses.
fn broadcast(mnemonic: Mnemonic) -> Option<(usize, usize)> {
    use Mnemonic::*;
    Some(match mnemonic {
        Vpbroadcastb => (1, 1),
        Vpbroadcastw => (2, 2),
        Vbroadcastss | Vpbroadcastd => (4, 4),
        Vbroadcastsd | Vpbroadcastq => (8, 8),
        Vbroadcastf128 | Vbroadcasti128 | Vbroadcastf32x4 | Vbroadcasti32x4 => (16, 4),
        Vbroadcastf64x4 | Vbroadcasti64x4 => (32, 8),
        _ => return None,
    })
}

/// Bytes of the piece, and of the elements that an opmask chooses.
fn insertion(mnemonic: Mnemonic) -> Option<(usize, usize)> {
    use Mnemonic::*;
    Some(match mnemonic {
        Vinsertf128 | Vinserti128 | Vinsertf32x4 | Vinserti32x4 => (16, 4),
        Vinsertf64x2 | Vinserti64x2 => (16, 8),
        Vinsertf32x8 | Vinserti32x8 => (32, 4),
        Vinsertf64x4 | Vinserti64x4 => (32, 8),
        _ => return None,
    })
}

/// Bytes of the piece, and of the elements that an opmask chooses.
fn extraction(mnemonic: Mnemonic) -> Option<(usize, usize)> {
    use Mnemonic::*;
    Some(match mnemonic {
        Vextractf128 | Vextracti128 | Vextractf32x4 | Vextracti32x4 => (16, 4),
        Vextractf64x2 | Vextracti64x2 => (16, 8),
        Vextractf32x8 | Vextracti32x8 => (32, 4),
        Vextractf64x4 | Vextracti64x4 => (32, 8),
        _ => return None,
    })
}

/// Bytes before and after, and whether signs are kept.
fn extension(mnemonic: Mnemonic) -> Option<(usize, usize, bool)> {
    use Mnemonic::*;
    Some(match mnemonic {
        Vpmovzxbd => (1, 4, false),
        Vpmovsxbd => (1, 4, true),
        Vpmovzxwd => (2, 4, false),
        Vpmovsxwd => (2, 4, true),
        Vpmovzxdq => (4, 8, false),
        Vpmovsxdq => (4, 8, true),
        _ => return None,
    })
}

/// Bytes before and after.
fn truncation(mnemonic: Mnemonic) -> Option<(usize, usize)> {
    use Mnemonic::*;
    Some(match mnemonic {
        Vpmovdb => (4, 1),
        Vpmovdw => (4, 2),
        Vpmovqd => (8, 4),
        _ => return None,
    })
}
