use std::fs;

use insta::assert_snapshot;

use crate::{DENSE, brolga_with, stderr_of, stdout_of};

#[test]
fn outputs_are_shown_as_numpy_shows_arrays() {
    assert_snapshot!(stdout_of(&["run", "-"], DENSE), @"");
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
    assert_snapshot!(stdout_of(&arguments, text), @"");
    assert_snapshot!(stdout_of(&["run", "-", "--input", "a=inf", "--input", "b=-1", "--input", "c=false"], text), @"");
    let wrong = stderr_of(1, &["run", "-", "--input", &a.replace("a=", "b=")], text);
    assert_snapshot!(wrong.replace(path.to_str().unwrap(), "a.npy"), @"");
}

#[test]
fn inputs_that_do_not_fit_are_errors() {
    let run = |input: &str| stderr_of(1, &["run", "-", "--input", input], DENSE);
    assert_snapshot!(run("z=1"), @"");
    assert_snapshot!(run("x=[1,2]"), @"");
    assert_snapshot!(run("x=two"), @"");
    assert_snapshot!(run("x=nowhere.npy"), @"");
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
    assert_snapshot!(stdout_of(&arguments, text), @"");
}

#[test]
fn a_graph_of_kernels_runs_natively() {
    let kernels = stdout_of(&["opt", "-"], DENSE);
    let native = stdout_of(&["run", "-", "--check"], &kernels);
    assert!(native.ends_with("check: native code gives the same bits\n"), "{native}");
}

#[test]
fn threads_are_for_native_code() {
    assert_snapshot!(stderr_of(1, &["run", "-", "--threads", "2"], DENSE), @"");
    assert_snapshot!(stderr_of(1, &["run", "-", "--native", "--threads", "0"], DENSE), @"");
}

#[test]
fn what_has_no_native_code_is_an_error() {
    let text = "graph f(%x: f64[2]) {\n  %0: f64[2] = neg %x   @neg\n  return %0\n}";
    assert_eq!(brolga_with(&["run", "-"], text).code, 0);
    assert_snapshot!(stderr_of(1, &["run", "-", "--native"], text), @"");
}
