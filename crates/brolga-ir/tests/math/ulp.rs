//! Errors in units in the last place; those of `f32` functions, measured against `f64`.

use std::fmt;
use std::ops::Range;

use brolga_ir::lanes::{Lanes, ScalarF32, ScalarF64};

/// A function of one argument, its reference, and its largest permitted error.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) f32: fn(f32) -> f32,
    pub(crate) f64: fn(f64) -> f64,
    pub(crate) max_ulp: f64,
}

pub(crate) const EXP: Function =
    Function { name: "exp", f32: |x| ScalarF32.exp(x), f64: |x| ScalarF64.exp(x), max_ulp: 1.0 };
pub(crate) const LOG: Function =
    Function { name: "log", f32: |x| ScalarF32.log(x), f64: |x| ScalarF64.log(x), max_ulp: 1.0 };
pub(crate) const TANH: Function =
    Function { name: "tanh", f32: |x| ScalarF32.tanh(x), f64: |x| ScalarF64.tanh(x), max_ulp: 2.0 };
pub(crate) const ERF: Function =
    Function { name: "erf", f32: |x| ScalarF32.erf(x), f64: |x| ScalarF64.erf(x), max_ulp: 2.0 };
pub(crate) const SIGMOID: Function = Function {
    name: "sigmoid",
    f32: |x| ScalarF32.sigmoid(x),
    f64: |x| ScalarF64.sigmoid(x),
    max_ulp: 2.0,
};

/// The largest error so far, and its argument.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Worst {
    pub(crate) ulp: f64,
    pub(crate) at: [f64; 2],
}

impl Worst {
    pub(crate) fn see(&mut self, at: [f64; 2], ulp: f64) {
        assert!(!ulp.is_nan(), "no error at {at:?}");
        if ulp > self.ulp {
            *self = Self { ulp, at };
        }
    }

    pub(crate) fn max(self, other: Self) -> Self {
        if other.ulp > self.ulp { other } else { self }
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4} ULP at {:?} ({:016x?})", self.ulp, self.at, self.at.map(f64::to_bits))
    }
}

impl Function {
    /// The largest error over every `stride`th float with bits in `range`.
    pub(crate) fn worst(&self, range: Range<u64>, stride: usize) -> Worst {
        let mut worst = Worst::default();
        for bits in range.step_by(stride) {
            let x = f32::from_bits(bits as u32);
            let error = error_in_ulp((self.f32)(x), (self.f64)(f64::from(x)));
            worst.see([x.into(), 0.0], error);
        }
        worst
    }

    pub(crate) fn check(&self, worst: Worst) {
        let Self { name, max_ulp, .. } = self;
        assert!(worst.ulp <= *max_ulp, "{name}: {worst}, at most {max_ulp} allowed");
    }
}

/// |got − expected| in units of the last place that a float of the size of `expected` has. A NaN
/// for a number, a number for a NaN, an infinity for a number that does not round to one within a
/// unit, and a zero with the wrong sign are infinitely wrong.
pub(crate) fn error_in_ulp(got: f32, expected: f64) -> f64 {
    if got.is_nan() && expected.is_nan() {
        return 0.0;
    }
    let opposite_signs = got.is_sign_negative() != expected.is_sign_negative();
    if got.is_nan() || expected.is_nan() || opposite_signs {
        return f64::INFINITY;
    }
    // Overflow counts as 2¹²⁸, the number after the largest float.
    let overflow = 128_f64.exp2();
    let got = f64::from(got.abs()).min(overflow);
    let expected = expected.abs().min(overflow);
    let exponent = (expected.to_bits() >> 52) as i32 - 1023;
    (got - expected).abs() / f64::from(exponent.clamp(-126, 127) - 23).exp2()
}

/// The generator of Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (2014).
pub(crate) struct SplitMix(pub(crate) u64);

impl SplitMix {
    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in [smallest, largest).
    pub(crate) fn between(&mut self, smallest: f64, largest: f64) -> f64 {
        smallest + self.uniform() * (largest - smallest)
    }
}
