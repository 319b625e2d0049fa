//! Arithmetic, comparisons and logic, element by element.

use brolga_ir::{DType, Var};

use super::integers::{bits, divide, of_bits, power_of_two, truncate, wrap};
use crate::call::{Call, Outs, Sound, mistake, one};
use crate::element::ElementType;
use crate::error::Fault;

/// An op of one operand that is one function of the IR.
macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident: |$x:ident| $body:expr;)*) => {
        $($(#[$doc])* pub(crate) fn $name(call: &Call<'_>) -> Outs {
            let $x = &call.var(0)?;
            one(wrap(&$body, call.element(0)?))
        })*
    };
}

unary! {
    /// |x|.
    abs: |x| x.abs();
    /// −x.
    neg: |x| -x;
    /// The sign: −1, 0 or 1.
    sign: |x| x.sign();
    /// ⌊x⌋.
    floor: |x| x.floor();
    /// ⌈x⌉.
    ceil: |x| -(-x).floor();
    /// eˣ.
    exp: |x| x.exp();
    /// ln x.
    log: |x| x.log();
    /// √x.
    sqrt: |x| x.sqrt();
    /// 1 / x.
    reciprocal: |x| 1.0 / x;
    /// The error function.
    erf: |x| x.erf();
    /// The nearest integer; of two the even one.
    round: |x| round_to_even(x);
    /// Not.
    not: |x| x.logical_not();
}

/// The nearest integer; of two the even one.
pub(crate) fn round_to_even(x: &Var) -> Var {
    let below = x.floor();
    let above = &below + 1.0;
    let rest = x - &below;
    let half = x.constant_like(0.5);
    let is_even = (&below * 0.5).floor().eq(&(&below * 0.5));
    let tie = is_even.select(&below, &above);
    let nearest = rest.lt(&half).select(&below, &above);
    let rounded = rest.eq(&half).select(&tie, &nearest);
    // Infinite ones have no rest.
    rest.eq(&rest).select(&rounded, x)
}

/// Two operands. Before opset 7 the second one has axes of the first from `axis` on, by default the
/// last ones.
pub(crate) fn pair(call: &Call<'_>) -> Result<(Var, Var), Fault> {
    let (a, b) = (call.var(0)?, call.var(1)?);
    if call.version >= 7 || !call.says("axis") {
        return Ok((a, b));
    }
    let (rank, own) = (a.shape().rank(), b.shape().rank());
    let axis = call.axis(0, rank)?;
    let Some(after) = rank.checked_sub(axis + own) else {
        return mistake(
            format!("{} from axis {axis} of {} on", b.ty(), a.ty()),
            "the second operand has no more axes than there are",
        );
    };
    let shape = b.shape().iter().copied().chain(std::iter::repeat_n(1, after));
    let b = b.reshape(shape.collect::<Vec<_>>());
    Ok((a, b))
}

/// An op of two operands that is one function of the IR.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident: |$a:ident, $b:ident| $body:expr;)*) => {
        $($(#[$doc])* pub(crate) fn $name(call: &Call<'_>) -> Outs {
            let ($a, $b) = &pair(call)?;
            one(wrap(&$body, call.element(0)?))
        })*
    };
}

binary! {
    /// a + b.
    add: |a, b| a + b;
    /// a − b.
    sub: |a, b| a - b;
    /// a · b.
    mul: |a, b| a * b;
    /// a / b, of integers towards zero.
    div: |a, b| if a.dtype().is_float() { a / b } else { divide(a, b) };
}

/// A comparison, or an op of two truth values.
macro_rules! predicates {
    ($($(#[$doc:meta])* $name:ident: |$a:ident, $b:ident| $body:expr;)*) => {
        $($(#[$doc])* pub(crate) fn $name(call: &Call<'_>) -> Outs {
            let ($a, $b) = &pair(call)?;
            one($body)
        })*
    };
}

predicates! {
    /// a = b.
    equal: |a, b| a.eq(b);
    /// a < b.
    less: |a, b| a.lt(b);
    /// a ≤ b.
    less_or_equal: |a, b| a.le(b);
    /// a > b.
    greater: |a, b| a.gt(b);
    /// a ≥ b.
    greater_or_equal: |a, b| a.ge(b);
    /// a ∧ b.
    and: |a, b| a.logical_and(b);
    /// a ∨ b.
    or: |a, b| a.logical_or(b);
    /// Whether exactly one of two holds.
    xor: |a, b| a.ne(b);
}

/// aᵇ, of the element type of a.
pub(crate) fn pow(call: &Call<'_>) -> Outs {
    let (a, b) = pair(call)?;
    let dtype = a.dtype();
    if dtype.is_float() {
        // A half's exponent may have more digits than a half has.
        let wide = if dtype == DType::F64 { dtype } else { DType::F32 };
        return one(a.cast(wide).pow(&b.cast(wide)).cast(dtype));
    }
    let power = a.cast(DType::F64).pow(&b.cast(DType::F64));
    one(wrap(&round_to_even(&power).cast(dtype), call.element(0)?))
}

/// The remainder of a division: with the sign of the divisor, or with `fmod` that of the dividend.
pub(crate) fn modulo(call: &Call<'_>) -> Outs {
    let (a, b) = (&call.var(0)?, &call.var(1)?);
    let fmod = call.flag("fmod", false);
    if !a.dtype().is_float() {
        let rest = a - divide(a, b) * b;
        return one(if fmod { rest } else { of_divisor(&rest, b) });
    }
    let (x, y) = (a.cast(DType::F64), b.cast(DType::F64));
    let rest = &x - truncate(&(&x / &y)) * &y;
    // A finite number is its own rest of an infinite one.
    let infinite = y.abs().eq(&y.constant_like(f64::INFINITY));
    let finite = x.abs().lt(&x.constant_like(f64::INFINITY));
    let rest = infinite.logical_and(&finite).select(&x, &rest);
    let rest = if fmod { rest } else { of_divisor(&rest, &y) };
    one(rest.cast(a.dtype()))
}

/// A remainder with the sign of the divisor.
fn of_divisor(rest: &Var, divisor: &Var) -> Var {
    let zero = rest.constant_like(0.0);
    let other = rest.lt(&zero).ne(&divisor.lt(&zero)).logical_and(&rest.ne(&zero));
    other.select(&(rest + divisor), rest)
}

/// The operands combined one after the other.
fn combined(call: &Call<'_>, combine: impl Fn(&Var, &Var) -> Var) -> Result<Var, Fault> {
    let vars = call.vars()?;
    let Some((first, rest)) = vars.split_first() else {
        return mistake("there is no operand", "the op takes one or more");
    };
    let element = call.element(0)?;
    Ok(rest.iter().fold(first.clone(), |a, b| wrap(&combine(&a, b), element)))
}

/// The sum of the operands.
pub(crate) fn sum(call: &Call<'_>) -> Outs {
    one(combined(call, |a, b| a + b)?)
}

/// The mean of the operands.
pub(crate) fn mean(call: &Call<'_>) -> Outs {
    one(combined(call, |a, b| a + b)? / call.count() as f64)
}

/// The greatest of the operands.
pub(crate) fn max(call: &Call<'_>) -> Outs {
    one(combined(call, Var::maximum)?)
}

/// The least of the operands.
pub(crate) fn min(call: &Call<'_>) -> Outs {
    one(combined(call, Var::minimum)?)
}

/// x limited to a range: by attributes before opset 11, by operands since.
pub(crate) fn clip(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let bound = |index: usize, name: &str| {
        Ok::<_, Fault>(if call.version < 11 {
            call.says(name).then(|| x.constant_like(call.float(name, 0.0)))
        } else {
            call.optional(index)?
        })
    };
    let x = bound(1, "min")?.map_or(x.clone(), |low| x.maximum(&low));
    one(bound(2, "max")?.map_or(x.clone(), |high| x.minimum(&high)))
}

/// Elements of one operand where a condition holds, of the other one elsewhere.
pub(crate) fn where_(call: &Call<'_>) -> Outs {
    one(call.var(0)?.select(&call.var(1)?, &call.var(2)?))
}

/// Whether x is not a number.
pub(crate) fn is_nan(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    one(x.ne(&x))
}

/// Whether x is infinite, of the signs that attributes choose.
pub(crate) fn is_inf(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    let infinite = |sign: f64| x.eq(&x.constant_like(sign * f64::INFINITY));
    let signs = (call.flag("detect_positive", true), call.flag("detect_negative", true));
    one(match signs {
        (true, true) => infinite(1.0).logical_or(&infinite(-1.0)),
        (true, false) => infinite(1.0),
        (false, true) => infinite(-1.0),
        (false, false) => x.ne(&x).logical_and(&x.eq(&x)),
    })
}

/// The bits of an integer type.
fn width(element: ElementType) -> u32 {
    let native = element.storage().map_or(64, |dtype| dtype.size() as u32 * 8);
    element.narrow().map_or(native, |(bits, _)| bits)
}

/// Bits moved to the left or to the right. To the right the sign comes in; by as many places as there
/// are bits, or more, nothing else is left.
pub(crate) fn bit_shift(call: &Call<'_>) -> Outs {
    let (x, by) = (call.var(0)?, call.var(1)?);
    let element = call.element(0)?;
    let direction = call.text("direction", "")?;
    let power = power_of_two(&by.cast(DType::I64), width(element).min(63)).cast(DType::I64);
    let x = x.cast(DType::I64);
    let shifted = match direction {
        "LEFT" => &x * &power,
        "RIGHT" => {
            let (zero, one) = (x.constant_like(0.0), x.constant_like(1.0));
            let (negative, all) = (x.lt(&zero), power.eq(&zero));
            let divisor = all.select(&one, &power);
            let quotient = divide(&x, &divisor);
            let below = negative.logical_and(&(&quotient * &divisor).ne(&x));
            let quotient = below.select(&(&quotient - &one), &quotient);
            all.select(&negative.select(&-&one, &zero), &quotient)
        }
        other => {
            return mistake(format!("`direction` is {other:?}"), "it is \"LEFT\" or \"RIGHT\"");
        }
    };
    let dtype = element.storage().unwrap_or(DType::I64);
    one(wrap(&shifted.cast(dtype), element))
}

/// An op on the bits of two integers.
fn bitwise(call: &Call<'_>, combine: impl Fn(&Var, &Var) -> Var) -> Outs {
    let (a, b, element) = (call.var(0)?, call.var(1)?, call.element(0)?);
    let dtype = a.dtype();
    let count = width(element);
    let pairs = bits(&a, count).into_iter().zip(bits(&b, count));
    let combined: Vec<Var> = pairs.map(|(a, b)| combine(&a, &b)).collect();
    match of_bits(&combined, dtype) {
        Some(result) => one(wrap(&result.sound()?, element)),
        None => mistake("an integer of 0 bits", "the model is not valid"),
    }
}

/// Bits that both integers have.
pub(crate) fn bitwise_and(call: &Call<'_>) -> Outs {
    bitwise(call, |a, b| a * b)
}

/// Bits that one of two integers has.
pub(crate) fn bitwise_or(call: &Call<'_>) -> Outs {
    bitwise(call, Var::maximum)
}

/// Bits that exactly one of two integers has.
pub(crate) fn bitwise_xor(call: &Call<'_>) -> Outs {
    bitwise(call, |a, b| (a - b).abs())
}

/// Bits that an integer does not have.
pub(crate) fn bitwise_not(call: &Call<'_>) -> Outs {
    let x = call.var(0)?;
    one(wrap(&(-&x - 1.0), call.element(0)?))
}
