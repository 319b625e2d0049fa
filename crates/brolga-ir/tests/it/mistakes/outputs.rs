//! Mistakes in `return`.

use super::{body, returned};

#[test]
fn an_update_of_data() {
    insta::assert_snapshot!(returned("%x => %n"), @"
    <input>:2:16: error: `%n` is not a state and cannot be replaced
      2 |   return %x => %n
        |                ^~
      help: a state is an input declared as `state %w: f32[2]`
    ");
}

#[test]
fn an_update_of_a_result() {
    insta::assert_snapshot!(body("%0: f32[3] = relu %s\n  return %0 => %0"), @"
    <input>:3:16: error: `%0` is not a state and cannot be replaced
      3 |   return %0 => %0
        |                ^~
      help: a state is an input declared as `state %w: f32[2]`
    ");
}

#[test]
fn an_update_of_another_type() {
    insta::assert_snapshot!(returned("%x => %s"), @"
    <input>:2:10: error: the state `%s` is f32[3] and cannot become f32[2]
      2 |   return %x => %s
        |          ^~~~~~~~
    ");
}

#[test]
fn a_state_replaced_twice() {
    insta::assert_snapshot!(returned("%s => %s, %s => %s"), @"
    <input>:2:26: error: the state `%s` is replaced twice
      2 |   return %s => %s, %s => %s
        |                          ^~
    ");
}

#[test]
fn an_undefined_output() {
    insta::assert_snapshot!(returned("%y"), @"
    <input>:2:10: error: `%y` is not defined
      2 |   return %y
        |          ^~
    ");
}

#[test]
fn an_update_without_a_state() {
    insta::assert_snapshot!(returned("%x =>"), @"
    <input>:2:15: error: expected the state that the value replaces, but the line ends
      2 |   return %x =>
        |               ^
    ");
}

#[test]
fn no_return() {
    insta::assert_snapshot!(body("%0: f32[2] = relu %x"), @"
    <input>:3:1: error: the graph has no `return`
      3 | }
        | ^
      help: write `return` and the results, the last line of the body
    ");
}

#[test]
fn two_returns() {
    insta::assert_snapshot!(body("return %x\n  return %x"), @"
    <input>:3:3: error: expected `}` after `return`, found `return`
      3 |   return %x
        |   ^~~~~~
    ");
}

#[test]
fn a_statement_after_return() {
    insta::assert_snapshot!(body("return %x\n  %0: f32[2] = relu %x\n  %1: f32[2] = relu %x"), @"
    <input>:3:3: error: expected `}` after `return`, found `%0`
      3 |   %0: f32[2] = relu %x
        |   ^~
    ");
}
