use brolga_codegen::VectorIsa;
use std::fs;

use insta::assert_snapshot;

use crate::{DENSE, stderr_of, stdout_of};

#[test]
fn outputs_are_shown_as_numpy_shows_arrays() {
    assert_snapshot!(stdout_of(&["run", "-"], DENSE), @"
    graph predict (interpreter)
    %3: f32[]   checksum 9e047af9f5dba5b1
    0.307724
    %2: f32[2,5]   checksum 9c82dc2d46ccf52d
    [[0.         0.         0.         0.03256989 0.        ]
     [0.         0.         0.1673584  0.         0.10779572]]
    ");
}

#[test]
fn the_seed_chooses_the_numbers() {
    let run = |seed: &str| stdout_of(&["run", "-", "--seed", seed], DENSE);
    assert_eq!(run("0"), stdout_of(&["run", "-"], DENSE));
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("0"));
}

#[test]
fn inputs_are_numbers_lists_and_files() {
    let text = "graph f(%a: f32[2], %b: i32[2,2], state %c: bool[]) { return %a, %b, %c }";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.npy");
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
    let data: Vec<u8> = [0.5_f32, f32::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
    let length = (header.len() as u16).to_le_bytes();
    fs::write(&path, [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &data].concat())
        .unwrap();
    let a = format!("a={}", path.to_str().unwrap());
    let arguments = ["run", "-", "--input", &a, "--input", "%b=[[1,2],[3,4]]", "--input", "c=true"];
    assert_snapshot!(stdout_of(&arguments, text), @"
    graph f (interpreter)
    %a: f32[2]   checksum aa799e94e36e0ea5
    [0.5 nan]
    %b: i32[2,2]   checksum 6e016ffa8275fab1
    [[1 2]
     [3 4]]
    %c: bool[]   checksum 5f6b48b2555ed07c
    True
    ");
    assert_snapshot!(stdout_of(&["run", "-", "--input", "a=inf", "--input", "b=-1", "--input", "c=false"], text), @"
    graph f (interpreter)
    %a: f32[2]   checksum dbfed0243ec66eb0
    [inf inf]
    %b: i32[2,2]   checksum 3a03597a94b62315
    [[-1 -1]
     [-1 -1]]
    %c: bool[]   checksum 7e660fbb604e1a9d
    False
    ");
    let wrong = stderr_of(1, &["run", "-", "--input", &a.replace("a=", "b=")], text);
    assert_snapshot!(wrong.replace(path.to_str().unwrap(), "a.npy"), @"
    error: input `b`: expected i32[2,2], a.npy has f32[2]
      help: give one number for all elements, a list nested as the shape is, a file .npy, or an image
    ");
}

#[test]
fn inputs_that_do_not_fit_are_errors() {
    let run = |input: &str| stderr_of(1, &["run", "-", "--input", input], DENSE);
    assert_snapshot!(run("z=1"), @"
    error: there is no input `z`
      help: the inputs are x: f32[2,3], dense/kernel: f32[3,5], dense/bias: f32[5]
    ");
    assert_snapshot!(run("x=[1,2]"), @"
    error: input `x`: expected a list of 6 for f32[2,3], this one has 2
      help: give one number for all elements, a list nested as the shape is, a file .npy, or an image
    ");
    assert_snapshot!(run("x=two"), @"
    error: input `x`: `two` is not a value
      help: give one number for all elements, a list nested as the shape is, a file .npy, or an image
    ");
    assert_snapshot!(run("x=nowhere.npy"), @"error: `nowhere.npy` cannot be read: No such file or directory (os error 2)");
}

#[test]
fn native_code_gives_the_same_bits() {
    let native = stdout_of(&["run", "-", "--native"], DENSE);
    assert_eq!(native.replace("native", "interpreter"), stdout_of(&["run", "-"], DENSE));
    for threads in ["1", "2", "3", "8"] {
        let checked = stdout_of(&["run", "-", "--check", "--threads", threads], DENSE);
        assert!(checked.ends_with("check: native code gives the same bits\n"), "{checked}");
    }
}

/// The epilogue of a filter's gradient needs the whole sum, and is computed after it.
#[test]
fn a_filters_gradient_is_scaled_and_added_natively() {
    let text = "\
graph f(%x: f32[2,5,5,2], %q: f32[2,3,3,4]) {
  %0: f32[2,3,3,4] = neg %q
  %1: f32[3,3,2,4] = conv_grad_filter %x, %0 {kernel=[3,3], strides=[1,1]}
  %2: f32[4] = reduce_sum %0 {axes=[0,1,2], keepdims=false}
  %3: f32[4] = reverse %2 {axes=[0]}
  %4: f32[3,3,2,4] = add %1, %3
  return %4
}
";
    for isa in VectorIsa::supported() {
        let checked = stdout_of(&["run", "-", "--check", "--isa", isa.name()], text);
        assert!(checked.ends_with("check: native code gives the same bits\n"), "{checked}");
    }
}

#[test]
fn states_are_replaced() {
    let text = "\
graph count(state %n: i32[], %x: f32[3]) {
  %0: i32[] = constant {value=1}
  %1: i32[] = add %n, %0
  %2: f32[3] = neg %x
  return %1 => %n, %2
}
";
    let arguments = ["run", "-", "--input", "n=41", "--input", "x=[1,2,3]", "--check", "--native"];
    assert_snapshot!(stdout_of(&arguments, text), @"
    graph count (native)
    %1 => %n: i32[]   checksum eb79072a5b5cbecf
    42
    %2: f32[3]   checksum e0dd526307a563b8
    [-1. -2. -3.]
    check: native code gives the same bits
    ");
}

#[test]
fn a_graph_of_kernels_runs_natively() {
    let kernels = stdout_of(&["opt", "-"], DENSE);
    let native = stdout_of(&["run", "-", "--check"], &kernels);
    assert!(native.ends_with("check: native code gives the same bits\n"), "{native}");
}

#[test]
fn the_models_run() {
    for arguments in [["run", "mlp", "--batch", "3"], ["run", "mnist_cnn", "--program", "predict"]]
    {
        let checked = stdout_of(&[&arguments[..], &["--check"]].concat(), "");
        assert!(checked.ends_with("check: native code gives the same bits\n"), "{checked}");
    }
}

#[test]
fn memory_is_limited() {
    let text = "graph f(%x: f32[1000000,1000000]) {\n  return %x\n}\n";
    assert_snapshot!(stderr_of(1, &["run", "-"], text), @"
    error: the values of graph `f` take 3814698 MiB, 8192 are allowed
      help: --memory-limit 3814698 allows it
    ");
    let checked = ["opt", "-", "--check-each-pass", "--memory-limit", "1"];
    assert_snapshot!(stderr_of(1, &checked, text), @"
    error: the values of graph `f` take 3814698 MiB, 1 are allowed
      help: --memory-limit 3814698 allows it
    ");
    assert_eq!(stdout_of(&["opt", "-"], text), text);
    let all = ["run", "-", "--memory-limit", "18446744073709551615"];
    let error = stderr_of(1, &all, text);
    let (needed, rest) = error.split_once(", ").unwrap();
    assert_snapshot!(needed, @"error: graph `f`: 32.7 TiB of memory are needed");
    assert!(rest.ends_with("\n  help: make the graph smaller\n"), "{rest}");
}

#[test]
fn threads_are_for_native_code() {
    assert_snapshot!(stderr_of(1, &["run", "-", "--threads", "2"], DENSE), @"
    error: the interpreter has one thread
      help: --threads goes with --native or --check
    ");
    assert_snapshot!(stderr_of(1, &["run", "-", "--native", "--threads", "0"], DENSE), @"error: 0 threads cannot compute; between 1 and 1024 can");
}

#[test]
fn every_element_type_runs_natively() {
    for dtype in ["f64", "bf16", "f16", "i64", "i32", "u8"] {
        let text = format!(
            "graph f(%a: {dtype}[2,4], %b: {dtype}[4,5]) {{
  %0: {dtype}[2,5] = matmul %a, %b {{transpose_a=false, transpose_b=false}}
  %1: {dtype}[2] = reduce_sum %0 {{axes=[1], keepdims=false}}
  %2: {dtype}[2] = neg %1
  return %0, %2
}}"
        );
        let checked = stdout_of(&["run", "-", "--check"], &text);
        assert!(checked.ends_with("check: native code gives the same bits\n"), "{checked}");
    }
}
