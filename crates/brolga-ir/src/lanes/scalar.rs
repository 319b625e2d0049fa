//! The interpreter's lanes: one number at a time.

use super::{Lanes, Width};

/// One `f32` lane with 32-bit integers: the reference for all native code.
#[derive(Debug, Default, Clone, Copy)]
pub struct ScalarF32;

/// One `f64` lane with 64-bit integers: the reference for gradients, and for `i64`.
#[derive(Debug, Default, Clone, Copy)]
pub struct ScalarF64;

macro_rules! scalar_lanes {
    ($f:ty, $i:ty, $u:ty) => {
        type F = $f;
        type I = $i;
        type M = bool;

        #[inline(always)]
        fn float(&mut self, value: f64) -> $f {
            value as $f
        }
        #[inline(always)]
        fn int(&mut self, value: i64) -> $i {
            value as $i
        }
        #[inline(always)]
        fn truth(&mut self, value: bool) -> bool {
            value
        }
        #[inline(always)]
        fn add(&mut self, a: $f, b: $f) -> $f {
            a + b
        }
        #[inline(always)]
        fn sub(&mut self, a: $f, b: $f) -> $f {
            a - b
        }
        #[inline(always)]
        fn mul(&mut self, a: $f, b: $f) -> $f {
            a * b
        }
        #[inline(always)]
        fn div(&mut self, a: $f, b: $f) -> $f {
            a / b
        }
        #[inline(always)]
        fn fma(&mut self, a: $f, b: $f, c: $f) -> $f {
            a.mul_add(b, c)
        }
        #[inline(always)]
        fn sqrt(&mut self, a: $f) -> $f {
            a.sqrt()
        }
        #[inline(always)]
        fn neg(&mut self, a: $f) -> $f {
            -a
        }
        #[inline(always)]
        fn abs(&mut self, a: $f) -> $f {
            a.abs()
        }
        #[inline(always)]
        fn floor(&mut self, a: $f) -> $f {
            a.floor()
        }
        #[inline(always)]
        fn round(&mut self, a: $f) -> $f {
            a.round_ties_even()
        }
        #[inline(always)]
        fn lt(&mut self, a: $f, b: $f) -> bool {
            a < b
        }
        #[inline(always)]
        fn le(&mut self, a: $f, b: $f) -> bool {
            a <= b
        }
        #[inline(always)]
        fn eq(&mut self, a: $f, b: $f) -> bool {
            a == b
        }
        #[inline(always)]
        fn select(&mut self, mask: bool, a: $f, b: $f) -> $f {
            if mask { a } else { b }
        }
        #[inline(always)]
        fn iadd(&mut self, a: $i, b: $i) -> $i {
            a.wrapping_add(b)
        }
        #[inline(always)]
        fn isub(&mut self, a: $i, b: $i) -> $i {
            a.wrapping_sub(b)
        }
        #[inline(always)]
        fn imul(&mut self, a: $i, b: $i) -> $i {
            a.wrapping_mul(b)
        }
        #[inline(always)]
        fn umulhi(&mut self, a: $i, b: $i) -> $i {
            ((u64::from(a as u32) * u64::from(b as u32)) >> 32) as $i
        }
        #[inline(always)]
        fn iand(&mut self, a: $i, b: $i) -> $i {
            a & b
        }
        #[inline(always)]
        fn ior(&mut self, a: $i, b: $i) -> $i {
            a | b
        }
        #[inline(always)]
        fn ixor(&mut self, a: $i, b: $i) -> $i {
            a ^ b
        }
        #[inline(always)]
        fn shl(&mut self, a: $i, bits: u32) -> $i {
            a << bits
        }
        #[inline(always)]
        fn shr(&mut self, a: $i, bits: u32) -> $i {
            ((a as $u) >> bits) as $i
        }
        #[inline(always)]
        fn sar(&mut self, a: $i, bits: u32) -> $i {
            a >> bits
        }
        #[inline(always)]
        fn ilt(&mut self, a: $i, b: $i) -> bool {
            a < b
        }
        #[inline(always)]
        fn ieq(&mut self, a: $i, b: $i) -> bool {
            a == b
        }
        #[inline(always)]
        fn iselect(&mut self, mask: bool, a: $i, b: $i) -> $i {
            if mask { a } else { b }
        }
        #[inline(always)]
        fn and(&mut self, a: bool, b: bool) -> bool {
            a & b
        }
        #[inline(always)]
        fn or(&mut self, a: bool, b: bool) -> bool {
            a | b
        }
        #[inline(always)]
        fn not(&mut self, a: bool) -> bool {
            !a
        }
        #[inline(always)]
        fn to_float(&mut self, a: $i) -> $f {
            a as $f
        }
        #[inline(always)]
        fn to_int(&mut self, a: $f) -> $i {
            a as $i
        }
        #[inline(always)]
        fn bits(&mut self, a: $f) -> $i {
            a.to_bits() as $i
        }
        #[inline(always)]
        fn from_bits(&mut self, a: $i) -> $f {
            <$f>::from_bits(a as $u)
        }
        #[inline(always)]
        fn mask_to_int(&mut self, a: bool) -> $i {
            <$i>::from(a)
        }
    };
}

impl Lanes for ScalarF32 {
    scalar_lanes!(f32, i32, u32);
}

impl Lanes for ScalarF64 {
    scalar_lanes!(f64, i64, u64);

    fn width(&self) -> Width {
        Width::W64
    }
}
