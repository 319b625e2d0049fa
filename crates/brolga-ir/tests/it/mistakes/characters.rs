//! Characters and quotes that do not belong where they are.

use super::statement;

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
