//! Properties of the machine code, and its ownership.

use std::sync::Arc;

use brolga_codegen::generators::{Contraction, KLoop, Start};
use brolga_codegen::host::Optimization;
use brolga_codegen::jit::{Code, link};
use brolga_codegen::object::{ObjectBuilder, Symbol};
use brolga_codegen::tile::{Builder, Cranelift, Extent, Interpret, TileProgram, TileTarget, Trips};
use brolga_ir::lanes::Lanes;
use cranelift_codegen::ir::InstBuilder;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};

use crate::support::{Arg, executed};

fn target() -> Arc<dyn TileTarget> {
    Arc::new(Cranelift::host().expect("this machine is known"))
}

fn contraction(rows: usize, lanes: usize) -> Arc<TileProgram> {
    let loops = [KLoop { trips: Trips::Const(96), a_step: 4, b_step: 256 }];
    let mut b = Builder::new("contraction");
    let [x, w, y] = ["x", "w", "y"].map(|name| b.pointer(name));
    for acc in Contraction::strided(rows, 128, lanes, &loops).emit(&mut b, x, w, Start::Zero) {
        b.store_f32(y.at(256 * acc.row as i32 + 4 * acc.column as i32), acc.extent, acc.value);
    }
    Arc::new(b.finish().expect("a right program"))
}

fn assembly(program: &Arc<TileProgram>) -> String {
    let mut builder = ObjectBuilder::new(target()).expect("this machine is known").with_text();
    let id = builder.tile(program);
    let object = builder.finish().expect("a tile compiles");
    let text = object.function(id).code.text.as_ref().expect("text was asked for");
    assert!(text.source.contains("fma"), "the source is CLIF");
    text.assembly.clone()
}

/// The number of lines in which the text occurs.
fn count(text: &str, what: &str) -> usize {
    text.lines().filter(|line| line.contains(what)).count()
}

#[cfg(target_arch = "x86_64")]
#[test]
fn multiply_adds_are_instructions_on_memory_and_registers() {
    if !std::is_x86_feature_detected!("fma") {
        return;
    }
    let text = assembly(&contraction(10, 4));
    // Eight steps of ten rows, then none left over.
    assert_eq!(count(&text, "vfmadd"), 80, "{text}");
    assert_eq!(
        count(&text, "vbroadcastss"),
        80,
        "row factors are loaded where they are used:\n{text}"
    );
    assert_eq!(count(&text, "vmovss"), 0, "and by one instruction:\n{text}");
    assert_eq!(count(&text, "(%rsp)"), 0, "nothing is spilled:\n{text}");
    assert_eq!(count(&text, "call"), 0, "{text}");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn preferred_tiles_keep_their_accumulators_in_registers() {
    if !std::is_x86_feature_detected!("fma") {
        return;
    }
    for (rows, lanes) in [(1, 64), (2, 64), (4, 64), (7, 64), (8, 64), (9, 64), (10, 64)] {
        let shape = target().contraction_shape(rows, lanes);
        let text = assembly(&contraction(shape.rows, shape.lanes));
        assert_eq!(count(&text, "(%rsp)"), 0, "{shape:?}:\n{text}");
    }
}

#[test]
fn contraction_shapes_cover_rows_evenly() {
    let target = target();
    for rows in 1..=100 {
        for lanes in 1..=70 {
            let shape = target.contraction_shape(rows, lanes);
            assert!(
                (1..=rows).contains(&shape.rows) && (1..=lanes).contains(&shape.lanes),
                "{shape:?}"
            );
        }
    }
    let shape = |rows, lanes| {
        let shape = target.contraction_shape(rows, lanes);
        (shape.rows, shape.lanes)
    };
    assert_eq!(
        [1, 2, 3, 7, 32].map(|rows| shape(rows, 64)),
        [(1, 36), (2, 16), (1, 36), (2, 16), (2, 16)]
    );
    assert_eq!([7, 13, 26].map(|rows| shape(rows, 4)), [(7, 4), (7, 4), (9, 4)]);
}

#[test]
fn equal_programs_are_one_function() {
    let mut builder = ObjectBuilder::new(target()).expect("this machine is known");
    let first = builder.tile(&contraction(2, 4));
    assert_eq!(builder.tile(&contraction(2, 4)), first);
    assert_ne!(builder.tile(&contraction(3, 4)), first);
    let object = builder.finish().expect("tiles compile");
    assert_eq!(object.functions().len(), 2);
    assert_eq!(object.size(), object.functions().iter().map(|f| f.code.bytes.len()).sum::<usize>());
    let code = link(object).expect("nothing is missing");
    assert_eq!(code.address(first).addr() % 64, 0, "functions start at a cache line");
}

#[test]
fn kernels_call_tiles() {
    let mut b = Builder::new("double");
    let x = b.pointer("x");
    let v = b.load_f32(x.at(0), Extent::First(5));
    let v = b.add(v, v);
    b.store_f32(x.at(0), Extent::First(5), v);
    let program = Arc::new(b.finish().expect("a right program"));

    let mut object = ObjectBuilder::new(target()).expect("this machine is known");
    let kernel = object.declare("twice", 1);
    let tile_id = object.tile(&program);
    let mut function = object.function(kernel);
    let tile = object.import(tile_id, &mut function);
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut function, &mut context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let x = builder.block_params(entry)[0];
    builder.ins().call(tile, &[x]);
    // Inside the kernel this time.
    brolga_codegen::tile::emit(&program, &mut builder, &[x]);
    builder.ins().return_(&[]);
    builder.finalize(object.frontend_config());
    object.define(kernel, function, Optimization::Speed);
    let object = object.finish().expect("everything compiles");
    let calls = &object.function(kernel).code.relocations;
    assert!(matches!(calls.as_slice(), [call] if call.symbol == Symbol::Function(tile_id)));
    let code = link(object).expect("nothing is missing");
    for results in executed(code.address(kernel), &[Arg::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0])]) {
        assert_eq!(results, [Arg::F32(vec![4.0, 8.0, 12.0, 16.0, 20.0])]);
    }
}

#[test]
fn interpreted_tiles_hold_no_address() {
    let program = contraction(2, 4);
    let target = Arc::new(Interpret::host().expect("this machine is known"));
    let mut builder = ObjectBuilder::new(target).expect("this machine is known");
    let id = builder.tile(&program);
    let object = builder.finish().expect("everything compiles");
    let code = &object.function(id).code;
    let symbols: Vec<_> = code.relocations.iter().map(|to| to.symbol).collect();
    assert_eq!(symbols, [Symbol::Program(id), Symbol::Interpreter]);
    let address = Arc::as_ptr(&program).addr().to_le_bytes();
    assert!(code.bytes.windows(address.len()).all(|bytes| bytes != address));
}

#[test]
fn a_function_without_body_is_an_error() {
    let mut builder = ObjectBuilder::new(target()).expect("this machine is known");
    builder.declare("forgotten", 2);
    let error = builder.finish().expect_err("it has no body");
    insta::assert_snapshot!(error, @"the compiled functions cannot be placed in memory: `forgotten` was declared and never defined");
}

#[test]
fn code_belongs_to_any_thread() {
    fn any_thread<T: Send + Sync>() {}
    any_thread::<Code>();
}
