//! Each instruction alone.

use brolga_codegen::tile::{
    Binary, Builder, Constant, Count, Element, Extent, Kind, Op, Param, ParamKind, Pointer,
    Reduction, Shift, Stmt, TileProgram, Unary, Value, ValueData,
};
use brolga_ir::lanes::Lanes;
use brolga_ir::loops::Sources;

use crate::support::{Arg, check};

/// Sixteen floats that are special for some instruction.
const FLOATS: [f32; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.5,
    2.5,
    -3.5,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::MIN_POSITIVE / 4.0,
    -f32::MIN_POSITIVE,
    f32::MAX,
    2_147_483_648.0,
    -2_147_483_904.0,
    8_388_609.5,
    0.1,
];

/// Sixteen integers that are special for some instruction.
const INTS: [i32; 16] = [
    0,
    1,
    -1,
    2,
    i32::MAX,
    i32::MIN,
    0x7fff_0001,
    -65_536,
    255,
    256,
    -256,
    16_777_217,
    12_345,
    -7,
    31,
    0x5555_5555,
];

/// The values rotated; with all rotations, each value meets each other.
fn rotated<T: Copy>(values: &[T; 16], by: usize) -> Vec<T> {
    (0..16).map(|lane| values[(lane + by) % 16]).collect()
}

fn content(kind: Kind, rotation: usize) -> Arg {
    match kind {
        Kind::Float => Arg::F32(rotated(&FLOATS, rotation)),
        Kind::Int => Arg::I32(rotated(&INTS, rotation)),
        Kind::Mask => Arg::U8(rotated(&[1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1, 0, 1, 1, 0], rotation)),
    }
}

fn element(kind: Kind) -> Element {
    match kind {
        Kind::Float => Element::F32,
        Kind::Int => Element::I32,
        Kind::Mask => Element::U8,
    }
}

/// A program that loads operands of these kinds, applies the op and stores its result. Truth values
/// are bytes in memory.
fn program_of(kinds: &[Kind], result: Kind, op: impl FnOnce(&[Value]) -> Op) -> TileProgram {
    let mut program = TileProgram {
        name: "op".to_owned(),
        params: vec![],
        values: vec![],
        vars: vec![],
        body: vec![],
        sources: Sources::default(),
    };
    let value = |program: &mut TileProgram, kind, constant| {
        program.values.push(ValueData { kind, constant });
        Value(u32::try_from(program.values.len() - 1).expect("few values"))
    };
    let zero = value(&mut program, Kind::Int, Some(Constant::Int(0)));
    let mut operands = Vec::new();
    for (index, &kind) in (0..).zip(kinds) {
        program.params.push(Param { name: format!("p{index}"), kind: ParamKind::Pointer });
        let element = element(kind);
        let loaded = value(&mut program, element.kind(), None);
        program.body.push(Stmt::Let(loaded, Op::Load(element, Pointer(index).at(0), Extent::Full)));
        operands.push(if kind == Kind::Mask {
            let no = value(&mut program, Kind::Mask, None);
            program.body.push(Stmt::Let(no, Op::Binary(Binary::IEq, loaded, zero)));
            let yes = value(&mut program, Kind::Mask, None);
            program.body.push(Stmt::Let(yes, Op::Unary(Unary::Not, no)));
            yes
        } else {
            loaded
        });
    }
    let mut stored = value(&mut program, result, None);
    program.body.push(Stmt::Let(stored, op(&operands)));
    if result == Kind::Mask {
        let number = value(&mut program, Kind::Int, None);
        program.body.push(Stmt::Let(number, Op::Unary(Unary::MaskToInt, stored)));
        stored = number;
    }
    let out = u16::try_from(program.params.len()).expect("few parameters");
    program.params.push(Param { name: "out".to_owned(), kind: ParamKind::Pointer });
    let (element, address) = (element(result), Pointer(out).at(0));
    program.body.push(Stmt::Store { element, address, extent: Extent::Full, value: stored });
    program.validate().expect("the program is right");
    program
}

fn check_op(kinds: &[Kind], result: Kind, op: impl Fn(&[Value]) -> Op) {
    for rotation in [0, 1, 3, 6, 11] {
        let program = program_of(kinds, result, &op);
        let mut args: Vec<Arg> =
            kinds.iter().enumerate().map(|(i, &kind)| content(kind, i * rotation)).collect();
        args.push(match result {
            Kind::Float => Arg::F32(vec![7.0; 16]),
            Kind::Int => Arg::I32(vec![7; 16]),
            Kind::Mask => Arg::U8(vec![7; 16]),
        });
        check(program, &args);
    }
}

#[test]
fn unary_operations() {
    for &op in Unary::ALL {
        // The bits of a NaN are not specified, so they are not compared.
        if op == Unary::Bits {
            continue;
        }
        let (kinds, result) = op.signature();
        check_op(kinds, result, |v| Op::Unary(op, v[0]));
    }
}

#[test]
fn bits_of_numbers() {
    let mut b = Builder::new("bits");
    let (x, y) = (b.pointer("x"), b.pointer("y"));
    let v = b.load_f32(x.at(0), Extent::Full);
    let bits = b.bits(v);
    b.store_i32(y.at(0), Extent::Full, bits);
    let numbers: Vec<f32> = FLOATS.iter().map(|x| if x.is_nan() { 3.0 } else { *x }).collect();
    check(b.finish().expect("a right program"), &[Arg::F32(numbers), Arg::I32(vec![0; 16])]);
}

#[test]
fn binary_operations() {
    for &op in Binary::ALL {
        let (kinds, result) = op.signature();
        check_op(kinds, result, |v| Op::Binary(op, v[0], v[1]));
    }
}

#[test]
fn shifts() {
    for &op in Shift::ALL {
        for bits in [0, 1, 7, 31] {
            check_op(&[Kind::Int], Kind::Int, |v| Op::Shift(op, v[0], bits));
        }
    }
}

#[test]
fn operations_on_three_values() {
    let f = Kind::Float;
    check_op(&[f; 3], f, |v| Op::Fma(v[0], v[1], v[2]));
    check_op(&[Kind::Mask, f, f], f, |v| Op::Select(v[0], v[1], v[2]));
    check_op(&[Kind::Mask, Kind::Int, Kind::Int], Kind::Int, |v| Op::Select(v[0], v[1], v[2]));
}

#[test]
fn minimum_and_maximum_by_comparison() {
    // Cranelift makes one instruction of the comparison and the selection; the order of operands
    // decides the results for NaN and zeros.
    for swapped in [false, true] {
        for other in [false, true] {
            for rotation in 0..16 {
                let mut b = Builder::new("choose");
                let (x, y, out) = (b.pointer("x"), b.pointer("y"), b.pointer("out"));
                let (v, w) = (b.load_f32(x.at(0), Extent::Full), b.load_f32(y.at(0), Extent::Full));
                let less = if swapped { b.lt(w, v) } else { b.lt(v, w) };
                let chosen = if other { b.select(less, v, w) } else { b.select(less, w, v) };
                b.store_f32(out.at(0), Extent::Full, chosen);
                let args = [
                    content(Kind::Float, 0),
                    content(Kind::Float, rotation),
                    Arg::F32(vec![0.0; 16]),
                ];
                check(b.finish().expect("a right program"), &args);
            }
        }
    }
}

#[test]
fn reductions() {
    for &reduction in Reduction::ALL {
        check_op(&[Kind::Float], Kind::Float, |v| Op::Reduce(reduction, v[0]));
        // One lane after the other is the greatest, and the order of summation shows in the last
        // bits.
        for lane in 0..16u8 {
            let numbers: Vec<f32> =
                (0..16).map(|l| if l == lane { 1e3 } else { 0.1 * f32::from(l) }).collect();
            let program = program_of(&[Kind::Float], Kind::Float, |v| Op::Reduce(reduction, v[0]));
            check(program, &[Arg::F32(numbers), Arg::F32(vec![0.0; 16])]);
        }
    }
}

#[test]
fn reductions_of_zeros_take_the_higher_lane() {
    for (low, high) in [(0.0f32, -0.0f32), (-0.0, 0.0)] {
        let program = program_of(&[Kind::Float], Kind::Float, |v| Op::Reduce(Reduction::Max, v[0]));
        let mut numbers = vec![low; 8];
        numbers.extend([high; 8]);
        let results = check(program, &[Arg::F32(numbers), Arg::F32(vec![1.0; 16])]);
        assert!(results[1].same(&Arg::F32(vec![high; 16])));
    }
}

#[test]
fn reductions_of_what_is_the_same_in_all_lanes() {
    let mut b = Builder::new("uniform");
    let (x, out) = (b.pointer("x"), b.pointer("out"));
    let v = b.broadcast_f32(x.at(4));
    let sum = b.reduce(Reduction::Sum, v);
    b.store_f32(out.at(0), Extent::Full, sum);
    let results = check(
        b.finish().expect("a right program"),
        &[Arg::F32(vec![9.0, 0.1]), Arg::F32(vec![0.0; 16])],
    );
    assert_eq!(results[1], Arg::F32(vec![0.1 * 16.0; 16]));
}

#[test]
fn counts_and_lane_numbers() {
    for n in [0i64, 1, 15, 16, 0x1_2345_6789] {
        let mut b = Builder::new("numbers");
        let (out, count) = (b.pointer("out"), b.count("n"));
        let (base, lane) = (b.splat(count), b.iota());
        let number = b.iadd(base, lane);
        let (zero, inside) = (b.int(0), b.first_lanes(Extent::Rest(count)));
        let masked = b.iselect(inside, number, zero);
        let first = b.first_lanes(Extent::First(7));
        let first = b.mask_to_int(first);
        b.store_i32(out.at(0), Extent::Full, number);
        b.store_i32(out.at(64), Extent::Full, masked);
        b.store_u8(out.at(128), Extent::Full, first);
        check(b.finish().expect("a right program"), &[Arg::U8(vec![9; 144]), Arg::Count(n)]);
    }
}

#[test]
fn a_count_is_the_parameter_it_names() {
    let mut b = Builder::new("two_counts");
    let (n, out, m) = (b.count("n"), b.pointer("out"), b.count("m"));
    assert_eq!((n, m), (Count(0), Count(2)));
    let (first, second) = (b.splat(n), b.splat(m));
    let difference = b.isub(first, second);
    b.store_i32(out.at(0), Extent::First(1), difference);
    let results = check(
        b.finish().expect("a right program"),
        &[Arg::Count(40), Arg::I32(vec![0]), Arg::Count(2)],
    );
    assert_eq!(results[1], Arg::I32(vec![38]));
}
