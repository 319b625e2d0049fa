//! Box and Muller's transform, many numbers at a time.
//!
//! The results are within [`RELATIVE`] and [`ABSOLUTE`] of the formula that
//! [`Random::normal`](super::Random::normal) computes with the standard library's functions. Both
//! ends of that interval are rounded to `f32`. If they give the same bits, so does the formula,
//! since scaling and rounding are monotone; if not, the formula is evaluated. That happens once in
//! some ten thousand numbers.

use std::f64::consts::{FRAC_PI_2, LN_2, PI, TAU};

use brolga_ir::lanes::PHILOX_BLOCK;

use super::{Bits, Distribution, Draw};

/// The bound of the relative error. The series below have errors of less than 2⁻⁴³.
const RELATIVE: f64 = 1.0 / (1_u64 << 38) as f64;
/// The bound of the absolute error. The formula rounds an angle of up to 2π, and so has an error of
/// at most 6.7 · 2⁻⁴⁹.
const ABSOLUTE: f64 = 1.0 / (1_u64 << 44) as f64;
/// The bound of the error of a number of magnitude 2.
const AT_TWO: f64 = 2.0 * RELATIVE + ABSOLUTE;

/// The numbers of a block, and a bit for each number in each mask.
pub(super) struct Drawn {
    pub(super) values: [f32; PHILOX_BLOCK],
    /// The numbers that may differ from the formula's by one ULP, or in being rejected.
    pub(super) unsure: u64,
    /// The numbers beyond two standard deviations, which are drawn again.
    pub(super) rejected: u64,
}

/// The indices of these bits, ascending.
#[inline(always)]
pub(super) fn indices_of(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        (index < PHILOX_BLOCK).then_some(index)
    })
}

/// The flags as bits.
#[inline(always)]
fn bits_of(flags: [bool; PHILOX_BLOCK]) -> u64 {
    // Bit 56 + i of the product is byte i, which is 0 or 1.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (eights, _) = flags.as_chunks::<8>();
    eights.iter().rev().fold(0, |bits, eight| {
        let bytes = u64::from_le_bytes(eight.map(u8::from));
        bits << 8 | bytes.wrapping_mul(GATHER) >> 56
    })
}

/// The transform to the numbers of a distribution, with fused multiply-adds if `FMA`.
pub(super) struct BoxMuller<const FMA: bool> {
    offset: f64,
    factor: f64,
    /// The magnitude beyond which numbers are rejected.
    bound: f64,
}

impl<const FMA: bool> BoxMuller<FMA> {
    #[inline(always)]
    pub(super) fn new(of: &Distribution) -> Self {
        let bound = if of.draw == Draw::TruncatedNormal { 2.0 } else { f64::INFINITY };
        Self { offset: of.offset, factor: of.factor / of.divisor, bound }
    }

    /// The numbers of these bits.
    #[inline(always)]
    pub(super) fn draw(&self, u: &Bits, v: &Bits) -> Drawn {
        let mut values = [0.0; PHILOX_BLOCK];
        let [mut unsure, mut rejected] = [[false; PHILOX_BLOCK]; 2];
        for index in 0..PHILOX_BLOCK {
            let x = radius::<FMA>(u[index]) * cosine::<FMA>(v[index]);
            let error = fma::<FMA>(x.abs(), RELATIVE, ABSOLUTE) * self.factor.abs();
            let [low, high] = [-error, error]
                .map(|error| (self.offset + fma::<FMA>(x, self.factor, error)) as f32);
            values[index] = low;
            let beyond = x.abs() > self.bound + AT_TWO;
            let near = x.abs() > self.bound - AT_TWO;
            rejected[index] = beyond;
            unsure[index] = !beyond && (near || low.to_bits() != high.to_bits());
        }
        Drawn { values, unsure: bits_of(unsure), rejected: bits_of(rejected) }
    }
}

#[inline(always)]
fn fma<const FMA: bool>(a: f64, b: f64, c: f64) -> f64 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// The polynomial with these coefficients, that of the highest power last.
#[inline(always)]
fn polynomial<const FMA: bool, const N: usize>(x: f64, coefficients: [f64; N]) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, &coefficient| fma::<FMA>(sum, x, coefficient))
}

/// √(−2 · ln((u + 1) / 2³²)).
#[inline(always)]
fn radius<const FMA: bool>(u: u32) -> f64 {
    /// √½, so that the mantissa is around 1, where the logarithm has no cancellation.
    const LEAST: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    const TWO_52: f64 = 4_503_599_627_370_496.0;
    /// Those of −4 artanh z / z.
    const SERIES: [f64; 8] = {
        let mut factors = [-4.0; 8];
        let mut k = 1;
        while k < 8 {
            factors[k] /= (2 * k + 1) as f64;
            k += 1;
        }
        factors
    };
    let bits = (f64::from(u) + 1.0).to_bits();
    let exponent = (bits - LEAST) >> 52;
    let mantissa = f64::from_bits(bits - (exponent << 52));
    let exponent = f64::from_bits(TWO_52.to_bits() | exponent) - (TWO_52 + 32.0);
    // ln m = 2 artanh z, where |z| ≤ 0.172.
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    fma::<FMA>(exponent, -2.0 * LN_2, z * polynomial::<FMA, 8>(z * z, SERIES)).sqrt()
}

/// cos(2π · v / 2³²), the sine of an angle from −π/2 to π/2.
#[inline(always)]
fn cosine<const FMA: bool>(v: u32) -> f64 {
    const FACTORIALS: [f64; 9] = {
        let mut factors = [1.0; 9];
        let mut k = 1;
        while k < 9 {
            let n = 2.0 * k as f64;
            factors[k] = -factors[k - 1] / (n * (n + 1.0));
            k += 1;
        }
        factors
    };
    let y = fma::<FMA>(f64::from(v), TAU / 4_294_967_296.0, -PI).abs() - FRAC_PI_2;
    y * polynomial::<FMA, 9>(y * y, FACTORIALS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors that the intervals allow for, with room to spare.
    #[test]
    fn series_are_near_the_functions() {
        for step in 0..1_000_000_u32 {
            let bits = step.wrapping_mul(0x9e37_79b9).rotate_left(step % 7);
            let exact = (-2.0 * ((f64::from(bits) + 1.0) / 2f64.powi(32)).ln()).sqrt();
            for near in [radius::<false>(bits), radius::<true>(bits)] {
                assert!((near - exact).abs() <= exact * RELATIVE / 32.0, "radius of {bits}");
            }
            let exact = (std::f64::consts::TAU * f64::from(bits) / 2f64.powi(32)).cos();
            for near in [cosine::<false>(bits), cosine::<true>(bits)] {
                let error = exact.abs() * RELATIVE / 32.0 + ABSOLUTE / 16.0;
                assert!((near - exact).abs() <= error, "cosine of {bits}");
            }
        }
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(radius::<false>(u32::MAX), 0.0);
        assert!((radius::<false>(0) - 6.660_436_5).abs() < 1e-6);
        assert!((cosine::<false>(0) - 1.0).abs() < 1e-12);
        assert!((cosine::<false>(1 << 31) + 1.0).abs() < 1e-12);
        assert_eq!([cosine::<false>(1 << 30), cosine::<false>(3 << 30)], [0.0, 0.0]);
    }

    #[test]
    fn each_flag_is_a_bit() {
        for set in [0, 1, u64::MAX, 0x8000_0000_0000_0001, 0x0123_4567_89ab_cdef] {
            let flags = std::array::from_fn(|index| set >> index & 1 == 1);
            assert_eq!(bits_of(flags), set);
            let indices = indices_of(set).fold(0, |bits, index| bits | 1 << index);
            assert_eq!(indices, set);
        }
    }

    #[test]
    fn few_places_are_unsure() {
        let random = super::super::Random::new(1, 0);
        let of = Distribution { draw: Draw::Normal, offset: -0.0, factor: 0.05, divisor: 1.0 };
        let blocks = 0..2000;
        let doubtful = |block| {
            let drawn =
                BoxMuller::<false>::new(&of).draw(&random.block(block, 0), &random.block(block, 1));
            drawn.unsure.count_ones()
        };
        let count: u32 = blocks.map(doubtful).sum();
        assert!((1..200).contains(&count), "{count} of 128,000");
    }
}
