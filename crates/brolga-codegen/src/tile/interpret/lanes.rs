//! Arithmetic on sixteen lanes, each by the interpreter of the IR.

use brolga_ir::lanes::{Lanes, ScalarF32};
use half::{bf16, f16};

use crate::tile::program::{Binary, Constant, Element, LANES, Reduction, Shift, Unary};

/// Sixteen words: the bits of floats, two's complement integers, or 0 and 1 for truth values.
pub(super) type Vector = [u32; LANES];

pub(super) fn constant(constant: Constant) -> Vector {
    let word = match constant {
        Constant::Float(bits) => bits,
        Constant::Int(value) => value.cast_unsigned(),
        Constant::Mask(value) => u32::from(value),
    };
    [word; LANES]
}

fn float(word: u32) -> f32 {
    f32::from_bits(word)
}

fn int(word: u32) -> i32 {
    word.cast_signed()
}

/// The floats that a load gives after a store of the element.
pub(super) fn round_to(element: Element, a: Vector) -> Vector {
    a.map(|a| match element {
        Element::F16 => f16::from_f32(float(a)).to_f32().to_bits(),
        _ => bf16::from_f32(float(a)).to_f32().to_bits(),
    })
}

pub(super) fn unary(op: Unary, a: Vector) -> Vector {
    let s = &mut ScalarF32;
    a.map(|a| match op {
        Unary::Sqrt => s.sqrt(float(a)).to_bits(),
        Unary::Neg => s.neg(float(a)).to_bits(),
        Unary::Abs => s.abs(float(a)).to_bits(),
        Unary::Floor => s.floor(float(a)).to_bits(),
        Unary::Round => s.round(float(a)).to_bits(),
        Unary::ToInt => s.to_int(float(a)).cast_unsigned(),
        Unary::Bits => s.bits(float(a)).cast_unsigned(),
        Unary::ToFloat => s.to_float(int(a)).to_bits(),
        Unary::FromBits => s.from_bits(int(a)).to_bits(),
        Unary::Not => s.not(a != 0).into(),
        Unary::MaskToInt => s.mask_to_int(a != 0).cast_unsigned(),
    })
}

pub(super) fn binary(op: Binary, x: Vector, y: Vector) -> Vector {
    let s = &mut ScalarF32;
    std::array::from_fn(|lane| {
        let (x, y) = (x[lane], y[lane]);
        match op {
            Binary::Add => s.add(float(x), float(y)).to_bits(),
            Binary::Sub => s.sub(float(x), float(y)).to_bits(),
            Binary::Mul => s.mul(float(x), float(y)).to_bits(),
            Binary::Div => s.div(float(x), float(y)).to_bits(),
            Binary::Lt => s.lt(float(x), float(y)).into(),
            Binary::Le => s.le(float(x), float(y)).into(),
            Binary::Eq => s.eq(float(x), float(y)).into(),
            Binary::IAdd => s.iadd(int(x), int(y)).cast_unsigned(),
            Binary::ISub => s.isub(int(x), int(y)).cast_unsigned(),
            Binary::IMul => s.imul(int(x), int(y)).cast_unsigned(),
            Binary::UMulHi => s.umulhi(int(x), int(y)).cast_unsigned(),
            Binary::IAnd => s.iand(int(x), int(y)).cast_unsigned(),
            Binary::IOr => s.ior(int(x), int(y)).cast_unsigned(),
            Binary::IXor => s.ixor(int(x), int(y)).cast_unsigned(),
            Binary::ILt => s.ilt(int(x), int(y)).into(),
            Binary::IEq => s.ieq(int(x), int(y)).into(),
            Binary::And => s.and(x != 0, y != 0).into(),
            Binary::Or => s.or(x != 0, y != 0).into(),
        }
    })
}

pub(super) fn shift(op: Shift, a: Vector, bits: u8) -> Vector {
    let s = &mut ScalarF32;
    a.map(|a| {
        let shifted = match op {
            Shift::Left => s.shl(int(a), bits.into()),
            Shift::Right => s.shr(int(a), bits.into()),
            Shift::RightSigned => s.sar(int(a), bits.into()),
        };
        shifted.cast_unsigned()
    })
}

pub(super) fn fma(x: Vector, y: Vector, z: Vector) -> Vector {
    std::array::from_fn(|lane| {
        ScalarF32.fma(float(x[lane]), float(y[lane]), float(z[lane])).to_bits()
    })
}

pub(super) fn select(mask: Vector, x: Vector, y: Vector) -> Vector {
    std::array::from_fn(|lane| if mask[lane] != 0 { x[lane] } else { y[lane] })
}

/// Lane l with lane l + 8, then l + 4, l + 2, l + 1.
pub(super) fn reduce(reduction: Reduction, mut a: Vector) -> Vector {
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            a[lane] = combine(reduction, float(a[lane]), float(a[lane + half])).to_bits();
        }
    }
    [a[0]; LANES]
}

fn combine(reduction: Reduction, x: f32, y: f32) -> f32 {
    match reduction {
        Reduction::Sum => x + y,
        Reduction::Max => {
            if x > y || x.is_nan() {
                x
            } else {
                y
            }
        }
    }
}
