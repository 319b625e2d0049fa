//! Operations on each lane alone.

use iced_x86::Mnemonic;

/// An operation on one lane, given the lane of each source and the immediate.
#[derive(Clone, Copy)]
pub(super) enum Operation {
    Words(fn([u32; 3], u8) -> u32),
    Quads(fn([u64; 2], u8) -> u64),
}

/// The operation on the first operand, or the second if the first is only written; comparisons give
/// zero or ones.
pub(super) fn operation(mnemonic: Mnemonic) -> Option<Operation> {
    of_floats(mnemonic).or_else(|| of_bits(mnemonic)).or_else(|| of_integers(mnemonic))
}

fn of_floats(mnemonic: Mnemonic) -> Option<Operation> {
    use Mnemonic::*;
    use Operation::*;
    Some(match mnemonic {
        Vaddps | Vaddss => Words(|[a, b, _], _| floats([a, b], |[a, b]| a + b)),
        Vsubps | Vsubss => Words(|[a, b, _], _| floats([a, b], |[a, b]| a - b)),
        Vmulps | Vmulss => Words(|[a, b, _], _| floats([a, b], |[a, b]| a * b)),
        Vdivps | Vdivss => Words(|[a, b, _], _| floats([a, b], |[a, b]| a / b)),
        Vsqrtps => Words(|[a, ..], _| floats([a], |[a]| a.sqrt())),
        Vsqrtss => Words(|[_, b, _], _| floats([b], |[b]| b.sqrt())),
        // The second operand if the two are equal or one is NaN.
        Vminps | Vminss => Words(|[a, b, _], _| if float(a) < float(b) { a } else { b }),
        Vmaxps | Vmaxss => Words(|[a, b, _], _| if float(a) > float(b) { a } else { b }),
        Vfmadd132ps | Vfmadd132ss => Words(|[a, b, c], _| fma(a, c, b, 1.0, 1.0)),
        Vfmadd213ps | Vfmadd213ss => Words(|[a, b, c], _| fma(b, a, c, 1.0, 1.0)),
        Vfmadd231ps | Vfmadd231ss => Words(|[a, b, c], _| fma(b, c, a, 1.0, 1.0)),
        Vfmsub132ps | Vfmsub132ss => Words(|[a, b, c], _| fma(a, c, b, 1.0, -1.0)),
        Vfmsub213ps | Vfmsub213ss => Words(|[a, b, c], _| fma(b, a, c, 1.0, -1.0)),
        Vfmsub231ps | Vfmsub231ss => Words(|[a, b, c], _| fma(b, c, a, 1.0, -1.0)),
        Vfnmadd132ps | Vfnmadd132ss => Words(|[a, b, c], _| fma(a, c, b, -1.0, 1.0)),
        Vfnmadd213ps | Vfnmadd213ss => Words(|[a, b, c], _| fma(b, a, c, -1.0, 1.0)),
        Vfnmadd231ps | Vfnmadd231ss => Words(|[a, b, c], _| fma(b, c, a, -1.0, 1.0)),
        Vfnmsub132ps | Vfnmsub132ss => Words(|[a, b, c], _| fma(a, c, b, -1.0, -1.0)),
        Vfnmsub213ps | Vfnmsub213ss => Words(|[a, b, c], _| fma(b, a, c, -1.0, -1.0)),
        Vfnmsub231ps | Vfnmsub231ss => Words(|[a, b, c], _| fma(b, c, a, -1.0, -1.0)),
        Vcmpps => Words(|[a, b, _], predicate| compare_floats(a, b, predicate)),
        Vroundps | Vrndscaleps => Words(|[a, ..], mode| round(a, mode)),
        Vroundss | Vrndscaless => Words(|[_, b, _], mode| round(b, mode)),
        Vcvttps2dq => Words(|[a, ..], _| to_int(float(a).trunc())),
        Vcvtps2dq => Words(|[a, ..], _| to_int(float(a).round_ties_even())),
        Vcvtdq2ps => Words(|[a, ..], _| (a.cast_signed() as f32).to_bits()),
        _ => return None,
    })
}

/// Logical operations and selections.
fn of_bits(mnemonic: Mnemonic) -> Option<Operation> {
    use Mnemonic::*;
    use Operation::*;
    Some(match mnemonic {
        Vandps | Vandpd | Vpand | Vpandd | Vpandq => Words(|[a, b, _], _| a & b),
        Vandnps | Vandnpd | Vpandn | Vpandnd | Vpandnq => Words(|[a, b, _], _| !a & b),
        Vorps | Vorpd | Vpor | Vpord | Vporq => Words(|[a, b, _], _| a | b),
        Vxorps | Vxorpd | Vpxor | Vpxord | Vpxorq => Words(|[a, b, _], _| a ^ b),
        Vpternlogd | Vpternlogq => Words(ternary),
        Vptestmd => Words(|[a, b, _], _| ones(a & b != 0)),
        Vptestnmd => Words(|[a, b, _], _| ones(a & b == 0)),
        Vblendvps => Words(|[a, b, mask], _| if mask >> 31 == 1 { b } else { a }),
        Vpblendvb => Words(|[a, b, mask], _| {
            let [a, b, mask] = [a, b, mask].map(u32::to_le_bytes);
            let byte = |at: usize| if mask[at] >> 7 == 1 { b[at] } else { a[at] };
            u32::from_le_bytes(std::array::from_fn(byte))
        }),
        Vblendmps | Vpblendmd | Vblendmpd | Vpblendmq => Words(|[_, b, _], _| b),
        _ => return None,
    })
}

fn of_integers(mnemonic: Mnemonic) -> Option<Operation> {
    use Mnemonic::*;
    use Operation::*;
    Some(match mnemonic {
        Vpaddd => Words(|[a, b, _], _| a.wrapping_add(b)),
        Vpsubd => Words(|[a, b, _], _| a.wrapping_sub(b)),
        Vpmulld => Words(|[a, b, _], _| a.wrapping_mul(b)),
        Vpminsd => Words(|[a, b, _], _| a.cast_signed().min(b.cast_signed()).cast_unsigned()),
        Vpmaxsd => Words(|[a, b, _], _| a.cast_signed().max(b.cast_signed()).cast_unsigned()),
        Vpminud => Words(|[a, b, _], _| a.min(b)),
        Vpmaxud => Words(|[a, b, _], _| a.max(b)),
        Vpabsd => Words(|[a, ..], _| a.cast_signed().unsigned_abs()),
        Vpslld => Words(|[a, ..], n| a.checked_shl(n.into()).unwrap_or(0)),
        Vpsrld => Words(|[a, ..], n| a.checked_shr(n.into()).unwrap_or(0)),
        Vpsrad => Words(|[a, ..], n| (a.cast_signed() >> n.min(31)).cast_unsigned()),
        Vpcmpeqd => Words(|[a, b, _], _| ones(a == b)),
        Vpcmpgtd => Words(|[a, b, _], _| ones(a.cast_signed() > b.cast_signed())),
        Vpcmpd => {
            Words(|[a, b, _], predicate| compare(a.cast_signed().cmp(&b.cast_signed()), predicate))
        }
        Vpcmpud => Words(|[a, b, _], predicate| compare(a.cmp(&b), predicate)),
        Vpaddq => Quads(|[a, b], _| a.wrapping_add(b)),
        Vpsubq => Quads(|[a, b], _| a.wrapping_sub(b)),
        Vpmuludq => Quads(|[a, b], _| (a & 0xffff_ffff) * (b & 0xffff_ffff)),
        Vpsllq => Quads(|[a, _], n| a.checked_shl(n.into()).unwrap_or(0)),
        Vpsrlq => Quads(|[a, _], n| a.checked_shr(n.into()).unwrap_or(0)),
        _ => return None,
    })
}

/// Bytes of the elements that an opmask chooses and that memory broadcasts.
pub(super) fn element(mnemonic: Mnemonic) -> usize {
    use Mnemonic::*;
    match mnemonic {
        Vandpd | Vandnpd | Vorpd | Vxorpd | Vpandq | Vpandnq | Vporq | Vpxorq | Vpternlogq
        | Vblendmpd | Vpblendmq | Vpaddq | Vpsubq | Vpmuludq | Vpsllq | Vpsrlq => 8,
        _ => 4,
    }
}

/// Whether the first operand is a source too.
pub(super) fn changes_destination(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    // Mnemonics are in alphabetical order, so multiply-adds are contiguous.
    matches!(mnemonic, Vpternlogd | Vpternlogq) || (Vfmadd132pd..=Vfnmsub231ss).contains(&mnemonic)
}

/// Whether only the lowest lane is computed.
pub(super) fn is_scalar(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(
        mnemonic,
        Vaddss
            | Vsubss
            | Vmulss
            | Vdivss
            | Vsqrtss
            | Vminss
            | Vmaxss
            | Vroundss
            | Vrndscaless
            | Vfmadd132ss
            | Vfmadd213ss
            | Vfmadd231ss
            | Vfmsub132ss
            | Vfmsub213ss
            | Vfmsub231ss
            | Vfnmadd132ss
            | Vfnmadd213ss
            | Vfnmadd231ss
            | Vfnmsub132ss
            | Vfnmsub213ss
            | Vfnmsub231ss
    )
}

/// Whether the opmask chooses between the sources.
pub(super) fn is_blend(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(mnemonic, Vblendmps | Vpblendmd | Vblendmpd | Vpblendmq)
}

/// Whether the upper half of the immediate scales.
pub(super) fn is_scaled_round(mnemonic: Mnemonic) -> bool {
    matches!(mnemonic, Mnemonic::Vrndscaleps | Mnemonic::Vrndscaless)
}

/// Whether the operation has an immediate; shifts by a register, for example, are other operations.
pub(super) fn needs_immediate(mnemonic: Mnemonic) -> bool {
    use Mnemonic::*;
    matches!(
        mnemonic,
        Vcmpps
            | Vpcmpd
            | Vpcmpud
            | Vroundps
            | Vroundss
            | Vrndscaleps
            | Vrndscaless
            | Vpternlogd
            | Vpternlogq
            | Vpslld
            | Vpsrld
            | Vpsrad
            | Vpsllq
            | Vpsrlq
    )
}

fn float(word: u32) -> f32 {
    f32::from_bits(word)
}

fn ones(condition: bool) -> u32 {
    if condition { u32::MAX } else { 0 }
}

/// A result of arithmetic. If it is NaN, it is the first NaN among the operands made quiet, or else
/// the default NaN.
fn floats<const N: usize>(words: [u32; N], f: impl Fn([f32; N]) -> f32) -> u32 {
    let result = f(words.map(float));
    if result.is_nan() {
        let operand = words.into_iter().find(|&word| float(word).is_nan());
        operand.map_or(0xffc0_0000, |word| word | 0x0040_0000)
    } else {
        result.to_bits()
    }
}

/// `x · y + z` with the signs of product and addend, rounded once.
fn fma(x: u32, y: u32, z: u32, product: f32, addend: f32) -> u32 {
    floats([x, y, z], |[x, y, z]| (product * x).mul_add(y, addend * z))
}

/// Predicates of `vcmpps`; those from 16 on differ in the exceptions only.
fn compare_floats(a: u32, b: u32, predicate: u8) -> u32 {
    // When a predicate holds: less 1, equal 2, greater 4, unordered 8.
    const HOLDS: [u8; 16] = [2, 1, 3, 8, 13, 14, 12, 7, 10, 9, 11, 0, 5, 6, 4, 15];
    let relation = float(a).partial_cmp(&float(b)).map_or(8, |order| 1 << (order as i8 + 1));
    ones(HOLDS[usize::from(predicate & 15)] & relation != 0)
}

/// Predicates of `vpcmpd`.
fn compare(order: std::cmp::Ordering, predicate: u8) -> u32 {
    ones(match predicate & 7 {
        0 => order.is_eq(),
        1 => order.is_lt(),
        2 => order.is_le(),
        3 => false,
        4 => order.is_ne(),
        5 => order.is_ge(),
        6 => order.is_gt(),
        _ => true,
    })
}

/// To an integer, by bits 0 and 1 of the mode, or to the nearest as the machine's mode is if bit 2
/// is set.
fn round(a: u32, mode: u8) -> u32 {
    floats([a], |[a]| match mode & 7 {
        1 => a.floor(),
        2 => a.ceil(),
        3 => a.trunc(),
        _ => a.round_ties_even(),
    })
}

/// An integral float as an integer; the most negative one if it does not fit.
fn to_int(whole: f32) -> u32 {
    if (-2_147_483_648.0..2_147_483_648.0).contains(&whole) {
        (whole as i32).cast_unsigned()
    } else {
        0x8000_0000
    }
}

/// Bit by bit the table of eight entries, with a bit of `a` as the highest digit of the index.
fn ternary([a, b, c]: [u32; 3], table: u8) -> u32 {
    (0..32).fold(0, |result, bit| {
        let index = (a >> bit & 1) << 2 | (b >> bit & 1) << 1 | c >> bit & 1;
        result | u32::from(table >> index & 1) << bit
    })
}
