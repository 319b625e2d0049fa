//! Data inputs that are fed with rows of arrays.

use crate::kernels::Builder;
use brolga_codegen::compile;
use brolga_ir::Type;
use brolga_ir::text::parse_graph;
use brolga_runtime::{Array, Backend, Executable, Feed, Options, State, StateLayout};
use insta::assert_snapshot;

const ROWS: usize = 1040;
const LONG: usize = 1 << 15;

/// Kernels that read rows that the same worker, or another one, has fed.
fn graphs() -> [Builder; 4] {
    let negated = |rows| {
        let mut own = Builder::new(rows);
        let x = own.data("x");
        let y = own.call("neg", &[x]);
        own.graph.add_output(y);
        own
    };
    let own = negated(ROWS);
    // A stage so long that workers help each other.
    let shared = negated(LONG);
    assert!(shared.native(2).0.schedule()[0].shared);
    let mut others = Builder::new(ROWS);
    let x = others.data("x");
    let y = others.call("reverse", &[x]);
    others.graph.add_output(y);
    // The second stage reads rows that other workers have fed.
    let mut both = Builder::new(ROWS);
    let (x, y) = (both.data("x"), both.data("y"));
    let a = both.call("neg", &[x]);
    let b = both.call("reverse", &[y]);
    let c = both.call("add", &[a, b]);
    both.graph.add_output(c);
    [own, others, both, shared]
}

#[test]
fn rows_are_fed_before_anybody_reads_them() {
    let bytes: Vec<u8> = (0..=255).collect();
    let wide: Vec<i64> = (0..3000).map(|i| i * 7 - 4000).collect();
    for builder in graphs() {
        let (mut reference, mut state) = builder.interpreter();
        let inputs = reference.inputs().len();
        for threads in [1, 2, 3, 8] {
            let (mut native, mut native_state) = builder.native(threads);
            for step in 0..50 {
                let x: Vec<usize> = (0..builder.n).map(|i| (i * 37 + step * 11) % 256).collect();
                let y: Vec<usize> = (0..builder.n).map(|i| (i * 91 + step * 5) % 3000).collect();
                let feeds = [
                    Feed { input: "x".into(), array: Array::U8(&bytes), rows: &x },
                    Feed { input: 1.into(), array: Array::I64(&wide), rows: &y },
                ];
                native.run_fed(&feeds[..inputs], &mut native_state).unwrap();
                if step % 2 == 0 {
                    reference.run_fed(&feeds[..inputs], &mut state).unwrap();
                } else {
                    let values: Vec<f32> = x.iter().map(|&row| f32::from(bytes[row])).collect();
                    reference.write_input("x", &values).unwrap();
                    if inputs > 1 {
                        let values: Vec<f32> = y.iter().map(|&row| wide[row] as f32).collect();
                        reference.write_input("y", &values).unwrap();
                    }
                    reference.run(&mut state).unwrap();
                }
                let outputs = [&native, &reference].map(|e| e.output_tensor(0).unwrap());
                assert_eq!(outputs[0], outputs[1], "step {step} on {threads} threads");
            }
        }
    }
}

/// A program on the interpreter, with inputs of all kinds of shapes.
fn program() -> (Executable, State) {
    let text = "graph f(%x: f32[2,3], %n: i32[], %empty: f32[0,3], %flat: f32[2,0], %mask: bool[2]) { return %x, %n }";
    let graph = parse_graph(text, "<test>").unwrap();
    let layout = StateLayout::of_graphs([&graph]).unwrap();
    let options = Options { backend: Backend::Interpreter, ..Options::default() };
    (Executable::new(&graph, &layout, &options, compile).unwrap(), State::zeros(&layout).unwrap())
}

#[test]
fn scalars_and_empty_inputs_are_fed() {
    let (mut executable, mut state) = program();
    let none: [f32; 0] = [];
    let feeds = [
        Feed { input: "n".into(), array: Array::F64(&[1.5, 2.5]), rows: &[1] },
        Feed { input: "empty".into(), array: Array::F32(&none), rows: &[] },
        Feed { input: "flat".into(), array: Array::F32(&none), rows: &[5, 6] },
        Feed { input: "x".into(), array: Array::I32(&[1, 2, 3, 4, 5, 6]), rows: &[1, 1] },
    ];
    executable.run_fed(&feeds, &mut state).unwrap();
    assert_eq!(executable.output::<f32>(0).unwrap(), [4.0, 5.0, 6.0, 4.0, 5.0, 6.0]);
    assert_eq!(executable.output::<i32>(1).unwrap(), [2]);
}

#[test]
fn what_does_not_fit_is_an_error_and_nothing_runs() {
    let (mut executable, mut state) = program();
    executable.write_input("x", &[7.0_f32; 6]).unwrap();
    let mut error = |input: &'static str, array: Array<'_>, rows: &[usize]| {
        let fine = Feed { input: "x".into(), array: Array::U8(&[0; 6]), rows: &[0, 1] };
        let feeds = [fine, Feed { input: input.into(), array, rows }];
        let error = executable.run_fed(&feeds, &mut state).unwrap_err().to_string();
        assert_eq!(executable.input_mut::<f32>("x").unwrap(), [7.0; 6]);
        error
    };
    assert_snapshot!(error("y", Array::U8(&[1]), &[0]), @"graph `f` has no data input `%y`; it has `%x`: f32[2,3], `%n`: i32[], `%empty`: f32[0,3], `%flat`: f32[2,0], `%mask`: bool[2]");
    assert_snapshot!(error("x", Array::U8(&[0; 6]), &[0, 1, 1]), @"graph `f`: input `%x` is f32[2,3]; it has 2 rows, 3 are fed");
    assert_snapshot!(error("x", Array::U8(&[0; 6]), &[0, 2]), @"graph `f`: input `%x` is f32[2,3]; row 2 is fed from an array of 2 rows");
    assert_snapshot!(error("x", Array::U8(&[0; 5]), &[0, 1]), @"graph `f`: input `%x` is f32[2,3]; row 1 is fed from an array of 1 rows");
    assert_snapshot!(error("n", Array::U8(&[]), &[0]), @"graph `f`: input `%n` is i32[]; row 0 is fed from an array of 0 rows");
    assert_snapshot!(error("mask", Array::Bool(&[true, false]), &[0, 1]), @"graph `f`: input `%mask` is bool[2]; inputs of f32 and of i32 can be fed");
    let layout = StateLayout::new([("w", Type::f32([1]))]).unwrap();
    let feed = Feed { input: "x".into(), array: Array::U8(&[0; 6]), rows: &[0, 1] };
    assert!(executable.run_fed(&[feed], &mut State::zeros(&layout).unwrap()).is_err());
    assert_eq!(executable.input_mut::<f32>("x").unwrap(), [7.0; 6]);
}
