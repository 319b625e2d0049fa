//! The transcendental functions as machine code give the interpreter's bits, on a dense sample of
//! all floats. Their accuracy is tested in `brolga-ir`.

use brolga_codegen::tile::{Builder, Extent, F, TileProgram, Trips};
use brolga_ir::lanes::Lanes;

use crate::support::{Arg, check};

/// The distance of the tested floats, which are of both signs and include zeros, subnormals,
/// infinities and NaNs.
const STEP: u32 = 104_729;

fn program(name: &str, function: impl Fn(&mut Builder, F) -> F) -> TileProgram {
    let mut b = Builder::new(name);
    let (x, y, n) = (b.pointer("x"), b.pointer("y"), b.count("n"));
    b.repeat(Trips::Vectors(n), |b| {
        let value = b.load_f32(x.at(0), Extent::Full);
        let result = function(b, value);
        b.store_f32(y.at(0), Extent::Full, result);
        b.step(x, 64, Trips::Const(1));
        b.step(y, 64, Trips::Const(1));
    });
    b.repeat(Trips::Tail(n), |b| {
        let value = b.load_f32(x.at(0), Extent::Rest(n));
        let result = function(b, value);
        b.store_f32(y.at(0), Extent::Rest(n), result);
    });
    b.finish().expect("a right program")
}

#[test]
fn machine_code_gives_the_bits_of_the_interpreter() {
    let special =
        [0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-45, 88.8, -104.1];
    let dense = (0..u32::MAX / STEP).map(|i| f32::from_bits(i * STEP));
    let x: Vec<f32> = special.into_iter().chain(dense).collect();
    let check = |program: TileProgram| {
        let count = Arg::Count(x.len() as i64);
        let results = check(program, &[Arg::F32(x.clone()), Arg::F32(vec![0.0; x.len()]), count]);
        assert!(!results[1].same(&Arg::F32(vec![0.0; x.len()])), "something is computed");
    };
    check(program("exp", |b, x| b.exp(x)));
    check(program("log", |b, x| b.log(x)));
    check(program("erf", |b, x| b.erf(x)));
    check(program("tanh", |b, x| b.tanh(x)));
    check(program("sigmoid", |b, x| b.sigmoid(x)));
    check(program("pow", |b, x| {
        let exponent = b.float(2.7);
        b.pow(x, exponent)
    }));
}
