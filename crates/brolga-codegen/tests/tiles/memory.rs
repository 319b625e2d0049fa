//! Loads and stores of every length, between unmapped pages.

use brolga_codegen::tile::{Buffer, Builder, Element, Extent, TileProgram, Trips, interpret};
use brolga_ir::lanes::{Lane, Lanes};
use half::{bf16, f16};

use crate::support::{Arg, check};

const ELEMENTS: [Element; 5] =
    [Element::F32, Element::BF16, Element::F16, Element::I32, Element::U8];

fn content(element: Element, len: usize) -> Arg {
    let number = |i: usize| (i * 37 % 251) as u8;
    match element {
        Element::F32 => Arg::F32((0..len).map(|i| f32::from(number(i)) - 100.0).collect()),
        Element::BF16 => {
            Arg::BF16((0..len).map(|i| bf16::from_f32(f32::from(number(i)) - 100.0)).collect())
        }
        Element::F16 => {
            Arg::F16((0..len).map(|i| f16::from_f32(f32::from(number(i)) / 8.0 - 9.0)).collect())
        }
        Element::I32 => Arg::I32((0..len).map(|i| i32::from(number(i)) * 1_000_003 - 7).collect()),
        Element::U8 => Arg::U8((0..len).map(number).collect()),
    }
}

fn blank(element: Element, len: usize) -> Arg {
    match element {
        Element::F32 => Arg::F32(vec![-1.0; len]),
        Element::BF16 => Arg::BF16(vec![-bf16::ONE; len]),
        Element::F16 => Arg::F16(vec![-f16::ONE; len]),
        Element::I32 => Arg::I32(vec![-1; len]),
        Element::U8 => Arg::U8(vec![0xee; len]),
    }
}

fn store(
    b: &mut Builder,
    element: Element,
    to: brolga_codegen::tile::Address,
    extent: Extent,
    lane: Lane<Builder>,
) {
    match lane {
        Lane::F(value) => b.store(element, to, extent, value),
        Lane::I(value) => b.store(element, to, extent, value),
        Lane::M(_) => unreachable!("a load gives numbers"),
    }
}

fn finish(b: Builder) -> TileProgram {
    b.finish().expect("a right program")
}

#[test]
fn constant_extents() {
    for element in ELEMENTS {
        for lanes in 1..=16 {
            let mut b = Builder::new("copy");
            let (x, y, z) = (b.pointer("x"), b.pointer("y"), b.pointer("z"));
            let extent = Extent::first(lanes);
            let value = b.load(element, x.at(0), extent);
            store(&mut b, element, y.at(0), extent, value);
            store(&mut b, element, z.at(0), Extent::Full, value);
            let x = content(element, lanes);
            let results = check(finish(b), &[x.clone(), blank(element, lanes), blank(element, 16)]);
            assert_eq!(results[1], x);
        }
    }
}

#[test]
fn runs_of_every_length() {
    for element in ELEMENTS {
        for n in 0..=33 {
            let mut b = Builder::new("copy");
            let (x, y, count) = (b.pointer("x"), b.pointer("y"), b.count("n"));
            let step = 16 * element.size() as i64;
            b.repeat(Trips::Vectors(count), |b| {
                let value = b.load(element, x.at(0), Extent::Full);
                store(b, element, y.at(0), Extent::Full, value);
                b.step(x, step, Trips::Const(1));
                b.step(y, step, Trips::Const(1));
            });
            b.repeat(Trips::Tail(count), |b| {
                let value = b.load(element, x.at(0), Extent::Rest(count));
                store(b, element, y.at(0), Extent::Rest(count), value);
            });
            // Back to the start: the first element once more.
            b.step(y, -step, Trips::Vectors(count));
            b.repeat(Trips::Tail(count), |b| {
                let value = b.load(element, y.at(0), Extent::First(1));
                store(b, element, y.at(0), Extent::First(1), value);
            });
            let x = content(element, n);
            let results = check(finish(b), &[x.clone(), blank(element, n), Arg::Count(n as i64)]);
            assert_eq!(results[1], x);
        }
    }
}

#[test]
fn lanes_outside_a_runtime_extent_are_zero() {
    for element in ELEMENTS {
        for n in [0, 1, 5, 15, 16, 17] {
            let mut b = Builder::new("rest");
            let (x, y, count) = (b.pointer("x"), b.pointer("y"), b.count("n"));
            let value = b.load(element, x.at(0), Extent::Rest(count));
            store(&mut b, element, y.at(0), Extent::Full, value);
            check(finish(b), &[content(element, n % 16), blank(element, 16), Arg::Count(n as i64)]);
        }
    }
}

#[test]
fn broadcasts() {
    for element in ELEMENTS {
        let mut b = Builder::new("broadcast");
        let (x, y) = (b.pointer("x"), b.pointer("y"));
        let value = b.broadcast(element, x.at(2 * element.size() as i32));
        store(&mut b, element, y.at(0), Extent::Full, value);
        check(finish(b), &[content(element, 3), blank(element, 16)]);
    }
}

#[test]
fn bytes_keep_the_low_bits_of_integers() {
    let mut b = Builder::new("low");
    let (x, y) = (b.pointer("x"), b.pointer("y"));
    let value = b.load_i32(x.at(0), Extent::Full);
    b.store_u8(y.at(0), Extent::Full, value);
    let numbers: Vec<i32> = (0..16).map(|i| (i - 8) * 0x0123_4567).collect();
    let low = numbers.iter().map(|x| x.to_le_bytes()[0]).collect();
    let results = check(finish(b), &[Arg::I32(numbers), Arg::U8(vec![0; 16])]);
    assert_eq!(results[1], Arg::U8(low));
}

/// Forwards, backwards, and with gaps that stay as they are.
#[test]
fn transposed_stores() {
    for step in [16i32, 20, 132, -16, -24] {
        let mut b = Builder::new("transpose");
        let (x, y) = (b.pointer("x"), b.pointer("y"));
        let rows = [0, 1, 2, 3].map(|row| b.load_f32(x.at(64 * row), Extent::Full));
        let first = if step < 0 { -15 * step } else { 0 };
        b.store_transposed(y.at(first), step.into(), rows);
        let len = (15 * step.unsigned_abs() / 4 + 4) as usize;
        let numbers: Vec<f32> = (0..64u8).map(f32::from).collect();
        let mut expected = vec![-1.0; len];
        for (i, number) in numbers.iter().enumerate() {
            expected[((first + step * (i as i32 % 16)) / 4) as usize + i / 16] = *number;
        }
        let results = check(finish(b), &[Arg::F32(numbers), blank(Element::F32, len)]);
        assert_eq!(results[1], Arg::F32(expected));
    }
}

#[test]
fn in_place() {
    let mut b = Builder::new("in_place");
    let (x, n) = (b.pointer("x"), b.count("n"));
    b.repeat(Trips::Vectors(n), |b| {
        let v = b.load_f32(x.at(0), Extent::Full);
        let v = b.add(v, v);
        b.store_f32(x.at(0), Extent::Full, v);
        let w = b.load_f32(x.at(0), Extent::Full);
        let w = b.mul(w, w);
        b.store_f32(x.at(0), Extent::Full, w);
        b.step(x, 64, Trips::Const(1));
    });
    let results = check(finish(b), &[Arg::F32(vec![1.5; 48]), Arg::Count(48)]);
    assert_eq!(results[0], Arg::F32(vec![9.0; 48]));
}

#[test]
fn loops_that_never_run_change_nothing() {
    for trips in [0, -3] {
        let mut b = Builder::new("never");
        let (x, n) = (b.pointer("x"), b.count("n"));
        let one = b.float(1.0);
        let var = b.variable(one);
        b.repeat(Trips::Count(n), |b| {
            let value = b.get(var);
            let value = b.add(value, value);
            b.set(var, value);
        });
        b.repeat(Trips::Const(0), |b| b.set(var, one));
        let value = b.get(var);
        b.store_f32(x.at(0), Extent::First(1), value);
        let results = check(finish(b), &[Arg::F32(vec![0.0]), Arg::Count(trips)]);
        assert_eq!(results[0], Arg::F32(vec![1.0]));
    }
}

#[test]
fn the_interpreter_refuses_what_leaves_a_buffer() {
    let mut b = Builder::new("beyond");
    let x = b.pointer("x");
    b.repeat(Trips::Const(2), |b| {
        let v = b.load_f32(x.at(4), Extent::First(3));
        b.store_f32(x.at(0), Extent::First(3), v);
        b.step(x, 4, Trips::Const(1));
    });
    let program = finish(b);
    let error = interpret(&program, &mut [Buffer::Bytes(&mut [0; 16], 0)])
        .expect_err("the second trip is outside");
    insta::assert_snapshot!(error, @"tile program `beyond`: reads outside its buffer in `%0: f = load f32 %x+4 first 3`");
    let error = interpret(&program, &mut []).expect_err("there is a parameter");
    insta::assert_snapshot!(error, @"tile program `beyond`: 1 parameters, 0 arguments");
    let error =
        interpret(&program, &mut [Buffer::Count(1)]).expect_err("the parameter is a pointer");
    insta::assert_snapshot!(error, @"tile program `beyond`: %x is a Pointer, the argument is not");
}
