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

/// What a lane of a block becomes, of the blocks of two sources and the number of the lane.
type Pick<'a> = &'a dyn Fn(&[u32], &[u32], usize) -> u32;

/// The result of an instruction on registers of so many bytes; what lies above is arbitrary.
pub(super) fn shuffle(
    mnemonic: Mnemonic,
    s: [Vector; 3],
    imm: Option<u8>,
    width: usize,
) -> Option<Vector> {
    use Mnemonic::*;
    let [a, b, c] = s.map(|source| source.dwords());
    let lanes = width / 4;
    let whole = |pick: &dyn Fn(usize) -> u32| Vector::from_dwords(std::array::from_fn(pick));
    // Each block of 128 bits alone.
    let blocks = |pick: Pick<'_>| {
        whole(&|lane| {
            let block = lane & !3;
            pick(&a[block..], &b[block..], lane & 3)
        })
    };
    let index = |word: u32| word as usize & (lanes - 1);
    let two_tables = |low: &[u32; 16], high: &[u32; 16], word: u32| {
        (if word as usize & lanes == 0 { low } else { high })[index(word)]
    };
    let imm_or_zero = usize::from(imm.unwrap_or(0));
    // The two bits of the immediate for a lane.
    let digit = |lane: usize| imm_or_zero >> (2 * lane) & 3;
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
        (Vmovshdup, None) => whole(&|lane| a[lane | 1]),
        (Vmovsldup, None) => whole(&|lane| a[lane & !1]),
        (Vmovddup, None) => blocks(&|a, _, lane| a[lane % 2]),
        (Vblendps | Vpblendd, Some(imm)) => whole(&|lane| {
            let second = u32::from(imm).checked_shr(lane as u32).unwrap_or(0) & 1 == 1;
            (if second { b } else { a })[lane]
        }),
        (Vpermd | Vpermps, None) => whole(&|lane| b[index(a[lane])]),
        (Vpermt2d | Vpermt2ps, None) => whole(&|lane| two_tables(&a, &c, b[lane])),
        (Vpermi2d | Vpermi2ps, None) => whole(&|lane| two_tables(&b, &c, a[lane])),
        (Vpermq | Vpermpd, Some(_)) => {
            whole(&|lane| a[(lane & !7) + 2 * digit(lane % 8 / 2) + lane % 2])
        }
        (Vpermq | Vpermpd, None) => {
            whole(&|lane| b[2 * (a[lane & !1] as usize & (lanes / 2 - 1)) + lane % 2])
        }
        (Vshuff32x4 | Vshufi32x4 | Vshuff64x2 | Vshufi64x2, Some(imm)) => whole(&|lane| {
            let (block, blocks) = (lane / 4, lanes / 4);
            // One bit for each block of 256 bits, two for each of 512.
            let chosen = usize::from(imm) >> (block * blocks / 2) & (blocks - 1);
            (if block < blocks / 2 { a } else { b })[4 * chosen + lane % 4]
        }),
        (Vperm2f128 | Vperm2i128, Some(imm)) => whole(&|lane| {
            let choice = imm >> (lane / 4 % 2 * 4);
            let source = if choice & 2 == 0 { a } else { b };
            if choice & 8 == 0 { source[4 * usize::from(choice & 1) + lane % 4] } else { 0 }
        }),
        (Vpshufb, None) => Vector(std::array::from_fn(|at| {
            let choice = s[1].0[at];
            if choice >> 7 == 1 { 0 } else { s[0].0[(at & !15) + usize::from(choice & 15)] }
        })),
        (Vpsrldq, Some(bytes)) => Vector(std::array::from_fn(|at| {
            let from = at % 16 + usize::from(bytes);
            if from < 16 { s[0].0[(at & !15) + from] } else { 0 }
        })),
        (Vpslldq, Some(bytes)) => Vector(std::array::from_fn(|at| {
            let from = (at % 16).checked_sub(usize::from(bytes));
            from.map_or(0, |from| s[0].0[(at & !15) + from])
        })),
        (Vpackusdw | Vpackssdw, None) => {
            let (low, high) = if mnemonic == Vpackusdw { (0, 0xffff) } else { (-0x8000, 0x7fff) };
            let word = |word: u32| word.cast_signed().clamp(low, high) as u32 & 0xffff;
            blocks(&|a, b, lane| {
                let source = if lane < 2 { a } else { b };
                word(source[lane % 2 * 2]) | word(source[lane % 2 * 2 + 1]) << 16
            })
        }
        (Vpackuswb | Vpacksswb, None) => {
            let (low, high) = if mnemonic == Vpackuswb { (0, 0xff) } else { (-0x80, 0x7f) };
            let byte = |word: u32| (word as i16).clamp(low, high) as u8;
            let pair = |word: u32| [byte(word), byte(word >> 16)];
            blocks(&|a, b, lane| {
                let source = if lane < 2 { a } else { b };
                let [x, y] = [source[lane % 2 * 2], source[lane % 2 * 2 + 1]].map(pair);
                u32::from_le_bytes([x[0], x[1], y[0], y[1]])
            })
        }
        _ => return None,
    })
}
