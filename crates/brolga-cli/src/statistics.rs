//! What a tensor holds, in a few numbers.

use std::fmt::Write;

use brolga_ir::{Data, Tensor};
use serde_json::{Value, json};

use crate::inputs::fnv1a;

/// Bins of a histogram.
const BINS: usize = 12;
/// The width of the longest bar.
const BAR: usize = 40;

/// Counts and moments of the elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statistics {
    pub(crate) elements: usize,
    /// The least and the greatest finite element; `None` if there is none.
    pub(crate) range: Option<(f64, f64)>,
    /// Of the finite elements.
    pub(crate) mean: f64,
    /// The root of the mean square distance from the mean.
    pub(crate) deviation: f64,
    pub(crate) zeros: usize,
    pub(crate) nan: usize,
    pub(crate) positive_infinities: usize,
    pub(crate) negative_infinities: usize,
    /// How many finite elements each of the equal parts of the range has.
    pub(crate) histogram: Vec<usize>,
    /// See [`hash`].
    pub(crate) hash: String,
}

/// The hash FNV-1a of the type and the [canonical bits](Data::canonical_bits): equal hashes mean,
/// most likely, equal bits.
pub(crate) fn hash(tensor: &Tensor) -> String {
    let bits = tensor.data().canonical_bits().into_iter().flat_map(u64::to_le_bytes);
    format!("{:016x}", fnv1a(tensor.ty().to_string().into_bytes().into_iter().chain(bits)))
}

impl Statistics {
    pub(crate) fn of(tensor: &Tensor) -> Self {
        let values = tensor.data().to_f64();
        let finite = || values.iter().copied().filter(|x| x.is_finite());
        let count = finite().count();
        let range = (count > 0).then(|| {
            finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(x), high.max(x))
            })
        });
        // Sums of halves keep the mean finite.
        let mean = 2.0 * finite().map(|x| x / 2.0 / count as f64).sum::<f64>();
        let square = finite().map(|x| (x - mean).powi(2) / count as f64).sum::<f64>();
        let counted = |is: &dyn Fn(f64) -> bool| values.iter().filter(|&&x| is(x)).count();
        Self {
            elements: values.len(),
            range,
            mean,
            deviation: square.sqrt(),
            zeros: counted(&|x| x == 0.0),
            nan: counted(&f64::is_nan),
            positive_infinities: counted(&|x| x == f64::INFINITY),
            negative_infinities: counted(&|x| x == f64::NEG_INFINITY),
            histogram: range.map(|range| histogram(range, finite())).unwrap_or_default(),
            hash: hash(tensor),
        }
    }

    /// Elements that are no finite numbers.
    pub(crate) fn not_finite(&self) -> usize {
        self.nan + self.positive_infinities + self.negative_infinities
    }

    pub(crate) fn json(&self) -> Value {
        let finite = |x: f64| x.is_finite().then_some(x);
        json!({
            "elements": self.elements,
            "min": self.range.map(|(low, _)| low),
            "max": self.range.map(|(_, high)| high),
            "mean": self.range.and(finite(self.mean)),
            "deviation": self.range.and(finite(self.deviation)),
            "zeros": self.zeros,
            "nan": self.nan,
            "positive_infinities": self.positive_infinities,
            "negative_infinities": self.negative_infinities,
            "histogram": self.histogram,
            "hash": self.hash,
        })
    }

    /// The numbers and the histogram, for a terminal.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "  {} elements, hash {}", self.elements, self.hash);
        if let Some((low, high)) = self.range {
            let [low, high, mean, deviation] =
                [low, high, self.mean, self.deviation].map(short_number);
            let _ = writeln!(text, "  min {low}, max {high}, mean {mean}, deviation {deviation}");
        }
        let _ = writeln!(
            text,
            "  {} zero, {} NaN, {} inf, {} -inf",
            self.zeros, self.nan, self.positive_infinities, self.negative_infinities
        );
        text.push_str(&self.bars());
        text
    }

    fn bars(&self) -> String {
        let mut text = String::new();
        let (Some((low, high)), Some(&most)) = (self.range, self.histogram.iter().max()) else {
            return text;
        };
        let edge = |bin: usize| edge((low, high), self.histogram.len(), bin);
        for (bin, &count) in self.histogram.iter().enumerate() {
            let bar = (count * BAR).div_ceil(most.max(1));
            let close = if bin + 1 == self.histogram.len() { ']' } else { ')' };
            let range =
                format!("[{}, {}{close}", short_number(edge(bin)), short_number(edge(bin + 1)));
            let line = format!("  {range:<24} {count:>9} {}", "█".repeat(bar));
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

/// The lower edge of a bin.
fn edge((low, high): (f64, f64), bins: usize, bin: usize) -> f64 {
    if bin == bins {
        return high;
    }
    let part = bin as f64 / bins as f64;
    low * (1.0 - part) + high * part
}

fn histogram((low, high): (f64, f64), values: impl Iterator<Item = f64>) -> Vec<usize> {
    if low == high {
        return vec![values.count()];
    }
    let mut bins = vec![0; BINS];
    for x in values {
        // Halves keep the width of the range finite.
        let part = (x / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        bins[((part * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    bins
}

/// A number in at most nine characters.
pub(crate) fn short_number(x: f64) -> String {
    if x == 0.0 || x.fract() == 0.0 && x.abs() < 1e6 {
        return format!("{x}");
    }
    let text = match x.abs() {
        size if (1e-3..1e6).contains(&size) => {
            let digits = (3 - size.log10().floor() as i32).clamp(0, 6) as usize;
            format!("{x:.digits$}")
        }
        _ => return format!("{x:.2e}"),
    };
    match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => text,
    }
}

/// The distance of two elements in units in the last place: how many numbers of the element type
/// lie between them, and 1. Integers are counted in the same way; all NaNs are one number,
/// infinitely far from all others.
pub(crate) fn ulps(a: &Data, b: &Data) -> Vec<u64> {
    fn distance(a: i128, b: i128) -> u64 {
        u64::try_from(a.abs_diff(b)).unwrap_or(u64::MAX)
    }
    let ordered = |bits: u64, width: u32| {
        let sign = 1_u64 << (width - 1);
        if bits & sign == 0 { i128::from(bits) } else { -i128::from(bits & (sign - 1)) }
    };
    let is_float = a.dtype().is_float();
    let width = 8 * a.dtype().size() as u32;
    let pairs = a.canonical_bits().into_iter().zip(b.canonical_bits());
    pairs
        .map(|(a, b)| match (a, b) {
            (a, b) if a == b => 0,
            (u64::MAX, _) | (_, u64::MAX) if is_float => u64::MAX,
            (a, b) if is_float => distance(ordered(a, width), ordered(b, width)).max(1),
            (a, b) => distance(i128::from(a as i64), i128::from(b as i64)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use brolga_ir::DType;

    use super::*;

    fn data(dtype: DType, values: &[f64]) -> Data {
        Data::from_f64(dtype, values)
    }

    fn tensor(dtype: DType, values: &[f64]) -> Tensor {
        Tensor::new([values.len()], data(dtype, values)).expect("as many as there are")
    }

    #[test]
    fn every_element_is_counted_once() {
        let values = [0.0, -0.0, 1.0, -3.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            let statistics = Statistics::of(&tensor(dtype, &values));
            assert_eq!(statistics.range, Some((-3.0, 1.0)));
            assert_eq!((statistics.mean, statistics.zeros), (-0.5, 2));
            assert_eq!((statistics.nan, statistics.not_finite()), (1, 3));
            assert_eq!(statistics.histogram.iter().sum::<usize>(), 4);
        }
        for dtype in [DType::I64, DType::I32, DType::U8, DType::Bool] {
            let statistics = Statistics::of(&tensor(dtype, &[0.0, 1.0, 1.0]));
            assert_eq!((statistics.range, statistics.zeros), (Some((0.0, 1.0)), 1));
        }
    }

    #[test]
    fn nothing_and_one_number_have_a_text() {
        let text = |values: &[f64]| {
            let text = Statistics::of(&tensor(DType::F32, values)).text();
            text.lines().skip(1).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(text(&[]), @"  0 zero, 0 NaN, 0 inf, 0 -inf");
        insta::assert_snapshot!(text(&[2.0; 4]), @"
          min 2, max 2, mean 2, deviation 0
          0 zero, 0 NaN, 0 inf, 0 -inf
          [2, 2]                           4 ████████████████████████████████████████
        ");
    }

    #[test]
    fn extremes_stay_finite() {
        let statistics = Statistics::of(&tensor(DType::F64, &[f64::MAX, f64::MIN, f64::MAX]));
        assert!(statistics.mean.is_finite());
        assert_eq!(statistics.histogram.iter().sum::<usize>(), 3);
    }

    #[test]
    fn numbers_are_short() {
        let text = [0.0, -0.0, 12.0, 0.125, 1.0 / 3.0, -123_456.789, 1e-9, 1e300, 999_999.9]
            .map(short_number);
        insta::assert_snapshot!(
            text.join(" "),
            @"0 -0 12 0.125 0.3333 -123457 1.00e-9 1.00e300 1000000"
        );
    }

    #[test]
    fn units_in_the_last_place() {
        let one = |a: f64, b: f64| ulps(&data(DType::F32, &[a]), &data(DType::F32, &[b]))[0];
        assert_eq!(one(1.0, f64::from(f32::from_bits(1.0_f32.to_bits() + 3))), 3);
        assert_eq!(one(0.0, -0.0), 1);
        assert_eq!(one(f64::from(f32::from_bits(1)), f64::from(-f32::from_bits(1))), 2);
        assert_eq!((one(f64::NAN, f64::NAN), one(f64::NAN, 1.0)), (0, u64::MAX));
        let ints = ulps(&data(DType::I32, &[-1.0, 7.0]), &data(DType::I32, &[2.0, 7.0]));
        assert_eq!(ints, [3, 0]);
    }
}
