//! Mistakes in statements: ops, operands and results.

use super::statement;

#[test]
fn an_unknown_op() {
    insta::assert_snapshot!(statement("%0: f32[2] = rleu %x"), @"
    <input>:2:16: error: there is no op `rleu`
      2 |   %0: f32[2] = rleu %x
        |                ^~~~
      help: did you mean `relu`?
    ");
}

#[test]
fn an_unknown_op_near_none() {
    insta::assert_snapshot!(statement("%0: f32[2] = frobnicate %x"), @"
    <input>:2:16: error: there is no op `frobnicate`
      2 |   %0: f32[2] = frobnicate %x
        |                ^~~~~~~~~~
    ");
}

#[test]
fn an_undefined_value() {
    insta::assert_snapshot!(statement("%0: f32[2] = add %x, %mat"), @"
    <input>:2:24: error: `%mat` is not defined
      2 |   %0: f32[2] = add %x, %mat
        |                        ^~~~
    ");
}

#[test]
fn a_value_defined_later() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %1\n  %1: f32[2] = relu %x"), @"
    <input>:2:21: error: `%1` is not defined
      2 |   %0: f32[2] = relu %1
        |                     ^~
      help: it is defined on line 3, after its use
    ");
}

#[test]
fn a_value_defined_twice() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %x\n  %0: f32[2] = exp %x"), @"
    <input>:3:3: error: `%0` is defined twice
      3 |   %0: f32[2] = exp %x
        |   ^~
      help: it is defined on line 2 already
    ");
}

#[test]
fn a_value_named_as_an_input() {
    insta::assert_snapshot!(statement("%x: f32[2] = relu %x"), @"
    <input>:2:3: error: `%x` is defined twice
      2 |   %x: f32[2] = relu %x
        |   ^~
      help: it is defined on line 1 already
    ");
}

#[test]
fn too_few_operands() {
    insta::assert_snapshot!(statement("%0: f32[2] = add %x"), @"
    <input>:2:16: error: `add` takes 2 operands, not 1
      2 |   %0: f32[2] = add %x
        |                ^~~~~~
    ");
}

#[test]
fn too_many_operands() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %x, %x"), @"
    <input>:2:16: error: `relu` takes 1 operand, not 2
      2 |   %0: f32[2] = relu %x, %x
        |                ^~~~~~~~~~~
    ");
}

#[test]
fn too_many_results() {
    insta::assert_snapshot!(statement("%0: f32[2], %1: f32[2] = relu %x"), @"
    <input>:2:28: error: `relu` has 1 result, not 2
      2 |   %0: f32[2], %1: f32[2] = relu %x
        |                            ^~~~
    ");
}

#[test]
fn an_operand_missing_after_a_comma() {
    insta::assert_snapshot!(statement("%0: f32[2] = add %x,"), @"
    <input>:2:23: error: expected an operand such as `%x`, but the line ends
      2 |   %0: f32[2] = add %x,
        |                       ^
    ");
}

#[test]
fn operands_without_a_comma() {
    insta::assert_snapshot!(statement("%0: f32[2] = add %x %x"), @"
    <input>:2:23: error: expected the end of the statement, found `%x`
      2 |   %0: f32[2] = add %x %x
        |                       ^~
    ");
}

#[test]
fn a_missing_equals_sign() {
    insta::assert_snapshot!(statement("%0: f32[2] relu %x"), @"
    <input>:2:14: error: expected `=`, found `relu`
      2 |   %0: f32[2] relu %x
        |              ^~~~
    ");
}

#[test]
fn a_missing_op() {
    insta::assert_snapshot!(statement("%0: f32[2] = %x"), @"
    <input>:2:16: error: expected the name of an op, found `%x`
      2 |   %0: f32[2] = %x
        |                ^~
    ");
}

#[test]
fn an_input_in_the_body() {
    insta::assert_snapshot!(statement("%0: f32[2] = parameter"), @"
    <input>:2:16: error: an input cannot be in the body
      2 |   %0: f32[2] = parameter
        |                ^~~~~~~~~
      help: inputs stand in the signature, as in graph f(%x: f32[2])
    ");
}

#[test]
fn an_unknown_role() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %x #forwards"), @"
    <input>:2:25: error: there is no role `forwards`
      2 |   %0: f32[2] = relu %x #forwards
        |                         ^~~~~~~~
      help: the roles are forward, backward, update
    ");
}

#[test]
fn a_layer_without_a_name() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %x @ #update"), @"
    <input>:2:26: error: expected the name of a layer, found `#`
      2 |   %0: f32[2] = relu %x @ #update
        |                          ^
    ");
}

#[test]
fn a_line_that_ends_early() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %x @"), @"
    <input>:2:25: error: expected the name of a layer, but the line ends
      2 |   %0: f32[2] = relu %x @
        |                         ^
    ");
}

#[test]
fn a_value_without_a_name() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %"), @"
    <input>:2:21: error: a name or a number is missing after `%`
      2 |   %0: f32[2] = relu %
        |                     ^
    ");
}

#[test]
fn a_mistake_has_no_further_ones() {
    insta::assert_snapshot!(statement("%0: f32[2] = rleu %x\n  %1: f32[2] = add %0, %x\n  %2: f33[2] = relu %1\n  %3: f32[2] = relu %2"), @"
    <input>:2:16: error: there is no op `rleu`
      2 |   %0: f32[2] = rleu %x
        |                ^~~~
      help: did you mean `relu`?

    <input>:4:7: error: unknown element type `f33`; there are f32, f64, bf16, f16, i64, i32, u8, bool
      4 |   %2: f33[2] = relu %1
        |       ^~~
      help: did you mean `f32`?
    ");
}
