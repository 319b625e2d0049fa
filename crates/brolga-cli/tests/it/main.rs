//! The binary `brolga`, run as by a shell.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod code;
mod compare;
mod costs;
mod documents;
mod dump;
mod files;
mod first_model;
mod inspect;
mod json;
mod limits;
mod onnx;
mod opt;
mod page;
mod pictures;
mod run;
mod test;
mod usage;
mod values;
mod verify;

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// A layer of a model, small enough to be read.
const DENSE: &str = "\
graph predict(
  %x: f32[2,3],
  state %dense/kernel: f32[3,5] @dense,
  state %dense/bias: f32[5] @dense
) {
  %0: f32[2,5] = matmul %x, %dense/kernel {transpose_a=false, transpose_b=false}   @dense
  %1: f32[2,5] = add %0, %dense/bias   @dense
  %2: f32[2,5] = relu %1   @activation
  %3: f32[] = reduce_sum %2 {axes=[0,1], keepdims=false}   @loss
  return %3, %2
}
";

/// The result of a run of the command.
#[derive(Debug)]
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs `brolga` with this text as standard input.
fn brolga_with(arguments: &[&str], stdin: &str) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_brolga"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Writing fails if the command closes its input without reading it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
}

fn brolga(arguments: &[&str]) -> Ran {
    brolga_with(arguments, "")
}

/// The standard output of a run that succeeds and leaves standard error empty.
fn stdout_of(arguments: &[&str], stdin: &str) -> String {
    let ran = brolga_with(arguments, stdin);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
    ran.stdout
}

/// The standard error of a run that fails with this exit code and prints no result.
fn stderr_of(code: i32, arguments: &[&str], stdin: &str) -> String {
    let ran = brolga_with(arguments, stdin);
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{arguments:?}");
    ran.stderr
}
