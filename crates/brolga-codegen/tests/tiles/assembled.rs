//! Properties of the assembled code of AVX2 and AVX-512, on any x86-64 machine.

use std::collections::HashSet;
use std::sync::Arc;

use brolga_codegen::Error;
use brolga_codegen::generators::{Contraction, KLoop, Start};
use brolga_codegen::host::MachineCode;
use brolga_codegen::tile::{Builder, Extent, LANES, TileProgram, TileShape, TileTarget, Trips};
use brolga_ir::lanes::{Lanes, philox4x32};
use cranelift_module::FuncId;

use crate::support::{Arg, assembled, check};

fn contraction(TileShape { rows, lanes }: TileShape) -> Arc<TileProgram> {
    let loops = [KLoop { trips: Trips::Const(96), a_step: 4, b_step: 4 * lanes as i64 }];
    let mut b = Builder::new(format!("contraction_{rows}x{lanes}"));
    let [x, w, y] = ["x", "w", "y"].map(|name| b.pointer(name));
    for acc in Contraction::strided(rows, 128, lanes, &loops).emit(&mut b, x, w, Start::Zero) {
        b.store_f32(y.at(4 * (lanes * acc.row + acc.column) as i32), acc.extent, acc.value);
    }
    Arc::new(b.finish().expect("a right program"))
}

fn code(target: &dyn TileTarget, program: &Arc<TileProgram>) -> Result<MachineCode, Error> {
    target.compile(program, FuncId::from_u32(0), true)
}

fn assembly(target: &dyn TileTarget, program: &Arc<TileProgram>) -> String {
    let code = code(target, program).expect("it compiles");
    code.text.expect("text was asked for").assembly
}

fn count(text: &str, what: &str) -> usize {
    text.lines().filter(|line| line.contains(what)).count()
}

/// For tiles of few rows, which are as wide as the registers allow, every width up to one that is
/// too wide.
fn lanes_of(rows: usize) -> Vec<usize> {
    match rows {
        1..=3 => (1..=33 * LANES / rows).collect(),
        _ => vec![1, 3, 4, 8, 9, 12, 16, 17, 24, 31, 32, 40, 48, 63, 64, 80, 96],
    }
}

/// A tile that does not fit the registers is an error, never a spill; one that fits is never
/// refused.
#[test]
fn a_contraction_fits_or_is_an_error() {
    for target in assembled() {
        for rows in 1..=32 {
            for lanes in lanes_of(rows) {
                let shape = TileShape { rows, lanes };
                match code(&*target, &contraction(shape)) {
                    Ok(code) => {
                        // A single row of whole registers has room for one more; as the last tile
                        // of a row it may be cut short.
                        let cut = TileShape { lanes: lanes - 1, ..shape };
                        let one_row = rows == 1 && lanes > 1 && !target.fits(cut);
                        assert!(target.fits(shape) || one_row, "{} takes {shape:?}", target.name());
                        let text = code.text.expect("text was asked for").assembly;
                        assert_eq!(count(&text, "[rsp"), 0, "{shape:?}:\n{text}");
                    }
                    Err(error) => {
                        assert!(
                            !target.fits(shape),
                            "{} refuses {shape:?}: {error}",
                            target.name()
                        );
                        assert!(matches!(error, Error::Registers { .. }), "{error}");
                    }
                }
            }
        }
    }
    let [avx2, _] = assembled();
    let error =
        code(&*avx2, &contraction(TileShape { rows: 8, lanes: 16 })).expect_err("17 registers");
    insta::assert_snapshot!(error, @"tile program `contraction_8x16`: a contraction does not fit the registers; `contraction_shape` gives tiles that do");
}

/// A preferred tile fits, and so does every smaller one, such as the last tiles of rows and
/// columns.
#[test]
fn preferred_tiles_fit() {
    for target in assembled() {
        let mut preferred = HashSet::new();
        for rows in 1..=70 {
            for lanes in (1..=130).chain(230..=250).chain(470..=500) {
                let shape = target.contraction_shape(rows, lanes);
                assert!((1..=rows).contains(&shape.rows), "{rows}x{lanes}: {shape:?}");
                assert!((1..=lanes).contains(&shape.lanes), "{rows}x{lanes}: {shape:?}");
                preferred.insert((shape.rows, shape.lanes));
            }
        }
        for (rows, lanes) in preferred {
            for smaller in (1..=rows).flat_map(|rows| (1..=lanes).map(move |lanes| (rows, lanes))) {
                let (rows, lanes) = smaller;
                assert!(target.fits(TileShape { rows, lanes }), "{rows}x{lanes}");
            }
        }
    }
}

/// Multiply-adds of AVX-512's narrow tiles read factors from memory, and no tile copies registers
/// in its loop.
#[test]
fn multiply_adds_are_most_of_a_tile() {
    let [avx2, avx512] = assembled();
    // Eight steps in the loop's body.
    let text = assembly(&*avx2, &contraction(TileShape { rows: 6, lanes: 16 }));
    assert_eq!(count(&text, "vfmadd231ps"), 8 * 12, "{text}");
    assert_eq!(count(&text, "vbroadcastss"), 8 * 6, "{text}");
    assert_eq!(count(&text, "vmovaps"), 0, "{text}");
    let text = assembly(&*avx512, &contraction(TileShape { rows: 14, lanes: 16 }));
    assert_eq!(count(&text, "{1to16}"), 8 * 14, "{text}");
    assert_eq!(count(&text, "vmovups"), 8 + 14, "one load a step, and the stores:\n{text}");
    let text = assembly(&*avx512, &contraction(TileShape { rows: 14, lanes: 32 }));
    assert_eq!(count(&text, "vfmadd231ps"), 8 * 28, "{text}");
}

#[test]
fn innermost_loops_start_at_a_cache_line_and_functions_clear_the_upper_halves() {
    for target in assembled() {
        let code = code(&*target, &contraction(TileShape { rows: 4, lanes: 16 })).expect("it fits");
        assert_eq!(code.alignment, 64);
        let text = code.text.expect("text was asked for").assembly;
        let target = text.lines().find_map(|line| line.split("jne").nth(1)).expect("a loop");
        let address = target.trim().trim_start_matches("near ").trim_start_matches("0x");
        let address = u64::from_str_radix(address, 16).expect("an address");
        assert_eq!(address % 64, 0, "{text}");
        let end: Vec<&str> = text.lines().rev().take(2).collect();
        assert!(end[0].contains("ret") && end[1].contains("vzeroupper"), "{text}");
    }
}

/// Thirty values that are all needed at the end: more than sixteen registers.
#[test]
fn what_does_not_fit_lies_on_the_stack_and_is_told() {
    let program = || {
        let mut b = Builder::new("many");
        let [x, y] = ["x", "y"].map(|name| b.pointer(name));
        let values: Vec<_> = (0..40).map(|i| b.load_f32(x.at(64 * i), Extent::Full)).collect();
        let roots: Vec<_> = values.iter().map(|&value| b.sqrt(value)).collect();
        let mut sum = b.float(0.0);
        for (&value, &root) in values.iter().rev().zip(&roots) {
            sum = b.fma(value, root, sum);
            sum = b.div(sum, root);
        }
        b.store_f32(y.at(0), Extent::Full, sum);
        b.finish().expect("a right program")
    };
    let x: Vec<f32> = (0..640u16).map(|i| f32::from(i).mul_add(0.5, 1.0)).collect();
    check(program(), &[Arg::F32(x), Arg::F32(vec![0.0; 16])]);
    for target in assembled() {
        let text = assembly(&*target, &Arc::new(program()));
        assert!(text.starts_with("; ") && text.contains(" vectors are on the stack\n"), "{text}");
    }
}

/// Written part by part, Philox would keep the keys of all rounds for the second part.
#[test]
fn philox_stays_in_registers() {
    let program = || {
        let mut b = Builder::new("philox");
        let [seed, out] = ["seed", "out"].map(|name| b.pointer(name));
        let key = [0, 4].map(|byte| b.broadcast_i32(seed.at(byte)));
        let counter = [b.iota(), b.int(0), b.broadcast_i32(seed.at(8)), b.int(7)];
        for (index, word) in (0..).zip(philox4x32(&mut b, counter, key)) {
            b.store_i32(out.at(64 * index), Extent::Full, word);
        }
        b.finish().expect("a right program")
    };
    check(program(), &[Arg::I32(vec![5, -9, 1]), Arg::I32(vec![0; 64])]);
    for target in assembled() {
        let text = assembly(&*target, &Arc::new(program()));
        assert!(!text.contains("on the stack"), "{text}");
    }
}
