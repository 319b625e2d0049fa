//! Mistakes in functions and in calls of them.

use super::{errors, statement};

/// The rendered errors of a graph that calls functions.
fn call(functions: &str, statement: &str) -> String {
    errors(&format!("{functions}\ngraph f(%x: f32[2]) {{\n  {statement}\n  return %x\n}}\n"))
}

#[test]
fn a_function_that_does_not_exist() {
    let functions = "func double(%x: f32[2]) { %0: f32[2] = add %x, %x return %0 }";
    insta::assert_snapshot!(call(functions, "%0: f32[2] = call duoble %x"), @"
    <input>:3:21: error: there is no function `duoble`
      3 |   %0: f32[2] = call duoble %x
        |                     ^~~~~~
      help: did you mean `double`?
    ");
    insta::assert_snapshot!(statement("%0: f32[2] = relu x"), @"
    <input>:2:21: error: there is no function `x`
      2 |   %0: f32[2] = relu x
        |                     ^
      help: operands are values such as `%x`; functions stand above what calls them
    ");
    insta::assert_snapshot!(call(functions, "%0: f32[2] = relu double %x"), @"
    <input>:3:30: error: `relu` has no body
      3 |   %0: f32[2] = relu double %x
        |                              ^
    ");
    insta::assert_snapshot!(call(functions, "%0: f32[2] = call double, double %x"), @"
    <input>:3:38: error: `call` has bodies: 1, not 2
      3 |   %0: f32[2] = call double, double %x
        |                                      ^
      help: its name stands after the op, as in call f %x
    ");
    insta::assert_snapshot!(call(functions, "%0: f32[2] = call %x"), @"
    <input>:3:23: error: the function of the call is missing
      3 |   %0: f32[2] = call %x
        |                       ^
      help: its name stands after the op, as in call f %x
    ");
}

#[test]
fn functions_that_stand_after_their_use() {
    let later = "func a(%x: f32[2]) {\n  %0: f32[2] = call b %x\n  return %0\n}\nfunc b(%x: f32[2]) { return %x }";
    insta::assert_snapshot!(call(later, "%0: f32[2] = call a %x"), @"
    <input>:2:21: error: there is no function `b`
      2 |   %0: f32[2] = call b %x
        |                     ^
      help: operands are values such as `%x`; functions stand above what calls them
    ");
}

#[test]
fn functions_of_one_name() {
    let twice = "func a(%x: f32[2]) { return %x }\nfunc a(%x: f32[2]) { return %x }";
    insta::assert_snapshot!(call(twice, "%0: f32[2] = call a %x"), @"
    <input>:2:6: error: there are two functions named `a`
      2 | func a(%x: f32[2]) { return %x }
        |      ^
    ");
}

#[test]
fn a_function_with_a_mistake_has_no_further_ones() {
    let wrong = "func a(%x: f32[2]) {\n  %0: f32[2] = rleu %x\n  return %0\n}";
    insta::assert_snapshot!(call(wrong, "%0: f32[2] = call a %x\n  %1: f32[2] = relu %0"), @"
    <input>:2:16: error: there is no op `rleu`
      2 |   %0: f32[2] = rleu %x
        |                ^~~~
      help: did you mean `relu`?
    ");
    let cut = "func a(%x: f32[2]) {\n  %0: f32[2] = relu %x";
    insta::assert_snapshot!(call(cut, "%0: f32[2] = relu %x"), @"
    <input>:3:1: error: the `}` of the body that begins on line 1 is missing
      3 | graph f(%x: f32[2]) {
        | ^~~~~
    ");
}

#[test]
fn operands_that_are_not_the_functions() {
    let functions = "func double(%x: f32[3]) { %0: f32[3] = add %x, %x return %0 }";
    insta::assert_snapshot!(call(functions, "%0: f32[3] = call double %x"), @"
    <input>:3:16: error: `call double`: an operand is f32[2], its body takes f32[3]
      3 |   %0: f32[3] = call double %x
        |                ^~~~~~~~~~~~~~
    ");
    insta::assert_snapshot!(call(functions, "%0: f32[3] = call double %x, %x"), @"
    <input>:3:16: error: `call double` takes 1 operand, not 2
      3 |   %0: f32[3] = call double %x, %x
        |                ^~~~~~~~~~~~~~~~~~
    ");
    insta::assert_snapshot!(call(functions, "%0: f32[3] = call double %x {axis=1}"), @"
    <input>:3:32: error: there is no attribute `axis`
      3 |   %0: f32[3] = call double %x {axis=1}
        |                                ^~~~
      help: this op has no attributes
    ");
}
