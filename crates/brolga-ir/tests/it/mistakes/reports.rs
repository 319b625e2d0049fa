//! The report of mistakes: excerpts, limits, positions.

use brolga_ir::parse_module;

use super::statement;

#[test]
fn a_long_line_is_cut() {
    let zeros = vec!["0"; 500].join(",");
    insta::assert_snapshot!(statement(&format!("%0: f32[1001] = constant {{value=[{zeros},o,{zeros}]}}")), @"
    <input>:2:1036: error: `o` is not a value
      2 | … 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,o,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0, …
        |                                                     ^
      help: text needs quotes
    ");
}

#[test]
fn many_mistakes_end_somewhere() {
    let errors = statement(&"%0: f32[2] = rleu %x\n".repeat(1000));
    assert_eq!(errors.matches("there is no op").count(), 20);
}

#[test]
fn columns_count_characters() {
    let text = "graph f() {\n\treturn /* é */ %x\n}";
    let errors = parse_module(text, "a.ir").expect_err("there are no such comments");
    let error = &errors.errors()[0];
    assert_eq!((error.line, error.column, error.length), (2, 9, 1));
    assert_eq!(error.text, "\treturn /* é */ %x");
}
