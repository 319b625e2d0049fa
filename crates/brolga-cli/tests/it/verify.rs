use insta::assert_snapshot;

use crate::{DENSE, stderr_of, stdout_of};

#[test]
fn a_valid_text_is_ok() {
    assert_eq!(stdout_of(&["verify", "-"], DENSE), "ok\n");
    assert_eq!(stdout_of(&["verify", "mlp"], ""), "ok\n");
}

#[test]
fn every_mistake_is_shown_with_its_place() {
    let text = "\
graph f(%x: f32[2,3], %y: f32[4]) {
  %0: f32[2,3] = add %x, %y
  %1: f32[2,3] = rleu %x
  return %2
}
";
    assert_snapshot!(stderr_of(1, &["verify", "-"], text), @"");
}

#[test]
fn a_graph_of_kernels_can_be_asked_for() {
    let kernels = stdout_of(&["opt", "-"], DENSE);
    assert_eq!(stdout_of(&["verify", "-", "--kernels"], &kernels), "ok\n");
    assert_snapshot!(stderr_of(1, &["verify", "-", "--kernels"], DENSE), @"");
}

#[test]
fn a_file_that_does_not_exist_is_an_error() {
    assert_snapshot!(stderr_of(1, &["verify", "no/such.ir"], ""), @"");
}

#[test]
fn a_directory_is_an_error() {
    assert_snapshot!(stderr_of(1, &["verify", "."], ""), @"");
}

#[test]
fn a_file_that_is_not_text_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image.png");
    std::fs::write(&path, [0x89, 0xff, 0xfe]).unwrap();
    let path = path.to_str().unwrap();
    let message = stderr_of(1, &["verify", path], "").replace(path, "image.png");
    assert_snapshot!(message, @"");
}

#[test]
fn an_empty_text_is_an_error() {
    assert_snapshot!(stderr_of(1, &["verify", "-"], ""), @"");
}
