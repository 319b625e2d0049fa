//! Numbers as text: the shortest form that is read back to the same bits.

use std::str::FromStr;

use crate::tensor::{Data, to_bf16, to_f16};
use crate::types::DType;

/// A float from its `Debug` form in Rust, which has the fewest digits, and an exponent if it is
/// large.
fn float(debug: String) -> String {
    match debug.as_str() {
        "NaN" => "nan".to_owned(),
        text => text.strip_suffix(".0").map_or(debug.clone(), str::to_owned),
    }
}

pub(super) fn f32_to_text(x: f32) -> String {
    float(format!("{x:?}"))
}

pub(super) fn f64_to_text(x: f64) -> String {
    float(format!("{x:?}"))
}

/// A float of 16 bits: the fewest digits that `same` accepts.
fn half(x: f64, same: impl Fn(f64) -> bool) -> String {
    let rounded = |digits| format!("{x:.digits$e}").parse().ok().filter(|&x| same(x));
    f64_to_text((0..5).find_map(rounded).unwrap_or(x))
}

/// The elements one by one.
pub(super) fn elements(data: &Data) -> Vec<String> {
    match data {
        Data::F32(v) => v.iter().map(|&x| f32_to_text(x)).collect(),
        Data::F64(v) => v.iter().map(|&x| f64_to_text(x)).collect(),
        Data::BF16(v) => v.iter().map(|x| half(x.to_f64(), |y| to_bf16(y) == *x)).collect(),
        Data::F16(v) => v.iter().map(|x| half(x.to_f64(), |y| to_f16(y) == *x)).collect(),
        Data::I64(v) => v.iter().map(ToString::to_string).collect(),
        Data::I32(v) => v.iter().map(ToString::to_string).collect(),
        Data::U8(v) => v.iter().map(ToString::to_string).collect(),
        Data::Bool(v) => v.iter().map(ToString::to_string).collect(),
    }
}

/// Reads elements; on failure tells which one is no number of this type, and why.
pub(super) fn parse_elements(dtype: DType, texts: &[&str]) -> Result<Data, (usize, String)> {
    Ok(match dtype {
        DType::F32 => Data::F32(each(texts, |t| parse_float(t, dtype, f32::is_infinite))?),
        DType::F64 => Data::F64(each(texts, |t| parse_float(t, dtype, f64::is_infinite))?),
        DType::BF16 => {
            let wide = |t: &str| parse_float::<f64>(t, dtype, |x| to_bf16(x).is_infinite());
            Data::BF16(each(texts, |t| wide(t).map(to_bf16))?)
        }
        DType::F16 => {
            let wide = |t: &str| parse_float::<f64>(t, dtype, |x| to_f16(x).is_infinite());
            Data::F16(each(texts, |t| wide(t).map(to_f16))?)
        }
        DType::I64 => Data::I64(each(texts, |t| parse_int(t, dtype))?),
        DType::I32 => Data::I32(each(texts, |t| parse_int(t, dtype))?),
        DType::U8 => Data::U8(each(texts, |t| parse_int(t, dtype))?),
        DType::Bool => Data::Bool(each(texts, |t| {
            t.parse().map_err(|_| format!("`{t}` is not a bool; write true or false"))
        })?),
    })
}

fn each<T>(
    texts: &[&str],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, (usize, String)> {
    let numbered = texts.iter().enumerate();
    numbered.map(|(index, text)| parse(text).map_err(|reason| (index, reason))).collect()
}

/// Reads a float. Rust accepts more spellings than the text form has, such as `infinity`.
pub(super) fn parse_float<T: FromStr + Copy>(
    text: &str,
    dtype: DType,
    infinite: impl Fn(T) -> bool,
) -> Result<T, String> {
    let named = matches!(text, "nan" | "inf" | "-inf");
    let digits = text.strip_prefix('-').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit());
    match text.parse::<T>() {
        Ok(x) if named || (digits && !infinite(x)) => Ok(x),
        Ok(_) if digits => {
            Err(format!("`{text}` is too large for {dtype}; infinity is written inf"))
        }
        _ => Err(format!("`{text}` is not a number")),
    }
}

fn parse_int<T: FromStr>(text: &str, dtype: DType) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not an integer that {dtype} holds"))
}
