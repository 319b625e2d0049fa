//! Mistakes in attributes.

use super::statement;

#[test]
fn an_unknown_attribute() {
    insta::assert_snapshot!(statement("%0: f32[] = reduce_sum %x {axs=[0], keepdims=false}"), @"
    <input>:2:30: error: there is no attribute `axs`
      2 |   %0: f32[] = reduce_sum %x {axs=[0], keepdims=false}
        |                              ^~~
      help: did you mean `axes`?
    ");
}

#[test]
fn an_attribute_of_an_op_without_any() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %x {alpha=0.1}"), @"
    <input>:2:25: error: there is no attribute `alpha`
      2 |   %0: f32[2] = relu %x {alpha=0.1}
        |                         ^~~~~
      help: this op has no attributes
    ");
}

#[test]
fn a_missing_attribute() {
    insta::assert_snapshot!(statement("%0: f32[] = reduce_sum %x {keepdims=false}"), @"
    <input>:2:29: error: the attribute `axes` is missing
      2 |   %0: f32[] = reduce_sum %x {keepdims=false}
        |                             ^~~~~~~~~~~~~~~~
    ");
}

#[test]
fn all_attributes_missing() {
    insta::assert_snapshot!(statement("%0: f32[] = reduce_sum %x"), @"
    <input>:2:15: error: the attribute `axes` is missing
      2 |   %0: f32[] = reduce_sum %x
        |               ^~~~~~~~~~
    ");
}

#[test]
fn an_attribute_given_twice() {
    insta::assert_snapshot!(statement("%0: f32[] = reduce_sum %x {axes=[0], axes=[0]}"), @"
    <input>:2:40: error: the attribute `axes` is given twice
      2 |   %0: f32[] = reduce_sum %x {axes=[0], axes=[0]}
        |                                        ^~~~
    ");
}

#[test]
fn an_attribute_of_the_wrong_type() {
    insta::assert_snapshot!(statement(r#"%0: f32[] = reduce_sum %x {axes=[0,"a"], keepdims=false}"#), @r#"
    <input>:2:38: error: expected a whole number, found string "a"
      2 |   %0: f32[] = reduce_sum %x {axes=[0,"a"], keepdims=false}
        |                                      ^~~
    "#);
}

#[test]
fn a_negative_attribute() {
    insta::assert_snapshot!(statement("%0: f32[] = reduce_sum %x {axes=[-1], keepdims=false}"), @"
    <input>:2:36: error: expected a whole number, found integer `-1`
      2 |   %0: f32[] = reduce_sum %x {axes=[-1], keepdims=false}
        |                                    ^~
    ");
}

#[test]
fn an_attribute_that_is_no_truth_value() {
    insta::assert_snapshot!(statement("%0: f32[] = reduce_sum %x {axes=[0], keepdims=1}"), @"
    <input>:2:49: error: expected true or false, found integer `1`
      2 |   %0: f32[] = reduce_sum %x {axes=[0], keepdims=1}
        |                                                 ^
    ");
}

#[test]
fn a_list_that_is_too_long() {
    insta::assert_snapshot!(statement("%0: f32[1,1,1,1] = max_pool %i {window=[2,2,2,2], strides=[2,2]}"), @"
    <input>:2:42: error: expected a list of 1 to 3, this one has 4
      2 |   %0: f32[1,1,1,1] = max_pool %i {window=[2,2,2,2], strides=[2,2]}
        |                                          ^~~~~~~~~
    ");
}

#[test]
fn a_list_that_is_too_short() {
    insta::assert_snapshot!(statement("%0: f32[1,1,1,1] = max_pool %i {window=[], strides=[2,2]}"), @"
    <input>:2:42: error: expected a list of 1 to 3, this one has 0
      2 |   %0: f32[1,1,1,1] = max_pool %i {window=[], strides=[2,2]}
        |                                          ^~
    ");
}

#[test]
fn an_unknown_choice() {
    insta::assert_snapshot!(statement(r#"%0: f32[2] = cast %x {dtype="f33"}"#), @r#"
    <input>:2:31: error: `f33` is not a choice here
      2 |   %0: f32[2] = cast %x {dtype="f33"}
        |                               ^~~~~
      help: did you mean `f32`?
    "#);
}

#[test]
fn text_without_quotes() {
    insta::assert_snapshot!(statement("%0: f32[2] = cast %x {dtype=f32}"), @"
    <input>:2:31: error: `f32` is not a value
      2 |   %0: f32[2] = cast %x {dtype=f32}
        |                               ^~~
      help: text needs quotes
    ");
}

#[test]
fn a_kernel_of_an_unknown_kind() {
    insta::assert_snapshot!(statement(r#"%0: f32[2] = kernel %x {kind="row"} k(%x: f32[2]) { return %x }"#), @r#"
    <input>:2:32: error: `row` is not a choice here
      2 |   %0: f32[2] = kernel %x {kind="row"} k(%x: f32[2]) { return %x }
        |                                ^~~~~
      help: did you mean `rows`?
    "#);
}

#[test]
fn the_type_as_an_attribute() {
    insta::assert_snapshot!(statement(r#"%0: i32[2] = iota {axis=0, type="i32[2]"}"#), @r#"
    <input>:2:30: error: the type is given before `=`, not here
      2 |   %0: i32[2] = iota {axis=0, type="i32[2]"}
        |                              ^~~~
    "#);
}

#[test]
fn a_missing_brace_of_attributes() {
    insta::assert_snapshot!(statement("%0: f32[] = reduce_sum %x {axes=[0], keepdims=false"), @"
    <input>:2:54: error: expected `,` or `}`, but the line ends
      2 |   %0: f32[] = reduce_sum %x {axes=[0], keepdims=false
        |                                                      ^
    ");
}

#[test]
fn a_missing_bracket() {
    insta::assert_snapshot!(statement("%0: f32[] = reduce_sum %x {axes=[0, keepdims=false}"), @"
    <input>:2:39: error: `keepdims` is not a value
      2 |   %0: f32[] = reduce_sum %x {axes=[0, keepdims=false}
        |                                       ^~~~~~~~
      help: text needs quotes
    ");
}

#[test]
fn lists_that_nest_deeply() {
    let deep = "[".repeat(10_000);
    insta::assert_snapshot!(statement(&format!("%0: f32[] = constant {{value={deep}")), @"
    <input>:2:95: error: nested deeper than 64 levels
      2 | … [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ …
        |                                                     ^
    ");
}
