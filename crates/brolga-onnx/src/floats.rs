//! Floats of 4, 6 and 8 bits. The IR has none; they are kept as the `f32` of the same value.

use brolga_ir::{DType, Var};

use crate::element::ElementType;

/// The bits of a small float, and what its largest codes mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// The bits of all.
    pub(crate) bits: u32,
    mantissa: u32,
    bias: i32,
    greatest: f64,
    /// What is too large, where it is not limited.
    overflow: Overflow,
    /// Whether there is a negative zero.
    negative_zero: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Overflow {
    /// Infinity.
    Infinite,
    /// Not a number.
    NaN,
    /// The greatest number: the format has neither infinity nor NaN.
    Limited,
}

impl Format {
    /// The format of an element type; `None` if it is no small float.
    pub(crate) fn of(element: ElementType) -> Option<Self> {
        use ElementType as E;
        let format = |bits, mantissa, bias, greatest, overflow, negative_zero| {
            Some(Self { bits, mantissa, bias, greatest, overflow, negative_zero })
        };
        match element {
            E::F8E4M3FN => format(8, 3, 7, 448.0, Overflow::NaN, true),
            E::F8E4M3FNUZ => format(8, 3, 8, 240.0, Overflow::NaN, false),
            E::F8E5M2 => format(8, 2, 15, 57_344.0, Overflow::Infinite, true),
            E::F8E5M2FNUZ => format(8, 2, 16, 57_344.0, Overflow::NaN, false),
            E::F4E2M1 => format(4, 1, 1, 6.0, Overflow::Limited, true),
            E::F6E2M3 => format(6, 3, 1, 7.5, Overflow::Limited, true),
            E::F6E3M2 => format(6, 2, 3, 28.0, Overflow::Limited, true),
            _ => None,
        }
    }

    /// The number that a code stands for.
    pub(crate) fn decode(self, code: u32) -> f32 {
        let sign = code >> (self.bits - 1) & 1;
        let size = code & ((1 << (self.bits - 1)) - 1);
        let (exponent, fraction) = (size >> self.mantissa, size & ((1 << self.mantissa) - 1));
        let top = (1 << (self.bits - 1 - self.mantissa)) - 1;
        let fraction = f64::from(fraction) / f64::from(1 << self.mantissa);
        let value = match exponent {
            0 => fraction * f64::from(1 - self.bias).exp2(),
            exponent => (1.0 + fraction) * f64::from(exponent as i32 - self.bias).exp2(),
        };
        let value = match self.overflow {
            _ if !self.negative_zero && sign == 1 && size == 0 => return f32::NAN,
            Overflow::Infinite if exponent == top && fraction == 0.0 => f64::INFINITY,
            Overflow::Infinite if exponent == top => f64::NAN,
            Overflow::NaN if self.negative_zero && value > self.greatest => f64::NAN,
            _ => value,
        };
        (if sign == 1 { -value } else { value }) as f32
    }

    /// A number rounded to the format, to nearest and to even; what is too large is limited, or
    /// becomes what the format has for it.
    pub(crate) fn round(self, x: &Var, saturate: bool) -> Var {
        let x = x.cast(DType::F32);
        let size = x.abs();
        let least = 1 - self.bias;
        let most = self.greatest.log2().floor() as i32;
        // The distance of numbers around x: of a power of two that x reaches.
        let step = |exponent: i32| f64::from(exponent - self.mantissa as i32).exp2();
        let mut steps = x.constant_like(step(least));
        for exponent in least + 1..=most {
            let reached = size.ge(&x.constant_like(f64::from(exponent).exp2()));
            steps = reached.select(&x.constant_like(step(exponent)), &steps);
        }
        let rounded = crate::ops::round_to_even(&(&size / &steps)) * &steps;
        let greatest = x.constant_like(self.greatest);
        let too_large = rounded.gt(&greatest);
        let limit = match self.overflow {
            _ if saturate => greatest,
            Overflow::Infinite => x.constant_like(f64::INFINITY),
            Overflow::NaN => x.constant_like(f64::NAN),
            Overflow::Limited => greatest,
        };
        let size = too_large.select(&limit, &rounded);
        let signed = x.lt(&x.constant_like(0.0)).select(&-&size, &size);
        let zero = x.constant_like(0.0);
        // A zero keeps its sign where there are two of them.
        let kept = if self.negative_zero { &x * &zero } else { zero.clone() };
        let y = signed.eq(&zero).select(&kept, &signed);
        // What has no code for it becomes −0.
        let nan =
            if self.overflow == Overflow::Limited { x.constant_like(-0.0) } else { x.clone() };
        x.eq(&x).select(&y, &nan)
    }
}

#[cfg(test)]
mod tests {
    use brolga_ir::{Tensor, Tracer, interpret};

    use super::*;

    fn rounded(element: ElementType, values: &[f32], saturate: bool) -> Vec<f32> {
        let tracer = Tracer::new("round");
        let x = Tensor::f32([values.len()], values.to_vec()).expect("as many as there are");
        let x = tracer.constant(x);
        tracer.output(&Format::of(element).expect("a small float").round(&x, saturate));
        let graph = tracer.finish().expect("no mistake");
        let y = interpret(&graph, &[]).expect("no inputs");
        y[0].as_f32().expect("floats").to_vec()
    }

    #[test]
    fn every_code_is_rounded_to_itself() {
        use ElementType as E;
        for element in
            [E::F8E4M3FN, E::F8E4M3FNUZ, E::F8E5M2, E::F8E5M2FNUZ, E::F4E2M1, E::F6E2M3, E::F6E3M2]
        {
            let format = Format::of(element).expect("a small float");
            let values: Vec<f32> = (0..1 << format.bits).map(|code| format.decode(code)).collect();
            let bits = |values: Vec<f32>| -> Vec<u32> {
                values.iter().map(|x| if x.is_nan() { 0 } else { x.to_bits() }).collect()
            };
            let same = rounded(element, &values, false);
            assert_eq!(bits(same), bits(values), "{element}");
        }
    }

    #[test]
    fn ties_go_to_even_and_large_numbers_to_the_limit() {
        let e4m3 = ElementType::F8E4M3FN;
        let given = [17.0, 19.0, 464.0, 465.0, 1e9, -1e9, 0.000_976_562_5];
        assert_eq!(rounded(e4m3, &given, true), [16.0, 20.0, 448.0, 448.0, 448.0, -448.0, 0.0]);
        assert!(rounded(e4m3, &given, false)[4].is_nan());
        let e5m2 = rounded(ElementType::F8E5M2, &given, false);
        assert_eq!((e5m2[0], e5m2[4]), (16.0, f32::INFINITY));
    }
}
