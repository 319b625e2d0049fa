//! Arithmetic of integers that the IR has no op for: division, and the ranges of narrow types.

use brolga_ir::{DType, Var};

use crate::element::ElementType;

/// The quotient of integers, rounded towards zero; exact. Of a division by zero the result is not
/// specified.
pub(crate) fn divide(a: &Var, b: &Var) -> Var {
    let dtype = a.dtype();
    let quotient = |a: &Var| truncate(&(a.cast(DType::F64) / b.cast(DType::F64))).cast(dtype);
    if dtype != DType::I64 {
        // A quotient of two integers of 32 bits is an integer, or farther from one than f64 rounds.
        return quotient(a);
    }
    // The first quotient is off by its rounding, the second one by one at most.
    let first = quotient(a);
    let rest = a - &first * b;
    let second = first + quotient(&rest);
    let rest = a - &second * b;
    let (zero, one) = (a.constant_like(0.0), a.constant_like(1.0));
    let same_sign = a.lt(&zero).eq(&b.lt(&zero));
    let step = same_sign.select(&one, &a.constant_like(-1.0));
    let too_small = rest.abs().ge(&b.abs()).logical_and(&opposite(&rest, a).logical_not());
    let too_large = opposite(&rest, a);
    let second = too_small.select(&(&second + &step), &second);
    too_large.select(&(&second - &step), &second)
}

/// Whether two integers have opposite signs; zero has none.
fn opposite(a: &Var, b: &Var) -> Var {
    let zero = a.constant_like(0.0);
    let [below, above] =
        [a.lt(&zero).logical_and(&b.gt(&zero)), a.gt(&zero).logical_and(&b.lt(&zero))];
    below.logical_or(&above)
}

/// A float rounded towards zero.
pub(crate) fn truncate(x: &Var) -> Var {
    x.lt(&x.constant_like(0.0)).select(&-(-x).floor(), &x.floor())
}

/// An integer wrapped to the range of a type that is kept in a wider one.
pub(crate) fn wrap(x: &Var, element: ElementType) -> Var {
    let Some((bits, signed)) = element.narrow() else { return x.clone() };
    let wrapped = if x.dtype() == DType::I64 {
        x.cast(DType::I32).cast(DType::I64)
    } else {
        // The bits above wrap away, and come back as copies of the sign.
        let scale = f64::from(1_u32 << (31 - bits)) * 2.0;
        let shifted = x * x.constant_like(scale / 2.0) * x.constant_like(2.0);
        (shifted.cast(DType::F64) * (1.0 / scale)).floor().cast(DType::I32)
    };
    if signed {
        return wrapped;
    }
    let modulus = (bits as f64).exp2();
    wrapped.lt(&x.constant_like(0.0)).select(&(&wrapped + modulus), &wrapped)
}

/// Two to the power of integers from 0 on; 0 from `bits` on, which must be at most 64.
pub(crate) fn power_of_two(exponent: &Var, bits: u32) -> Var {
    let dtype = exponent.dtype();
    let powers: Vec<i64> = (0..bits).map(|bit| 1_i64.wrapping_shl(bit)).collect();
    let table = brolga_ir::Tensor::new([powers.len()], brolga_ir::Data::I64(powers));
    let tracer = exponent.tracer();
    match table {
        Some(table) => tracer.constant(table).gather(exponent).cast(dtype),
        None => tracer.scalar(dtype, 0.0),
    }
}

/// The bits of an integer as lists of 0 and 1, the lowest first; of its two's complement.
pub(crate) fn bits(x: &Var, count: u32) -> Vec<Var> {
    if x.dtype() == DType::I64 {
        let low = x.cast(DType::I32);
        let high =
            ((x - low.cast(DType::I64)).cast(DType::F64) * (-32.0_f64).exp2()).cast(DType::I32);
        let (lower, upper) = (count.min(32), count.saturating_sub(32));
        return bits(&low, lower).into_iter().chain(bits(&high, upper)).collect();
    }
    let mut rest = x.cast(DType::F64);
    let mut found = Vec::new();
    for _ in 0..count {
        let half = (&rest * 0.5).floor();
        found.push(rest - &half * 2.0);
        rest = half;
    }
    found
}

/// The integer of these bits, the lowest first, in two's complement if it has a sign.
pub(crate) fn of_bits(bits: &[Var], dtype: DType) -> Option<Var> {
    let part = |bits: &[Var]| {
        let terms = bits.iter().enumerate().map(|(k, bit)| bit * (k as f64).exp2());
        terms.reduce(|a, b| a + b)
    };
    if dtype != DType::I64 {
        // Numbers from 2³¹ on wrap to negative ones by way of i64.
        return part(bits).map(|sum| sum.cast(DType::I64).cast(dtype));
    }
    let (low, high) = bits.split_at(bits.len().min(32));
    let low = part(low)?.cast(DType::I64);
    let Some(high) = part(high) else { return Some(low) };
    let scale = low.constant_like(32_f64.exp2());
    Some(low + high.cast(DType::I64) * scale)
}
