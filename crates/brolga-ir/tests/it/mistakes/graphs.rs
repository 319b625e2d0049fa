//! Mistakes in graphs as a whole: signatures, braces, names.

use brolga_ir::parse_graph;

use super::{errors, statement};

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
fn something_after_the_graph() {
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
