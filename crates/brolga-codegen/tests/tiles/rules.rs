//! Programs that break a rule, and their messages.

use brolga_codegen::tile::{
    Binary, Builder, Constant, Count, Element, Extent, Kind, Op, Pointer, Rank1, Reduction, Shift,
    Stmt, TileProgram, Trips, Value, ValueData, Var,
};
use brolga_ir::lanes::Lanes;

/// The message for %0 = load %p, %1 = %0 + %0, stored, after `change`.
fn broken(change: impl FnOnce(&mut TileProgram)) -> String {
    let mut b = Builder::new("broken");
    let (p, _) = (b.pointer("p"), b.count("n"));
    let v = b.load_f32(p.at(0), Extent::Full);
    let v = b.add(v, v);
    b.store_f32(p.at(0), Extent::Full, v);
    let mut program = b.finish().expect("it is right as yet");
    change(&mut program);
    program.validate().expect_err("it is wrong now").to_string()
}

fn store(value: u32) -> Stmt {
    Stmt::Store {
        element: Element::F32,
        address: Pointer(0).at(0),
        extent: Extent::Full,
        value: Value(value),
    }
}

#[test]
fn values() {
    insta::assert_snapshot!(broken(|p| p.body.swap(0, 1)), @"
    tile program `broken`: %0 is not defined in this block or one around it
      at: %1: f = add %0, %0
    ");
    insta::assert_snapshot!(broken(|p| p.body.push(store(9))), @"
    tile program `broken`: %9 does not exist
      at: store f32 %p, %9
    ");
    insta::assert_snapshot!(broken(|p| p.body.push(p.body[0].clone())), @"
    tile program `broken`: the value is defined twice
      at: %0: f = load f32 %p
    ");
    insta::assert_snapshot!(
        broken(|p| {
            let body = std::mem::take(&mut p.body);
            p.body = vec![Stmt::Loop { trips: Trips::Const(2), body }, store(1)];
        }),
        @"
    tile program `broken`: %1 is not defined in this block or one around it
      at: store f32 %p, %1
    "
    );
    insta::assert_snapshot!(
        broken(|p| p.values[1] = ValueData { kind: Kind::Float, constant: Some(Constant::Float(0)) }),
        @"
    tile program `broken`: a constant is not defined by a statement
      at: %1: f = add %0, %0
    "
    );
}

#[test]
fn kinds() {
    insta::assert_snapshot!(broken(|p| p.values[0].kind = Kind::Int), @"
    tile program `broken`: the op gives Float, the value holds Int
      at: %0: i = load f32 %p
    ");
    insta::assert_snapshot!(
        broken(|p| p.body[1] = Stmt::Let(Value(1), Op::Binary(Binary::And, Value(0), Value(0)))),
        @"
    tile program `broken`: %0 holds Float, expected Mask
      at: %1: f = and %0, %0
    "
    );
    insta::assert_snapshot!(
        broken(|p| p.body[1] = Stmt::Let(Value(1), Op::Shift(Shift::Left, Value(0), 32))),
        @"
    tile program `broken`: a shift by 32 bits, expected fewer than 32
      at: %1: f = shl %0, 32
    "
    );
    let transposed = |values| Stmt::StoreTransposed { address: Pointer(0).at(0), step: 16, values };
    insta::assert_snapshot!(
        broken(|p| {
            p.values[0].kind = Kind::Int;
            p.body[0] = Stmt::Let(Value(0), Op::Iota);
            p.body[1] = transposed([Value(0); 4]);
        }),
        @"
    tile program `broken`: %0 holds Int, expected Float
      at: store_transposed f32 %p step 16, %0, %0, %0, %0
    "
    );
}

#[test]
fn addresses() {
    insta::assert_snapshot!(
        broken(|p| p.body.push(Stmt::Prefetch(Pointer(0).at(1i64 << 31)))),
        @"
    tile program `broken`: 2147483648 bytes from a pointer, expected less than 2 GiB
      at: prefetch %p+2147483648
    "
    );
    let transposed =
        Stmt::StoreTransposed { address: Pointer(0).at(0), step: -1 << 28, values: [Value(0); 4] };
    insta::assert_snapshot!(broken(|p| p.body.push(transposed)), @"
    tile program `broken`: -4026531840 bytes from a pointer, expected less than 2 GiB
      at: store_transposed f32 %p step -268435456, %0, %0, %0, %0
    ");
}

#[test]
fn parameters() {
    insta::assert_snapshot!(
        broken(|p| p.body.push(Stmt::Step { pointer: Pointer(1), bytes: 4, trips: Trips::Const(1) })),
        @"
    tile program `broken`: %n is no Pointer
      at: step %n, 4
    "
    );
    insta::assert_snapshot!(
        broken(|p| p.body.push(Stmt::Loop { trips: Trips::Vectors(Count(0)), body: vec![] })),
        @"
    tile program `broken`: %p is no Count
      at: loop vectors(%p) {
    "
    );
    insta::assert_snapshot!(
        broken(|p| p.body.push(Stmt::Loop { trips: Trips::Count(Count(7)), body: vec![] })),
        @"
    tile program `broken`: there is no parameter 7
      at: loop %?7 {
    "
    );
}

#[test]
fn extents() {
    for (lanes, expected) in
        [(0, "the first 0 lanes"), (16, "the first 16 lanes"), (255, "the first 255 lanes")]
    {
        let change = |p: &mut TileProgram| {
            p.body[0] =
                Stmt::Let(Value(0), Op::Load(Element::F32, Pointer(0).at(0), Extent::First(lanes)));
        };
        assert!(broken(change).contains(&format!("{expected}, expected 1 to 15")));
    }
}

#[test]
fn variables() {
    insta::assert_snapshot!(
        broken(|p| {
            p.vars.push(Kind::Float);
            p.body[0] = Stmt::Let(Value(0), Op::Get(Var(0)));
        }),
        @"
    tile program `broken`: $0 is read before it is set
      at: %0: f = $0
    "
    );
    insta::assert_snapshot!(broken(|p| p.body.push(Stmt::Set(Var(3), Value(1)))), @"
    tile program `broken`: $3 does not exist
      at: $3 = %1
    ");
}

fn rank1(
    acc: &[u32],
    rows: usize,
    vectors: usize,
    extent: Extent,
) -> impl FnOnce(&mut TileProgram) {
    let rank1 = Rank1 {
        acc: acc.iter().map(|&v| Var(v)).collect(),
        a: vec![Pointer(0).at(0); rows],
        b: Pointer(0).at(0),
        vectors,
        extent,
    };
    move |p| {
        p.vars = vec![Kind::Float, Kind::Float, Kind::Int];
        p.body.extend([
            Stmt::Set(Var(0), Value(0)),
            Stmt::Set(Var(1), Value(0)),
            Stmt::Rank1(rank1),
        ]);
    }
}

#[test]
fn contraction_steps() {
    insta::assert_snapshot!(broken(rank1(&[0], 1, 2, Extent::Full)), @"
    tile program `broken`: 1 rows of 2 vectors have 1 accumulators
      at: rank1 2 vectors of %p with
    ");
    insta::assert_snapshot!(broken(rank1(&[0, 0], 2, 1, Extent::Full)), @"
    tile program `broken`: an accumulator is used twice
      at: rank1 1 vectors of %p with
    ");
    insta::assert_snapshot!(broken(rank1(&[2], 1, 1, Extent::Full)), @"
    tile program `broken`: an accumulator is not a float variable
      at: rank1 1 vectors of %p with
    ");
    insta::assert_snapshot!(broken(rank1(&[], 0, 1, Extent::Full)), @"
    tile program `broken`: a contraction step has at least one row and one vector
      at: rank1 1 vectors of %p with
    ");
    insta::assert_snapshot!(broken(rank1(&[0, 1], 2, 1, Extent::Rest(Count(1)))), @"
    tile program `broken`: the lanes of a contraction step are constant
      at: rank1 1 vectors of %p rest(%n) with
    ");
}

#[test]
fn depth() {
    let nested = |depth| {
        (0..depth).fold(vec![], |body, _| vec![Stmt::Loop { trips: Trips::Const(2), body }])
    };
    insta::assert_snapshot!(broken(|p| p.body = nested(9)), @"
    tile program `broken`: loops are more than 8 deep
      at: loop 2 {
    ");
}

#[test]
fn operations_are_recorded_once_in_a_block_and_those_around_it() {
    let mut b = Builder::new("once");
    let p = b.pointer("p");
    let x = b.load_f32(p.at(0), Extent::Full);
    let (half, one) = (b.float(0.5), b.float(1.0));
    let first = b.mul(x, half);
    assert_eq!(b.mul(x, half), first);
    let inside = b.repeat(Trips::Const(2), |b| {
        assert_eq!(b.mul(x, half), first, "the block around it knows it");
        b.add(x, one)
    });
    assert_ne!(b.add(x, one), inside, "the loop's values are gone");
    assert_ne!(b.load_f32(p.at(0), Extent::Full), x, "memory may have changed");
}

#[test]
fn text() {
    let mut b = Builder::new("everything");
    let (x, y, n) = (b.pointer("x"), b.pointer("y"), b.count("n"));
    let scale = b.broadcast_f32(x.at(-4));
    let (lowest, lane) = (b.float(f64::NEG_INFINITY), b.iota());
    let maximum = b.variable(lowest);
    b.repeat(Trips::Vectors(n), |b| {
        let v = b.load_f32(x.at(0), Extent::Full);
        let v = b.fma(v, scale, v);
        let (old, seven) = (b.get(maximum), b.int(7));
        let greater = b.lt(old, v);
        let v = b.select(greater, v, old);
        b.set(maximum, v);
        let bits = b.bits(v);
        let bits = b.shr(bits, 3);
        let bits = b.ixor(bits, seven);
        b.store_u8(y.at(0), Extent::Full, bits);
        b.step(x, 64, Trips::Const(1));
        b.step(y, 16, Trips::Const(1));
    });
    b.repeat(Trips::Tail(n), |b| {
        let (count, inside) = (b.splat(n), b.first_lanes(Extent::Rest(n)));
        let v = b.load_i32(x.at(8), Extent::Rest(n));
        let sum = b.iadd(count, lane);
        let v = b.iselect(inside, v, sum);
        b.store_i32(y.at(0), Extent::Rest(n), v);
    });
    b.step(x, -64, Trips::Vectors(n));
    let (v, nan) = (b.get(maximum), b.float(f64::NAN));
    let v = b.reduce(Reduction::Max, v);
    let v = b.div(v, nan);
    b.store_f32(x.at(0), Extent::First(1), v);
    b.store_transposed(y.at(16), 20, [v, nan, v, scale]);
    insta::assert_snapshot!(b.finish().expect("a right program"), @"
    tile everything(%x: ptr, %y: ptr, %n: count) {
      %0: f = broadcast f32 %x-4
      %2: i = iota
      $0 = -inf
      loop vectors(%n) {
        %3: f = load f32 %x
        %4: f = fma %3, %0, %3
        %5: f = $0
        %7: m = lt %5, %4
        %8: f = select %7, %4, %5
        $0 = %8
        %9: i = bits %8
        %10: i = shr %9, 3
        %11: i = ixor %10, 7
        store u8 %y, %11
        step %x, 64
        step %y, 16
      }
      loop tail(%n) {
        %12: i = splat %n
        %13: m = first_lanes rest(%n)
        %14: i = load i32 %x+8 rest(%n)
        %15: i = iadd %12, %2
        %16: i = select %13, %14, %15
        store i32 %y rest(%n), %16
      }
      step %x, -64 * vectors(%n)
      %17: f = $0
      %19: f = reduce max %17
      %20: f = div %19, nan:0x7fc00000
      store f32 %x first 1, %20
      store_transposed f32 %y+16 step 20, %20, nan:0x7fc00000, %20, %0
    }
    ");
}
