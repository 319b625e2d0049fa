//! Arithmetic on one part: four lanes in one register.
//!
//! Masks are `I32X4` of all ones or zeros.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, I8X16, I32, I32X4, I64X2};
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FunctionBuilder;

use crate::clif;
use crate::tile::program::{Binary, Constant, Kind, Reduction, Shift, Unary};

/// The type of a register.
pub(super) fn part_type(kind: Kind) -> Type {
    match kind {
        Kind::Float => F32X4,
        Kind::Int | Kind::Mask => I32X4,
    }
}

/// Four 32-bit words.
pub(super) fn words(b: &mut FunctionBuilder<'_>, ty: Type, words: [u32; 4]) -> Value {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let constant = b.func.dfg.constants.insert(ConstantData::from(bytes));
    b.ins().vconst(ty, constant)
}

/// The same number in all lanes.
pub(super) fn constant(b: &mut FunctionBuilder<'_>, constant: Constant) -> Value {
    let word = match constant {
        Constant::Float(bits) => bits,
        Constant::Int(value) => value.cast_unsigned(),
        Constant::Mask(value) => mask_word(value),
    };
    words(b, part_type(constant.kind()), [word; 4])
}

fn mask_word(value: bool) -> u32 {
    if value { u32::MAX } else { 0 }
}

/// The same bits as another type.
pub(super) fn cast(b: &mut FunctionBuilder<'_>, ty: Type, value: Value) -> Value {
    if b.func.dfg.value_type(value) == ty {
        return value;
    }
    let flags = MemFlagsData::new().with_endianness(Endianness::Little);
    b.ins().bitcast(ty, flags, value)
}

pub(super) fn unary(b: &mut FunctionBuilder<'_>, op: Unary, a: Value) -> Value {
    match op {
        Unary::Sqrt => b.ins().sqrt(a),
        Unary::Neg => b.ins().fneg(a),
        Unary::Abs => b.ins().fabs(a),
        Unary::Floor => b.ins().floor(a),
        Unary::Round => b.ins().nearest(a),
        Unary::ToInt => b.ins().fcvt_to_sint_sat(I32X4, a),
        Unary::Bits => cast(b, I32X4, a),
        Unary::ToFloat => b.ins().fcvt_from_sint(F32X4, a),
        Unary::FromBits => cast(b, F32X4, a),
        Unary::Not => b.ins().bnot(a),
        Unary::MaskToInt => {
            let ones = words(b, I32X4, [1; 4]);
            b.ins().band(a, ones)
        }
    }
}

pub(super) fn binary(b: &mut FunctionBuilder<'_>, op: Binary, x: Value, y: Value) -> Value {
    clif::binary(b, op, x, y, umulhi)
}

/// The upper halves of the 64-bit products, two lanes at a time.
fn umulhi(b: &mut FunctionBuilder<'_>, x: Value, y: Value) -> Value {
    let (x_low, y_low) = (b.ins().uwiden_low(x), b.ins().uwiden_low(y));
    let (x_high, y_high) = (b.ins().uwiden_high(x), b.ins().uwiden_high(y));
    let low = b.ins().imul(x_low, y_low);
    let high = b.ins().imul(x_high, y_high);
    shuffle(b, I32X4, low, high, [1, 3, 5, 7])
}

pub(super) fn shift(b: &mut FunctionBuilder<'_>, op: Shift, a: Value, bits: u8) -> Value {
    let bits = b.ins().iconst(I32, i64::from(bits));
    match op {
        Shift::Left => b.ins().ishl(a, bits),
        Shift::Right => b.ins().ushr(a, bits),
        Shift::RightSigned => b.ins().sshr(a, bits),
    }
}

pub(super) fn select(b: &mut FunctionBuilder<'_>, mask: Value, x: Value, y: Value) -> Value {
    let mask = cast(b, b.func.dfg.value_type(x), mask);
    b.ins().bitselect(mask, x, y)
}

/// The 32-bit words `picks` of the eight words of `x` and `y`.
pub(super) fn shuffle(
    b: &mut FunctionBuilder<'_>,
    ty: Type,
    x: Value,
    y: Value,
    picks: [u8; 4],
) -> Value {
    let (x, y) = (cast(b, I8X16, x), cast(b, I8X16, y));
    let bytes: Vec<u8> =
        picks.iter().flat_map(|pick| (0..4).map(move |byte| 4 * pick + byte)).collect();
    let mask = b.func.dfg.immediates.push(ConstantData::from(bytes));
    let shuffled = b.ins().shuffle(x, y, mask);
    cast(b, ty, shuffled)
}

/// Four rows of four lanes as four columns.
pub(super) fn transpose(b: &mut FunctionBuilder<'_>, rows: [Value; 4]) -> [Value; 4] {
    let [upper, lower] = [[rows[0], rows[1]], [rows[2], rows[3]]]
        .map(|[x, y]| [[0, 4, 1, 5], [2, 6, 3, 7]].map(|picks| shuffle(b, F32X4, x, y, picks)));
    let picks = [[0, 1, 4, 5], [2, 3, 6, 7]];
    std::array::from_fn(|column| {
        shuffle(b, F32X4, upper[column / 2], lower[column / 2], picks[column % 2])
    })
}

/// The fixed tree over the four parts of a vector, the result in all lanes.
pub(super) fn reduce(
    b: &mut FunctionBuilder<'_>,
    reduction: Reduction,
    parts: [Value; 4],
) -> Value {
    let even = combine(b, reduction, parts[0], parts[2]);
    let odd = combine(b, reduction, parts[1], parts[3]);
    let four = combine(b, reduction, even, odd);
    let upper = shuffle(b, F32X4, four, four, [2, 3, 2, 3]);
    let two = combine(b, reduction, four, upper);
    let second = shuffle(b, F32X4, two, two, [1, 1, 1, 1]);
    let one = combine(b, reduction, two, second);
    shuffle(b, F32X4, one, one, [0; 4])
}

fn combine(b: &mut FunctionBuilder<'_>, reduction: Reduction, x: Value, y: Value) -> Value {
    match reduction {
        Reduction::Sum => b.ins().fadd(x, y),
        Reduction::Max => {
            let greater = b.ins().fcmp(FloatCC::LessThan, y, x);
            let chosen = select(b, greater, x, y);
            let number = b.ins().fcmp(FloatCC::Equal, x, x);
            select(b, number, chosen, x)
        }
    }
}

/// The two 64-bit words as a vector, the upper one zero.
pub(super) fn low_word(b: &mut FunctionBuilder<'_>, ty: Type, word: Value) -> Value {
    let wide = if b.func.dfg.value_type(word).bytes() == 8 { I64X2 } else { I32X4 };
    let vector = b.ins().scalar_to_vector(wide, word);
    cast(b, ty, vector)
}
