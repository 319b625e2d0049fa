//! Operations that move lanes.

use iced_x86::Mnemonic;

use super::registers::Vector;

/// Bytes of the elements that an opmask chooses.
pub(super) fn element(mnemonic: Mnemonic) -> usize {
    use Mnemonic::*;
    match mnemonic {
        Vpshufb | Vpackuswb | Vpacksswb => 1,
        Vpackusdw | Vpackssdw => 2,
        Vunpcklpd | Vunpckhpd | Vpunpcklqdq | Vpunpckhqdq | Vmovddup | Vpermq | Vpermpd
        | Vshuff64x2 | Vshufi64x2 => 8,
        _ => 4,
    }
}

/// Whether the first operand is a source too.
pub(super) fn changes_destination(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(mnemonic, Vpermt2d | Vpermt2ps | Vpermi2d | Vpermi2ps)
}

/// The new value of a lane of a block, given the blocks of two sources and the index of the lane.
type Pick<'a> = &'a dyn Fn(&[u32], &[u32], usize) -> u32;

/// The result of an instruction on registers of `width` bytes; bytes above are arbitrary.
pub(super) fn shuffle(
    mnemonic: Mnemonic,
    s: [Vector; 3],
    imm: Option<u8>,
    width: usize,
) -> Option<Vector> {
    within_blocks(mnemonic, s, imm)
        .or_else(|| across_blocks(mnemonic, s, imm, width / 4))
        .or_else(|| of_bytes(mnemonic, s, imm))
        .or_else(|| packed(mnemonic, s, imm))
}

fn lanes(lane: &dyn Fn(usize) -> u32) -> Vector {
    Vector::from_dwords(std::array::from_fn(lane))
}

/// The result of an instruction that treats each block of 128 bits alike.
fn blocks([a, b, _]: [Vector; 3], pick: Pick<'_>) -> Vector {
    let (a, b) = (a.dwords(), b.dwords());
    lanes(&|lane| {
        let block = lane & !3;
        pick(&a[block..], &b[block..], lane & 3)
    })
}

/// The two bits of an immediate for a lane.
fn digit(imm: Option<u8>, lane: usize) -> usize {
    usize::from(imm.unwrap_or(0)) >> (2 * lane) & 3
}

/// Instructions that move 32 or 64 bits within blocks of 128.
fn within_blocks(mnemonic: Mnemonic, s: [Vector; 3], imm: Option<u8>) -> Option<Vector> {
    use Mnemonic::*;
    let blocks = |pick: Pick<'_>| blocks(s, pick);
    let digit = |lane: usize| digit(imm, lane);
    Some(match (mnemonic, imm) {
        (Vshufps, Some(_)) => blocks(&|a, b, lane| (if lane < 2 { a } else { b })[digit(lane)]),
        (Vpermilps | Vpshufd, Some(_)) => blocks(&|a, _, lane| a[digit(lane)]),
        (Vpermilps, None) => blocks(&|a, b, lane| a[b[lane] as usize & 3]),
        (Vunpcklps | Vpunpckldq, None) => {
            blocks(&|a, b, lane| (if lane % 2 == 0 { a } else { b })[lane / 2])
        }
        (Vunpckhps | Vpunpckhdq, None) => {
            blocks(&|a, b, lane| (if lane % 2 == 0 { a } else { b })[2 + lane / 2])
        }
        (Vunpcklpd | Vpunpcklqdq, None) => {
            blocks(&|a, b, lane| (if lane < 2 { a } else { b })[lane % 2])
        }
        (Vunpckhpd | Vpunpckhqdq, None) => {
            blocks(&|a, b, lane| (if lane < 2 { a } else { b })[2 + lane % 2])
        }
        (Vmovlhps, None) => blocks(&|a, b, lane| (if lane < 2 { a } else { b })[lane % 2]),
        (Vmovhlps, None) => blocks(&|a, b, lane| (if lane < 2 { b } else { a })[2 + lane % 2]),
        (Vmovshdup, None) => blocks(&|a, _, lane| a[lane | 1]),
        (Vmovsldup, None) => blocks(&|a, _, lane| a[lane & !1]),
        (Vmovddup, None) => blocks(&|a, _, lane| a[lane % 2]),
        _ => return None,
    })
}

/// Instructions that move 32 bits or more among all blocks, or choose between two sources.
fn across_blocks(
    mnemonic: Mnemonic,
    s: [Vector; 3],
    imm: Option<u8>,
    count: usize,
) -> Option<Vector> {
    use Mnemonic::*;
    let [a, b, c] = s.map(|source| source.dwords());
    let index = |word: u32| word as usize & (count - 1);
    let two_tables = |low: &[u32; 16], high: &[u32; 16], word: u32| {
        (if word as usize & count == 0 { low } else { high })[index(word)]
    };
    Some(match (mnemonic, imm) {
        (Vblendps | Vpblendd, Some(imm)) => lanes(&|lane| {
            let second = u32::from(imm).checked_shr(lane as u32).unwrap_or(0) & 1 == 1;
            (if second { b } else { a })[lane]
        }),
        (Vpermd | Vpermps, None) => lanes(&|lane| b[index(a[lane])]),
        (Vpermt2d | Vpermt2ps, None) => lanes(&|lane| two_tables(&a, &c, b[lane])),
        (Vpermi2d | Vpermi2ps, None) => lanes(&|lane| two_tables(&b, &c, a[lane])),
        (Vpermq | Vpermpd, Some(_)) => {
            lanes(&|lane| a[(lane & !7) + 2 * digit(imm, lane % 8 / 2) + lane % 2])
        }
        (Vpermq | Vpermpd, None) => {
            lanes(&|lane| b[2 * (a[lane & !1] as usize & (count / 2 - 1)) + lane % 2])
        }
        (Vshuff32x4 | Vshufi32x4 | Vshuff64x2 | Vshufi64x2, Some(imm)) => lanes(&|lane| {
            let (block, blocks) = (lane / 4, count / 4);
            // One bit for each block of 256 bits, two for each of 512.
            let chosen = usize::from(imm) >> (block * blocks / 2) & (blocks - 1);
            (if block < blocks / 2 { a } else { b })[4 * chosen + lane % 4]
        }),
        (Vperm2f128 | Vperm2i128, Some(imm)) => lanes(&|lane| {
            let choice = imm >> (lane / 4 % 2 * 4);
            let source = if choice & 2 == 0 { a } else { b };
            if choice & 8 == 0 { source[4 * usize::from(choice & 1) + lane % 4] } else { 0 }
        }),
        _ => return None,
    })
}

/// Instructions that move bytes within blocks.
fn of_bytes(mnemonic: Mnemonic, [a, b, _]: [Vector; 3], imm: Option<u8>) -> Option<Vector> {
    use Mnemonic::*;
    Some(match (mnemonic, imm) {
        (Vpshufb, None) => Vector(std::array::from_fn(|at| {
            let choice = b.0[at];
            if choice >> 7 == 1 { 0 } else { a.0[(at & !15) + usize::from(choice & 15)] }
        })),
        (Vpsrldq, Some(bytes)) => Vector(std::array::from_fn(|at| {
            let from = at % 16 + usize::from(bytes);
            if from < 16 { a.0[(at & !15) + from] } else { 0 }
        })),
        (Vpslldq, Some(bytes)) => Vector(std::array::from_fn(|at| {
            let from = (at % 16).checked_sub(usize::from(bytes));
            from.map_or(0, |from| a.0[(at & !15) + from])
        })),
        _ => return None,
    })
}

/// Instructions that narrow the elements of two sources, with saturation.
fn packed(mnemonic: Mnemonic, s: [Vector; 3], imm: Option<u8>) -> Option<Vector> {
    use Mnemonic::*;
    Some(match (mnemonic, imm) {
        (Vpackusdw | Vpackssdw, None) => {
            let (low, high) = if mnemonic == Vpackusdw { (0, 0xffff) } else { (-0x8000, 0x7fff) };
            let word = |word: u32| word.cast_signed().clamp(low, high) as u32 & 0xffff;
            blocks(s, &|a, b, lane| {
                let source = if lane < 2 { a } else { b };
                word(source[lane % 2 * 2]) | word(source[lane % 2 * 2 + 1]) << 16
            })
        }
        (Vpackuswb | Vpacksswb, None) => {
            let (low, high) = if mnemonic == Vpackuswb { (0, 0xff) } else { (-0x80, 0x7f) };
            let byte = |word: u32| (word as i16).clamp(low, high) as u8;
            let pair = |word: u32| [byte(word), byte(word >> 16)];
            blocks(s, &|a, b, lane| {
                let source = if lane < 2 { a } else { b };
                let [x, y] = [source[lane % 2 * 2], source[lane % 2 * 2 + 1]].map(pair);
                u32::from_le_bytes([x[0], x[1], y[0], y[1]])
            })
        }
        _ => return None,
    })
}
