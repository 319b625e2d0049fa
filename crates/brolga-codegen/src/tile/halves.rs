//! The values of a program that are numbers of a 16-bit format, which rounding does not change.

use half::{bf16, f16};
use rustc_hash::FxHashMap;

use super::program::{Constant, Element, Op, Unary, Value};

/// The 16-bit formats of which every lane of a value is a number.
#[derive(Debug, Clone, Copy, Default)]
struct Formats {
    bf16: bool,
    f16: bool,
}

impl Formats {
    fn of(element: Element) -> Self {
        Self { bf16: element == Element::BF16, f16: element == Element::F16 }
    }

    fn and(self, other: Self) -> Self {
        Self { bf16: self.bf16 && other.bf16, f16: self.f16 && other.f16 }
    }
}

/// A builder's knowledge of 16-bit formats.
#[derive(Debug, Default)]
pub(super) struct Halves {
    /// Values with at least one format.
    formats: FxHashMap<Value, Formats>,
    /// The operand of each value that is rounded.
    sources: FxHashMap<Value, (Element, Value)>,
}

impl Halves {
    fn formats(&self, value: Value) -> Formats {
        self.formats.get(&value).copied().unwrap_or_default()
    }

    fn insert(&mut self, value: Value, formats: Formats) {
        if formats.bf16 || formats.f16 {
            self.formats.insert(value, formats);
        }
    }

    /// Whether an element holds every lane of the value as it is.
    pub(super) fn holds(&self, element: Element, value: Value) -> bool {
        let formats = self.formats(value);
        match element {
            Element::BF16 => formats.bf16,
            Element::F16 => formats.f16,
            Element::F32 | Element::I32 | Element::U8 => true,
        }
    }

    /// The operand, if the value is one rounded to this element; else the value.
    pub(super) fn source(&self, element: Element, value: Value) -> Value {
        match self.sources.get(&value) {
            Some(&(rounded, source)) if rounded == element => source,
            _ => value,
        }
    }

    pub(super) fn constant(&mut self, value: Value, constant: Constant) {
        if let Constant::Float(bits) = constant {
            let number = f32::from_bits(bits);
            let is_same = |half: f32| half.to_bits() == bits || half.is_nan() && number.is_nan();
            let formats = Formats {
                bf16: is_same(bf16::from_f32(number).to_f32()),
                f16: is_same(f16::from_f32(number).to_f32()),
            };
            self.insert(value, formats);
        }
    }

    pub(super) fn define(&mut self, value: Value, op: Op) {
        let formats = match op {
            Op::Load(element, ..) | Op::Broadcast(element, _) => Formats::of(element),
            Op::RoundTo(element, source) => {
                self.sources.insert(value, (element, source));
                Formats::of(element)
            }
            Op::Unary(Unary::Neg | Unary::Abs | Unary::Floor | Unary::Round, a) => self.formats(a),
            Op::Select(_, a, b) => self.formats(a).and(self.formats(b)),
            _ => Formats::default(),
        };
        self.insert(value, formats);
    }
}
