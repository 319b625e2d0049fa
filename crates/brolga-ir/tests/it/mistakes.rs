//! What every kind of mistake in a text gets.

mod functions;

use brolga_ir::{parse_graph, parse_module};

/// The rendered errors of a text.
fn errors(text: &str) -> String {
    match parse_module(text, "<input>") {
        Ok(module) => panic!("there is no mistake:\n{module}"),
        Err(errors) => errors.to_string(),
    }
}

/// The rendered errors of a graph with this body.
fn body(body: &str) -> String {
    let inputs = "%x: f32[2], %n: i32[2], %m: f32[2,3], %i: f32[1,2,2,1], state %s: f32[3]";
    errors(&format!("graph f({inputs}) {{\n  {body}\n}}\n"))
}

/// The rendered errors of a statement.
fn statement(statement: &str) -> String {
    body(&format!("{statement}\n  return %x"))
}

/// The rendered errors of what is returned.
fn returned(values: &str) -> String {
    body(&format!("return {values}"))
}

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
      help: text stands in quotes
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
    <input>:2:30: error: the type stands before `=`, not here
      2 |   %0: i32[2] = iota {axis=0, type="i32[2]"}
        |                              ^~~~
    "#);
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
fn too_many_results() {
    insta::assert_snapshot!(statement("%0: f32[2], %1: f32[2] = relu %x"), @"
    <input>:2:28: error: `relu` has 1 result, not 2
      2 |   %0: f32[2], %1: f32[2] = relu %x
        |                            ^~~~
    ");
}

#[test]
fn an_operand_missing_behind_a_comma() {
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

#[test]
fn an_input_in_the_body() {
    insta::assert_snapshot!(statement("%0: f32[2] = parameter"), @"
    <input>:2:16: error: an input cannot stand in the body
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
fn junk() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %x $ 3"), @"
    <input>:2:24: error: `$` does not belong here
      2 |   %0: f32[2] = relu %x $ 3
        |                        ^
    ");
}

#[test]
fn junk_instead_of_a_statement() {
    insta::assert_snapshot!(statement("relu %x\n  $\n  %0: f32[2] = relu %x\n  (%x)"), @"
    <input>:2:3: error: expected a statement such as `%0: f32[2] = relu %x`, or `return`, found `relu`
      2 |   relu %x
        |   ^~~~

    <input>:5:3: error: expected a statement such as `%0: f32[2] = relu %x`, or `return`, found `(`
      5 |   (%x)
        |   ^
    ");
}

#[test]
fn foreign_characters() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu «x»"), @"
    <input>:2:21: error: `«` does not belong here
      2 |   %0: f32[2] = relu «x»
        |                     ^
    ");
}

#[test]
fn a_control_character() {
    insta::assert_snapshot!(statement("%0: f32[2] = \u{7}relu %x"), @r#"
    <input>:2:16: error: `\u{7}` does not belong here
      2 |   %0: f32[2] =  relu %x
        |                ^
    "#);
}

#[test]
fn an_open_quote() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %x @\"layer"), @r#"
    <input>:2:25: error: the closing `"` is missing
      2 |   %0: f32[2] = relu %x @"layer
        |                         ^~~~~~
    "#);
}

#[test]
fn an_unknown_escape() {
    insta::assert_snapshot!(statement("%0: f32[2] = relu %x @\"\\q\""), @r#"
    <input>:2:25: error: this escape is unknown
      2 |   %0: f32[2] = relu %x @"\q"
        |                         ^~~~
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
      help: text stands in quotes
    ");
}

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
fn a_signature_of_several_lines_is_skipped_with_its_body() {
    let kernel = "%0: f32[2] = kernel %x {kind=\"rows\"} k(\n    %y: f32[2,\n    %z: f32[2]\n  ) {\n    \
                  %0: f32[2] = rleu %x\n    return %0\n  }\n  %1: f32[2] = relu %0";
    insta::assert_snapshot!(statement(kernel), @"
    <input>:3:15: error: expected an extent, but the line ends
      3 |     %y: f32[2,
        |               ^
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

#[test]
fn empty_input() {
    insta::assert_snapshot!(errors(""), @"
    <input>:1:1: error: there is no graph
      1 |
        | ^
      help: a graph reads like: graph f(%x: f32[2]) { return %x }
    ");
}

#[test]
fn nothing_but_a_comment() {
    insta::assert_snapshot!(errors("// nothing\n"), @"
    <input>:2:1: error: there is no graph
      2 |
        | ^
      help: a graph reads like: graph f(%x: f32[2]) { return %x }
    ");
}

#[test]
fn no_graph() {
    insta::assert_snapshot!(errors("module m {}\n"), @"
    <input>:1:1: error: expected `graph`, found `module`
      1 | module m {}
        | ^~~~~~
    ");
}

#[test]
fn a_graph_without_a_name() {
    insta::assert_snapshot!(errors("graph (%x: f32[2]) { return %x }"), @"
    <input>:1:7: error: expected the name of the graph, found `(`
      1 | graph (%x: f32[2]) { return %x }
        |       ^
    ");
}

#[test]
fn a_missing_brace_of_a_body() {
    insta::assert_snapshot!(errors("graph f(%x: f32[2]) {\n  return %x\n\ngraph g(%x: f32[2]) {\n  %0: f32[2] = rleu %x\n  return %0\n}\n"), @"
    <input>:4:1: error: the `}` of the body that begins on line 1 is missing
      4 | graph g(%x: f32[2]) {
        | ^~~~~

    <input>:5:16: error: there is no op `rleu`
      5 |   %0: f32[2] = rleu %x
        |                ^~~~
      help: did you mean `relu`?
    ");
}

#[test]
fn a_missing_brace_at_the_end() {
    insta::assert_snapshot!(errors("graph f(%x: f32[2]) {\n  %0: f32[2] = relu %x"), @"
    <input>:2:23: error: the `}` of the body that begins on line 1 is missing
      2 |   %0: f32[2] = relu %x
        |                       ^
    ");
}

#[test]
fn a_missing_parenthesis() {
    insta::assert_snapshot!(errors("graph f(%x: f32[2] {\n  return %x\n}\n\ngraph g() {\n  return\n}\n"), @"
    <input>:1:20: error: expected `,` or `)`, found `{`
      1 | graph f(%x: f32[2] {
        |                    ^
    ");
}

#[test]
fn two_graphs_of_one_name() {
    insta::assert_snapshot!(errors("graph f() {\n  return\n}\n\ngraph f() {\n  return\n}\n"), @"
    <input>:5:7: error: there are two graphs named `f`
      5 | graph f() {
        |       ^
    ");
}

#[test]
fn two_inputs_of_one_name() {
    insta::assert_snapshot!(errors("graph f(%x: f32[2], %x: f32[2]) {\n  return %x\n}\n"), @"
    <input>:1:21: error: `%x` is defined twice
      1 | graph f(%x: f32[2], %x: f32[2]) {
        |                     ^~
      help: it is defined on line 1 already
    ");
}

#[test]
fn an_input_that_is_no_name() {
    insta::assert_snapshot!(errors("graph f(%0: f32[2]) {\n  %1: f32[2] = relu %0\n  return %1\n}\n"), @"
    <input>:1:9: error: `0` is not a name for an input
      1 | graph f(%0: f32[2]) {
        |         ^~
      help: names consist of letters, digits and _ . / - and do not start with a digit
    ");
}

#[test]
fn something_behind_the_graph() {
    insta::assert_snapshot!(errors("graph f() {\n  return\n}\n}\n"), @"
    <input>:4:1: error: expected `graph`, found `}`
      4 | }
        | ^
    ");
}

#[test]
fn more_than_one_graph() {
    let errors = parse_graph("graph f() { return } graph g() { return }", "two.ir");
    insta::assert_snapshot!(errors.expect_err("there are two graphs"), @"
    two.ir:1:1: error: expected one graph, found 2
      1 | graph f() { return } graph g() { return }
        | ^
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

#[test]
fn a_long_line_is_cut() {
    let zeros = vec!["0"; 500].join(",");
    insta::assert_snapshot!(statement(&format!("%0: f32[1001] = constant {{value=[{zeros},o,{zeros}]}}")), @"
    <input>:2:1036: error: `o` is not a value
      2 | … 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,o,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0, …
        |                                                     ^
      help: text stands in quotes
    ");
}

#[test]
fn many_mistakes_end_somewhere() {
    let errors = statement(&"%0: f32[2] = rleu %x\n".repeat(1000));
    assert_eq!(errors.matches("there is no op").count(), 20);
}

#[test]
fn places_are_counted_in_characters() {
    let text = "graph f() {\n\treturn /* é */ %x\n}";
    let errors = parse_module(text, "a.ir").expect_err("there are no such comments");
    let error = &errors.errors()[0];
    assert_eq!((error.line, error.column, error.length), (2, 9, 1));
    assert_eq!(error.text, "\treturn /* é */ %x");
}
