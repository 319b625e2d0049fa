use insta::assert_snapshot;

use crate::{DENSE, stderr_of, stdout_of};

#[test]
fn a_valid_text_is_ok() {
    assert_eq!(stdout_of(&["verify", "-"], DENSE), "ok\n");
    assert_eq!(stdout_of(&["verify", "mlp"], ""), "ok\n");
}

#[test]
fn every_mistake_is_shown_with_its_position() {
    let text = "\
graph f(%x: f32[2,3], %y: f32[4]) {
  %0: f32[2,3] = add %x, %y
  %1: f32[2,3] = rleu %x
  return %2
}
";
    assert_snapshot!(stderr_of(1, &["verify", "-"], text), @"
    <stdin>:2:18: error: `add`: f32[2,3] and f32[4] do not broadcast
      2 |   %0: f32[2,3] = add %x, %y
        |                  ^~~~~~~~~~
      help: aligned at the last axis, two extents must be equal or one of them 1

    <stdin>:3:18: error: there is no op `rleu`
      3 |   %1: f32[2,3] = rleu %x
        |                  ^~~~
      help: did you mean `relu`?

    <stdin>:4:10: error: `%2` is not defined
      4 |   return %2
        |          ^~
    ");
}

#[test]
fn a_graph_of_kernels_can_be_asked_for() {
    let kernels = stdout_of(&["opt", "-"], DENSE);
    assert_eq!(stdout_of(&["verify", "-", "--kernels"], &kernels), "ok\n");
    assert_snapshot!(stderr_of(1, &["verify", "-", "--kernels"], DENSE), @"
    error: the graph is not a graph of kernels
    `matmul` of dense: the node is not in a kernel
    `add` of dense: the node is not in a kernel
    `relu` of activation: the node is not in a kernel
    `reduce_sum` of loss: the node is not in a kernel
    ");
}

#[test]
fn a_file_that_does_not_exist_is_an_error() {
    assert_snapshot!(stderr_of(1, &["verify", "no/such.ir"], ""), @"
    error: there is no model and no file `no/such.ir`
      help: the models are mnist_cnn, mlp, tiny; a file is an IR text, a model that ends in .onnx, .keras or .h5, or a record that ends in .brolga, and - is standard input
    ");
}

#[test]
fn a_directory_is_an_error() {
    assert_snapshot!(stderr_of(1, &["verify", "."], ""), @"error: `.` cannot be read: Is a directory (os error 21)");
}

#[test]
fn a_file_that_is_not_text_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.png");
    std::fs::write(&path, [0x89, 0xff, 0xfe]).unwrap();
    let path = path.to_str().unwrap();
    let message = stderr_of(1, &["verify", path], "").replace(path, "image.png");
    assert_snapshot!(message, @"error: `image.png` cannot be read: stream did not contain valid UTF-8");
}

#[test]
fn an_empty_text_is_an_error() {
    assert_snapshot!(stderr_of(1, &["verify", "-"], ""), @"
    <stdin>:1:1: error: there is no graph
      1 |
        | ^
      help: a graph reads like: graph f(%x: f32[2]) { return %x }
    ");
}
