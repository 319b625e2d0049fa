//! Floats as NumPy prints them.

use std::fmt::{Display, LowerExp};

use brolga_ir::Data;
use brolga_ir::tensor::{to_bf16, to_f16};

/// The most digits after the point, in arrays.
const PRECISION: usize = 8;

/// A float, with the fewest digits that distinguish it from all others.
pub(super) struct Float {
    exact: f64,
    plain: String,
    exponential: String,
    /// The number from which on the element type has no digits after the point; at most 1e8.
    large: f64,
}

impl Float {
    /// The elements, if they are floats.
    pub(super) fn of(data: &Data) -> Option<Vec<Self>> {
        Some(match data {
            Data::F32(v) => v.iter().map(|x| Self::shortest(f64::from(*x), x, 1e6)).collect(),
            Data::F64(v) => v.iter().map(|x| Self::shortest(*x, x, 1e8)).collect(),
            Data::BF16(v) => {
                v.iter().map(|&x| Self::half(x.to_f64(), |y| to_bf16(y) == x, 1e2)).collect()
            }
            Data::F16(v) => {
                v.iter().map(|&x| Self::half(x.to_f64(), |y| to_f16(y) == x, 1e3)).collect()
            }
            Data::I64(_) | Data::I32(_) | Data::U8(_) | Data::Bool(_) => return None,
        })
    }

    /// Rust prints the fewest digits.
    fn shortest(exact: f64, number: &(impl Display + LowerExp), large: f64) -> Self {
        Self { exact, plain: number.to_string(), exponential: format!("{number:e}"), large }
    }

    /// The fewest digits that round to the same number.
    fn half(exact: f64, is_same: impl Fn(f64) -> bool, large: f64) -> Self {
        let rounded = |digits| format!("{exact:.digits$e}").parse().unwrap_or(exact);
        let shortest = (0..PRECISION).map(rounded).find(|&number| is_same(number));
        Self { exact, ..Self::shortest(exact, &shortest.unwrap_or(exact), large) }
    }

    /// The float alone, as Python writes it.
    pub(super) fn scalar(&self) -> String {
        let size = self.exact.abs();
        if let Some(special) = self.special() {
            special.to_owned()
        } else if size == 0.0 || (1e-4..1e16).contains(&size) {
            let point = if self.plain.contains('.') { "" } else { ".0" };
            format!("{}{point}", self.plain)
        } else {
            let (mantissa, exponent) = split(&self.exponential, 'e');
            format!("{mantissa}{}", sized(exponent))
        }
    }

    /// The text of a NaN or an infinity.
    fn special(&self) -> Option<&'static str> {
        match self.exact {
            x if x.is_finite() => None,
            x if x.is_nan() => Some("nan"),
            x if x > 0.0 => Some("inf"),
            _ => Some("-inf"),
        }
    }

    /// The text without an exponent, with at most [`PRECISION`] digits after the point.
    fn plain(&self) -> String {
        if split(&self.plain, '.').1.len() <= PRECISION {
            return self.plain.clone();
        }
        format!("{:.PRECISION$}", self.exact).trim_end_matches('0').to_owned()
    }

    /// The number of digits between the point and the exponent.
    fn digits(&self) -> usize {
        split(split(&self.exponential, 'e').0, '.').1.len().min(PRECISION)
    }

    /// The text with an exponent and this number of digits after the point.
    fn scientific(&self, digits: usize) -> String {
        let text = format!("{:.digits$e}", self.exact);
        let (mantissa, exponent) = split(&text, 'e');
        let point = if digits == 0 { "." } else { "" };
        format!("{mantissa}{point}{}", sized(exponent))
    }
}

/// The parts before and after a mark.
fn split(text: &str, mark: char) -> (&str, &str) {
    text.split_once(mark).unwrap_or((text, ""))
}

/// `e-05` for `-5`.
fn sized(exponent: &str) -> String {
    match exponent.strip_prefix('-') {
        Some(size) => format!("e-{size:0>2}"),
        None => format!("e+{exponent:0>2}"),
    }
}

/// Floats with aligned points; all have exponents if some are large or tiny, or their sizes differ
/// much.
pub(super) fn aligned(floats: &[Float]) -> Vec<String> {
    let finite = || floats.iter().filter(|x| x.exact.is_finite());
    let sizes = || finite().map(|x| x.exact.abs()).filter(|size| *size > 0.0);
    let (most, least) = (sizes().fold(0.0, f64::max), sizes().fold(f64::INFINITY, f64::min));
    if most >= floats.first().map_or(0.0, |x| x.large) || least < 1e-4 || most / least > 1000.0 {
        let digits = finite().map(Float::digits).max().unwrap_or(0);
        let text = |x: &Float| x.special().map_or_else(|| x.scientific(digits), str::to_owned);
        return floats.iter().map(text).collect();
    }
    let fraction = finite().map(|x| split(&x.plain(), '.').1.len()).max().unwrap_or(0);
    let text = |x: &Float| {
        let plain = x.plain();
        let (whole, digits) = split(&plain, '.');
        x.special().map_or_else(|| format!("{whole}.{digits:<fraction$}"), str::to_owned)
    };
    floats.iter().map(text).collect()
}
