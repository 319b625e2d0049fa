//! The arithmetic language: every operation that rounds is written once against [`Lanes`].
//!
//! The order of arithmetic is part of the IR, so the meaning of an elementwise op is a short
//! program over the primitives of this trait. The reference interpreter runs it on one number at a
//! time ([`ScalarF32`], [`ScalarF64`]); code generation records it into a tile program of sixteen
//! lanes. Both therefore round the same values, and give the same bits.
//!
//! Arithmetic is IEEE 754 with round-to-nearest-even and gradual underflow. All NaNs are one value:
//! sign and payload of a NaN are not specified.

mod erf;
mod exp;
mod log;
mod log2;
mod operations;
mod philox;
mod pow;
mod scalar;
mod sigmoid;
mod tanh;
mod width;

pub use operations::{Binary, Kind, Shift, Unary};
pub use philox::{
    PHILOX_BLOCK, PHILOX_MULTIPLIERS, PHILOX_ROUNDS, PHILOX_WEYL, philox4x32, random_bits_at,
};
pub use scalar::{ScalarF32, ScalarF64};
pub use width::Width;

/// The primitives of which every elementwise op consists.
///
/// An implementation decides how many lanes a value has: one in the interpreter, sixteen in a tile
/// program. `F` holds floats, `I` two's complement integers, `M` truth values.
///
/// Comparisons with NaN are false.
pub trait Lanes {
    /// Float lanes.
    type F: Copy;
    /// Integer lanes, as wide as the floats.
    type I: Copy;
    /// Truth-value lanes.
    type M: Copy;

    /// The width of `F` and `I`, which chooses the programs of the transcendental functions.
    fn width(&self) -> Width {
        Width::W32
    }

    /// The same float in every lane. The `f64` of a constant is rounded to the lane's type.
    fn float(&mut self, value: f64) -> Self::F;
    /// The same integer in every lane.
    fn int(&mut self, value: i64) -> Self::I;
    /// The same truth value in every lane.
    fn truth(&mut self, value: bool) -> Self::M;

    /// `a + b`.
    fn add(&mut self, a: Self::F, b: Self::F) -> Self::F;
    /// `a − b`.
    fn sub(&mut self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b`.
    fn mul(&mut self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`.
    fn div(&mut self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, rounded once.
    fn fma(&mut self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The square root, correctly rounded.
    fn sqrt(&mut self, a: Self::F) -> Self::F;
    /// The sign bit inverted.
    fn neg(&mut self, a: Self::F) -> Self::F;
    /// The sign bit cleared.
    fn abs(&mut self, a: Self::F) -> Self::F;
    /// The largest integer not above `a`.
    fn floor(&mut self, a: Self::F) -> Self::F;
    /// The nearest integer, ties to even.
    fn round(&mut self, a: Self::F) -> Self::F;
    /// `a < b`.
    fn lt(&mut self, a: Self::F, b: Self::F) -> Self::M;
    /// `a ≤ b`.
    fn le(&mut self, a: Self::F, b: Self::F) -> Self::M;
    /// `a = b`.
    fn eq(&mut self, a: Self::F, b: Self::F) -> Self::M;
    /// `a` where the mask is true, `b` elsewhere.
    fn select(&mut self, mask: Self::M, a: Self::F, b: Self::F) -> Self::F;

    /// `a + b`, wrapping.
    fn iadd(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// `a − b`, wrapping.
    fn isub(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// `a · b`, wrapping.
    fn imul(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// The upper 32 bits of the unsigned product of two 32-bit integers.
    fn umulhi(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// Bitwise and.
    fn iand(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// Bitwise or.
    fn ior(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// Bitwise exclusive or.
    fn ixor(&mut self, a: Self::I, b: Self::I) -> Self::I;
    /// Shift left by a constant below the lane's width.
    fn shl(&mut self, a: Self::I, bits: u32) -> Self::I;
    /// Logical shift right by a constant below the lane's width.
    fn shr(&mut self, a: Self::I, bits: u32) -> Self::I;
    /// Arithmetic shift right by a constant below the lane's width.
    fn sar(&mut self, a: Self::I, bits: u32) -> Self::I;
    /// `a < b`, signed.
    fn ilt(&mut self, a: Self::I, b: Self::I) -> Self::M;
    /// `a = b`.
    fn ieq(&mut self, a: Self::I, b: Self::I) -> Self::M;
    /// `a` where the mask is true, `b` elsewhere.
    fn iselect(&mut self, mask: Self::M, a: Self::I, b: Self::I) -> Self::I;

    /// Conjunction.
    fn and(&mut self, a: Self::M, b: Self::M) -> Self::M;
    /// Disjunction.
    fn or(&mut self, a: Self::M, b: Self::M) -> Self::M;
    /// Negation.
    fn not(&mut self, a: Self::M) -> Self::M;

    /// The signed integer as a float, rounded to nearest.
    fn to_float(&mut self, a: Self::I) -> Self::F;
    /// The float as a signed integer: towards zero, saturating, 0 for NaN.
    fn to_int(&mut self, a: Self::F) -> Self::I;
    /// The bits of a float.
    fn bits(&mut self, a: Self::F) -> Self::I;
    /// The float with these bits.
    #[expect(clippy::wrong_self_convention, reason = "the lanes record the operation")]
    fn from_bits(&mut self, a: Self::I) -> Self::F;
    /// 1 where true, 0 elsewhere.
    fn mask_to_int(&mut self, a: Self::M) -> Self::I;

    /// `a > b`.
    fn gt(&mut self, a: Self::F, b: Self::F) -> Self::M {
        self.lt(b, a)
    }

    /// Whether `a` is NaN.
    fn is_nan(&mut self, a: Self::F) -> Self::M {
        let equal = self.eq(a, a);
        self.not(equal)
    }

    /// The smallest positive normal number.
    fn smallest_normal(&mut self) -> Self::F {
        let smallest = self.width().smallest_normal();
        self.float(smallest)
    }

    /// eˣ, at most 2 ULP off.
    fn exp(&mut self, x: Self::F) -> Self::F
    where
        Self: Sized,
    {
        exp::exp(self, x)
    }

    /// The natural logarithm, at most 2 ULP off.
    fn log(&mut self, x: Self::F) -> Self::F
    where
        Self: Sized,
    {
        log::log(self, x)
    }

    /// 2/√π · ∫₀ˣ e^(−t²) dt, at most 2 ULP off.
    fn erf(&mut self, x: Self::F) -> Self::F
    where
        Self: Sized,
    {
        erf::erf(self, x)
    }

    /// The hyperbolic tangent, at most 2 ULP off.
    fn tanh(&mut self, x: Self::F) -> Self::F
    where
        Self: Sized,
    {
        tanh::tanh(self, x)
    }

    /// 1 / (1 + e⁻ˣ), at most 2 ULP off.
    fn sigmoid(&mut self, x: Self::F) -> Self::F
    where
        Self: Sized,
    {
        sigmoid::sigmoid(self, x)
    }

    /// xʸ, with the special cases of C's `pow`, at most 2.5 ULP off.
    fn pow(&mut self, x: Self::F, y: Self::F) -> Self::F
    where
        Self: Sized,
    {
        pow::pow(self, x, y)
    }
}

/// A value of any of the three kinds of lanes.
pub enum Lane<L: Lanes + ?Sized> {
    /// A float.
    F(L::F),
    /// An integer.
    I(L::I),
    /// A truth value.
    M(L::M),
}

impl<L: Lanes + ?Sized> Clone for Lane<L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Lanes + ?Sized> Copy for Lane<L> {}

/// c₀ + c₁x + c₂x² + … by Horner's rule, each step one [`Lanes::fma`].
fn polynomial<L: Lanes>(l: &mut L, x: L::F, coefficients: &[f64]) -> L::F {
    let mut terms = coefficients.iter().rev();
    let mut sum = l.float(terms.next().copied().unwrap_or(0.0));
    for &c in terms {
        let c = l.float(c);
        sum = l.fma(sum, x, c);
    }
    sum
}

/// x limited to a range. NaN stays.
fn clamp<L: Lanes>(l: &mut L, x: L::F, [smallest, largest]: [f64; 2]) -> L::F {
    let (smallest, largest) = (l.float(smallest), l.float(largest));
    let too_small = l.lt(x, smallest);
    let x = l.select(too_small, smallest, x);
    let too_large = l.lt(largest, x);
    l.select(too_large, largest, x)
}
