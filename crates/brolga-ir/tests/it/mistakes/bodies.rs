//! Mistakes in the bodies of ops.

use super::statement;

#[test]
fn a_mistake_inside_a_body() {
    insta::assert_snapshot!(statement("%0: f32[2] = kernel %x {kind=\"rows\"} k(%x: f32[2]) {\n    %0: f32[2] = rleu %x\n    return %0\n  }   @dense"), @"
    <input>:3:18: error: there is no op `rleu`
      3 |     %0: f32[2] = rleu %x
        |                  ^~~~
      help: did you mean `relu`?
    ");
}

#[test]
fn a_body_of_another_type() {
    insta::assert_snapshot!(statement("%0: f32[2] = kernel %x {kind=\"rows\"} k(%x: f32[3]) {\n    return %x\n  }"), @r#"
    <input>:2:16: error: `kernel k`: an operand is f32[2], its body takes f32[3]
      2 |   %0: f32[2] = kernel %x {kind="rows"} k(%x: f32[3]) {
        |                ^~~~~~~~~
    "#);
}

#[test]
fn a_kernel_without_a_body() {
    insta::assert_snapshot!(statement(r#"%0: f32[2] = kernel %x {kind="rows"}"#), @r#"
    <input>:2:39: error: the body of the kernel is missing
      2 |   %0: f32[2] = kernel %x {kind="rows"}
        |                                       ^
      help: a body stands after the attributes, as in name(%x: f32[2]) {..}
    "#);
}

#[test]
fn kernels_that_nest_deeply() {
    let open = "%0: f32[2] = kernel %x {kind=\"rows\"} k(%x: f32[2]) {\n";
    insta::assert_snapshot!(statement(&open.repeat(100)), @r#"
        <input>:66:38: error: nested deeper than 64 levels
          66 | %0: f32[2] = kernel %x {kind="rows"} k(%x: f32[2]) {
             |                                      ^

        <input>:105:1: error: the `}` of the body that begins on line 65 is missing
          105 |
              | ^
        "#);
}
