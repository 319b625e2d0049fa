//! Mistakes in types.

use super::statement;

#[test]
fn a_wrong_type() {
    insta::assert_snapshot!(statement("%0: f32[] = relu %x"), @"
    <input>:2:7: error: `%0` is declared as f32[], but `relu` gives f32[2]
      2 |   %0: f32[] = relu %x
        |       ^~~~~
    ");
}

#[test]
fn a_wrong_type_of_a_second_result() {
    insta::assert_snapshot!(statement("%0: f32[2], %1: f32[3] = kernel %x {kind=\"rows\"} k(%x: f32[2]) {\n    %0: f32[2] = relu %x\n    return %0, %0\n  }"), @r#"
    <input>:2:19: error: `%1` is declared as f32[3], but `kernel` gives f32[2]
      2 |   %0: f32[2], %1: f32[3] = kernel %x {kind="rows"} k(%x: f32[2]) {
        |                   ^~~~~~
    "#);
}

#[test]
fn a_missing_type() {
    insta::assert_snapshot!(statement("%0 = relu %x"), @"
    <input>:2:6: error: expected `:` and the type of the value, found `=`
      2 |   %0 = relu %x
        |      ^
      help: each value has its type, as in %0: f32[2] = relu %x
    ");
}

#[test]
fn an_unknown_element_type() {
    insta::assert_snapshot!(statement("%0: f31[2] = relu %x"), @"
    <input>:2:7: error: unknown element type `f31`; there are f32, f64, bf16, f16, i64, i32, u8, bool
      2 |   %0: f31[2] = relu %x
        |       ^~~
      help: did you mean `f32`?
    ");
}

#[test]
fn shapes_that_do_not_fit() {
    insta::assert_snapshot!(statement("%0: f32[2,3] = add %x, %m"), @"
    <input>:2:18: error: `add`: f32[2] and f32[2,3] do not broadcast
      2 |   %0: f32[2,3] = add %x, %m
        |                  ^~~~~~~~~~
      help: aligned at the last axis, two extents must be equal or one of them 1
    ");
}

#[test]
fn element_types_that_do_not_fit() {
    insta::assert_snapshot!(statement("%0: f32[2] = add %x, %n"), @"
    <input>:2:16: error: `add`: the operands have different element types, f32 and i32
      2 |   %0: f32[2] = add %x, %n
        |                ^~~~~~~~~~
      help: convert one of them with `cast`
    ");
}

#[test]
fn rank_9() {
    insta::assert_snapshot!(statement("%0: f32[1,1,1,1,1,1,1,1,1] = relu %x"), @"
    <input>:2:7: error: rank 9 is above the limit of 8
      2 |   %0: f32[1,1,1,1,1,1,1,1,1] = relu %x
        |       ^~~~~~~~~~~~~~~~~~~~~~
    ");
}

#[test]
fn a_huge_tensor() {
    insta::assert_snapshot!(statement("%0: f32[1000000000,1000000000] = relu %x"), @"
    <input>:2:7: error: a tensor of type f32[1000000000,1000000000] is larger than the limit of 64 TiB
      2 |   %0: f32[1000000000,1000000000] = relu %x
        |       ^~~~~~~~~~~~~~~~~~~~~~~~~~
    ");
}

#[test]
fn a_huge_extent() {
    insta::assert_snapshot!(statement("%0: f32[99999999999999999999] = relu %x"), @"
    <input>:2:11: error: `99999999999999999999` is too large for an extent
      2 |   %0: f32[99999999999999999999] = relu %x
        |           ^~~~~~~~~~~~~~~~~~~~
      help: extents are whole numbers from 0 on
    ");
}

#[test]
fn a_negative_extent() {
    insta::assert_snapshot!(statement("%0: f32[-2] = relu %x"), @"
    <input>:2:11: error: `-2` is not an extent
      2 |   %0: f32[-2] = relu %x
        |           ^~
      help: extents are whole numbers from 0 on
    ");
}

#[test]
fn an_extent_that_is_a_name() {
    insta::assert_snapshot!(statement("%0: f32[n] = relu %x"), @"
    <input>:2:11: error: expected an extent, found `n`
      2 |   %0: f32[n] = relu %x
        |           ^
    ");
}
