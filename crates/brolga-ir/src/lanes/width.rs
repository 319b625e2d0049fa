//! The width of lanes, and the numbers that the programs of the transcendental functions take from
//! it.

use std::f64::consts::LN_2;

/// The width of the lanes of floats and integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// `f32` and `i32`.
    W32,
    /// `f64` and `i64`.
    W64,
}

impl Width {
    /// The bits of the fraction field, which lies below the exponent field.
    pub(super) const fn fraction_bits(self) -> u32 {
        match self {
            Self::W32 => f32::MANTISSA_DIGITS - 1,
            Self::W64 => f64::MANTISSA_DIGITS - 1,
        }
    }

    /// The bias of the exponent field.
    pub(super) const fn bias(self) -> f64 {
        match self {
            Self::W32 => 127.0,
            Self::W64 => 1023.0,
        }
    }

    /// 1.5·2ᶠ, f being the bits of the fraction field: the floats around it are the integers around
    /// it.
    pub(super) const fn rounder(self) -> f64 {
        1.5 * (1_u64 << self.fraction_bits()) as f64
    }

    /// The sign bit alone.
    pub(super) const fn sign_bit(self) -> i64 {
        match self {
            Self::W32 => i32::MIN as i64,
            Self::W64 => i64::MIN,
        }
    }

    /// The smallest positive normal number.
    pub(super) const fn smallest_normal(self) -> f64 {
        match self {
            Self::W32 => f32::MIN_POSITIVE as f64,
            Self::W64 => f64::MIN_POSITIVE,
        }
    }

    /// ln 2 rounded to a lane, and the rest of it.
    pub(super) const fn ln_2(self) -> [f64; 2] {
        match self {
            Self::W32 => [LN_2 as f32 as f64, LN_2 - LN_2 as f32 as f64],
            Self::W64 => [LN_2, 2.319_046_813_846_299_6e-17],
        }
    }
}
