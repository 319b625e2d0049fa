//! Mistakes in the numbers of constants.

use super::statement;

#[test]
fn a_bad_number() {
    insta::assert_snapshot!(statement("%0: f32[3] = constant {value=[1,2x,3]}"), @"
    <input>:2:35: error: `2x` is not a number
      2 |   %0: f32[3] = constant {value=[1,2x,3]}
        |                                   ^~
    ");
}

#[test]
fn a_number_that_is_too_large() {
    insta::assert_snapshot!(statement("%0: f32[] = constant {value=1e39}"), @"
    <input>:2:31: error: `1e39` is too large for f32; infinity is written inf
      2 |   %0: f32[] = constant {value=1e39}
        |                               ^~~~
    ");
}

#[test]
fn an_integer_that_is_too_large() {
    insta::assert_snapshot!(statement("%0: u8[] = constant {value=256}"), @"
    <input>:2:30: error: `256` is not an integer that u8 holds
      2 |   %0: u8[] = constant {value=256}
        |                              ^~~
    ");
}

#[test]
fn a_fraction_for_an_integer() {
    insta::assert_snapshot!(statement("%0: i32[] = constant {value=0.5}"), @"
    <input>:2:31: error: `0.5` is not an integer that i32 holds
      2 |   %0: i32[] = constant {value=0.5}
        |                               ^~~
    ");
}

#[test]
fn a_number_for_a_truth_value() {
    insta::assert_snapshot!(statement("%0: bool[] = constant {value=1}"), @"
    <input>:2:32: error: `1` is not a bool; write true or false
      2 |   %0: bool[] = constant {value=1}
        |                                ^
    ");
}

#[test]
fn a_constant_of_the_wrong_length() {
    insta::assert_snapshot!(statement("%0: f32[3] = constant {value=[1,2]}"), @"
    <input>:2:32: error: expected a list of 3 for f32[3], this one has 2
      2 |   %0: f32[3] = constant {value=[1,2]}
        |                                ^~~~~
    ");
}

#[test]
fn a_constant_of_the_wrong_nesting() {
    insta::assert_snapshot!(statement("%0: f32[2,2] = constant {value=[[1,2],3]}"), @"
    <input>:2:41: error: expected a list of 2 for f32[2,2]
      2 |   %0: f32[2,2] = constant {value=[[1,2],3]}
        |                                         ^
    ");
}

#[test]
fn a_list_for_a_scalar() {
    insta::assert_snapshot!(statement("%0: f32[] = constant {value=[1]}"), @"
    <input>:2:31: error: expected a number for f32[]
      2 |   %0: f32[] = constant {value=[1]}
        |                               ^~~
    ");
}

#[test]
fn a_constant_without_its_value() {
    insta::assert_snapshot!(statement("%0: f32[] = constant"), @"
    <input>:2:15: error: the attribute `value` is missing
      2 |   %0: f32[] = constant
        |               ^~~~~~~~
    ");
}

#[test]
fn a_constant_with_another_attribute() {
    insta::assert_snapshot!(statement("%0: f32[] = constant {val=1}"), @"
    <input>:2:25: error: there is no attribute `val`
      2 |   %0: f32[] = constant {val=1}
        |                         ^~~
      help: the only attribute of a constant is `value`
    ");
}
