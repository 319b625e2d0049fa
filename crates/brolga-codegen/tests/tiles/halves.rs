//! The 16-bit formats: every number is widened exactly, and every float is rounded to the nearest.

use brolga_codegen::tile::{Builder, Element, Extent, F, TileProgram, Trips};
use brolga_ir::lanes::{Lane, Lanes};
use half::{bf16, f16};

use crate::support::{Arg, check};

/// The distance of the tested floats, which are of both signs and include zeros, subnormals,
/// infinities and NaNs.
const STEP: u32 = 10_007;

fn load(b: &mut Builder, element: Element, at: brolga_codegen::tile::Address, extent: Extent) -> F {
    match b.load(element, at, extent) {
        Lane::F(value) => value,
        _ => unreachable!("floats lie there"),
    }
}

/// A program that loads one element, applies the function, and stores another, 16 at a time.
fn program(from: Element, to: Element, function: impl Fn(&mut Builder, F) -> F) -> TileProgram {
    let mut b = Builder::new("convert");
    let (x, y, n) = (b.pointer("x"), b.pointer("y"), b.count("n"));
    let vector = |b: &mut Builder, extent: Extent| {
        let value = load(b, from, x.at(0), extent);
        let result = function(b, value);
        b.store(to, y.at(0), extent, result);
        b.step(x, 16 * from.size() as i64, Trips::Const(1));
        b.step(y, 16 * to.size() as i64, Trips::Const(1));
    };
    b.repeat(Trips::Vectors(n), |b| vector(b, Extent::Full));
    b.repeat(Trips::Tail(n), |b| vector(b, Extent::Rest(n)));
    b.finish().expect("a right program")
}

/// The numbers after a load and a store.
fn convert(from: Element, to: Element, x: Arg, blank: Arg, count: usize) -> Arg {
    let results = check(program(from, to, |_, x| x), &[x, blank, Arg::Count(count as i64)]);
    results[1].clone()
}

/// A format: its numbers by their bits.
trait Half: Copy {
    const ELEMENT: Element;
    /// The bits of infinity.
    const INFINITY: u16;
    fn arg(bits: Vec<u16>) -> Arg;
    fn to_f64(bits: u16) -> f64;
}

impl Half for bf16 {
    const ELEMENT: Element = Element::BF16;
    const INFINITY: u16 = 0x7f80;

    fn arg(bits: Vec<u16>) -> Arg {
        Arg::BF16(bits.into_iter().map(Self::from_bits).collect())
    }

    fn to_f64(bits: u16) -> f64 {
        Self::from_bits(bits).to_f64()
    }
}

impl Half for f16 {
    const ELEMENT: Element = Element::F16;
    const INFINITY: u16 = 0x7c00;

    fn arg(bits: Vec<u16>) -> Arg {
        Arg::F16(bits.into_iter().map(Self::from_bits).collect())
    }

    fn to_f64(bits: u16) -> f64 {
        Self::from_bits(bits).to_f64()
    }
}

#[test]
fn every_half_is_widened_exactly() {
    fn every<T: Half>() {
        let bits: Vec<u16> = (0..=u16::MAX).collect();
        let (count, expected) = (bits.len(), bits.iter().map(|&x| T::to_f64(x) as f32).collect());
        let blank = Arg::F32(vec![7.0; count]);
        let y = convert(T::ELEMENT, Element::F32, T::arg(bits.clone()), blank, count);
        assert!(y.same(&Arg::F32(expected)), "{:?}", T::ELEMENT);
        // Stored again, all numbers are the same.
        let y =
            convert(T::ELEMENT, T::ELEMENT, T::arg(bits.clone()), T::arg(vec![7; count]), count);
        assert!(y.same(&T::arg(bits)), "{:?}", T::ELEMENT);
    }
    every::<bf16>();
    every::<f16>();
}

/// Floats with the bits of the nearest half: between any two adjacent halves their middle, which
/// rounds to the even one, and the floats next to it; the least and the greatest of both signs.
fn boundaries<T: Half>() -> Vec<(f32, u16)> {
    let mut cases = Vec::new();
    for low in 0..T::INFINITY {
        let high = low + 1;
        // Beyond the greatest number, the distance stays the same.
        let above = match high == T::INFINITY {
            true => 2.0 * T::to_f64(low) - T::to_f64(low - 1),
            false => T::to_f64(high),
        };
        let middle = ((T::to_f64(low) + above) / 2.0) as f32;
        let even = if low % 2 == 0 { low } else { high };
        cases.push((f32::from_bits(middle.to_bits() - 1), low));
        cases.push((middle, even));
        cases.push((f32::from_bits(middle.to_bits() + 1), high));
    }
    cases.extend([(0.0, 0), (f32::from_bits(1), 0)]);
    cases.extend([(f32::MAX, T::INFINITY), (f32::INFINITY, T::INFINITY)]);
    let negative: Vec<_> = cases.iter().map(|&(x, half)| (-x, half | 0x8000)).collect();
    cases.extend(negative);
    cases
}

#[test]
fn every_middle_is_rounded_to_the_even_neighbour() {
    fn every<T: Half>() {
        let (x, expected): (Vec<f32>, Vec<u16>) = boundaries::<T>().into_iter().unzip();
        let (count, blank) = (x.len(), T::arg(vec![7; x.len()]));
        let y = convert(Element::F32, T::ELEMENT, Arg::F32(x), blank, count);
        assert!(y.same(&T::arg(expected)), "{:?}", T::ELEMENT);
    }
    every::<bf16>();
    every::<f16>();
}

#[test]
fn all_kinds_of_floats_are_rounded() {
    let nans =
        [0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffc0_0000, 0x7f80_8000].map(f32::from_bits);
    let dense = (0..u32::MAX / STEP).map(|i| f32::from_bits(i * STEP));
    let x: Vec<f32> = nans.into_iter().chain(dense).collect();
    let count = x.len();
    let rounded = |half: fn(f32) -> f32| Arg::F32(x.iter().map(|&x| half(x)).collect());
    for (element, expected, blank) in [
        (Element::BF16, rounded(|x| bf16::from_f32(x).to_f32()), Arg::BF16(vec![bf16::ONE; count])),
        (Element::F16, rounded(|x| f16::from_f32(x).to_f32()), Arg::F16(vec![f16::ONE; count])),
    ] {
        let halves = convert(Element::F32, element, Arg::F32(x.clone()), blank, count);
        let floats = Arg::F32(vec![7.0; count]);
        let widened = convert(element, Element::F32, halves, floats.clone(), count);
        assert!(widened.same(&expected), "stored and loaded as {element:?}");
        let program = program(Element::F32, Element::F32, |b, x| b.round_to(element, x));
        let results = check(program, &[Arg::F32(x.clone()), floats, Arg::Count(count as i64)]);
        assert!(results[1].same(&expected), "rounded to {element:?}");
    }
}

#[test]
fn what_an_element_holds_is_not_rounded() {
    let mut b = Builder::new("held");
    let (x, y) = (b.pointer("x"), b.pointer("y"));
    let half = load(&mut b, Element::F16, x.at(0), Extent::Full);
    let (one, tenth) = (b.float(1.0), b.float(0.1));
    for same in [half, b.neg(half), b.floor(half), one] {
        assert_eq!(b.round_to(Element::F16, same), same);
    }
    let less = b.lt(half, one);
    let chosen = b.select(less, half, one);
    assert_eq!(b.round_to(Element::F16, chosen), chosen);
    assert_eq!(b.round_to(Element::F32, tenth), tenth);
    for other in [b.add(half, one), tenth, b.select(less, half, tenth)] {
        let rounded = b.round_to(Element::F16, other);
        assert_ne!(rounded, other);
        assert_eq!(b.round_to(Element::F16, rounded), rounded);
        assert_ne!(b.round_to(Element::BF16, rounded), rounded);
    }
    assert_ne!(b.round_to(Element::BF16, half), half);
    let sum = b.add(half, tenth);
    let sum = b.round_to(Element::F16, sum);
    b.store(Element::F16, y.at(0), Extent::Full, sum);
    b.store(Element::BF16, y.at(32), Extent::First(3), sum);
    insta::assert_snapshot!(b.finish().expect("a right program"), @"
    tile held(%x: ptr, %y: ptr) {
      %0: f = load f16 %x
      %3: f = neg %0
      %4: f = floor %0
      %5: m = lt %0, 1.0
      %6: f = select %5, %0, 1.0
      %7: f = add %0, 1.0
      %8: f = select %5, %0, 0.1
      %9: f = round_to f16 %7
      %10: f = round_to bf16 %9
      %11: f = round_to f16 0.1
      %12: f = round_to bf16 %11
      %13: f = round_to f16 %8
      %14: f = round_to bf16 %13
      %15: f = round_to bf16 %0
      %16: f = add %0, 0.1
      %17: f = round_to f16 %16
      store f16 %y, %16
      store bf16 %y+32 first 3, %17
    }
    ");
}
