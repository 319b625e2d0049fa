//! Tests of the tests of passes.

use insta::assert_snapshot;

use super::*;

/// A multiplication by one, which algebraic simplification removes.
const GRAPH: &str = "\
graph f(%x: f32[4]) {
  %0: f32[] = constant {value=1}
  %1: f32[4] = mul %x, %0
  %2: f32[4] = exp %1
  return %2
}
";

fn with(comments: &str) -> String {
    format!("// passes: algebraic_simplification\n{comments}\n{GRAPH}")
}

fn test(text: &str) -> Result<(), TestError> {
    let test = FileTest::parse(text, "one.ir")?;
    test.compare(&test.run()?)
}

#[track_caller]
fn holds(comments: &str) {
    test(&with(comments)).unwrap_or_else(|error| panic!("{error}"));
}

#[track_caller]
fn error(text: &str) -> String {
    test(text).expect_err("an error").to_string()
}

fn blessed(text: &str) -> Result<String, TestError> {
    let test = FileTest::parse(text, "one.ir")?;
    test.blessed(&test.run()?)
}

#[test]
fn checks_are_in_order_and_each_takes_a_line() {
    holds("// check: graph f(\n// check-next: %0:  f32[4]   = exp\n// check: return\n");
    holds("// check: %x: f32[4]\n// check-not: mul\n// check: return %0");
    holds("// check-not: mul");
    holds("// Comments are free: as long as they look like nothing else.\n// check: exp");
    assert_snapshot!(error(&with("// check: exp\n// check: graph f")), @r"
    one.ir:3:11: error: no line after line 2 of the result has this text
      3 | // check: graph f
        |           ^~~~~~~
      help: line 1 has it: checks are in order
      the result:
          1 | graph f(%x: f32[4]) {
          2 |   %0: f32[4] = exp %x
          3 |   return %0
          4 | }
    ");
    assert_snapshot!(error(&with("// check: exp\n// check: exp")), @r"
    one.ir:3:11: error: no line after line 2 of the result has this text
      3 | // check: exp
        |           ^~~
      help: line 2 has it: checks are in order
      the result:
          1 | graph f(%x: f32[4]) {
          2 |   %0: f32[4] = exp %x
          3 |   return %0
          4 | }
    ");
    assert_snapshot!(error(&with("  // check: mul")), @r"
    one.ir:2:13: error: no line of the result has this text
      2 |   // check: mul
        |             ^~~
      the result:
          1 | graph f(%x: f32[4]) {
          2 |   %0: f32[4] = exp %x
          3 |   return %0
          4 | }
    ");
}

#[test]
fn the_next_line_is_the_next_one() {
    assert_snapshot!(error(&with("// check: graph\n// check-next: return")), @r"
    one.ir:3:16: error: line 2 of the result does not have this text
      3 | // check-next: return
        |                ^~~~~~
      the result:
          1 | graph f(%x: f32[4]) {
      >   2 |   %0: f32[4] = exp %x
          3 |   return %0
          4 | }
    ");
    assert_snapshot!(error(&with("// check: }\n// check-next: graph")), @r"
    one.ir:3:16: error: the result ends before this line
      3 | // check-next: graph
        |                ^~~~~
      help: line 1 has it: checks are in order
      the result:
          3 |   return %0
          4 | }
    ");
}

#[test]
fn what_must_not_be_there_is_looked_for_between_checks() {
    holds("// check: exp\n// check-not: exp");
    holds("// check-not: return\n// check: exp\n// check: return");
    assert_snapshot!(error(&with("// check: graph\n// check-not: exp\n// check: return")), @r"
    one.ir:3:15: error: line 2 of the result has this text
      3 | // check-not: exp
        |               ^~~
      the result:
          1 | graph f(%x: f32[4]) {
      >   2 |   %0: f32[4] = exp %x
          3 |   return %0
          4 | }
    ");
    assert_snapshot!(error(&with("// check: graph\n// check-not: return")), @r"
    one.ir:3:15: error: line 3 of the result has this text
      3 | // check-not: return
        |               ^~~~~~
      the result:
          1 | graph f(%x: f32[4]) {
          2 |   %0: f32[4] = exp %x
      >   3 |   return %0
          4 | }
    ");
}

#[test]
fn only_some_lines_of_a_long_result_are_shown() {
    let nodes: String = (0..20).map(|n| format!("%{}: f32[4] = exp %{n}\n", n + 1)).collect();
    let text = format!(
        "// passes: dead_nodes\n// check: log\ngraph f(%a: f32[4]) {{\n%0: f32[4] = exp %a\n{nodes}return %20\n}}"
    );
    assert_snapshot!(error(&text), @r"
    one.ir:2:11: error: no line of the result has this text
      2 | // check: log
        |           ^~~
      the result:
          1 | graph f(%a: f32[4]) {
          2 |   %0: f32[4] = exp %a
          3 |   %1: f32[4] = exp %0
          4 |   %2: f32[4] = exp %1
          5 |   %3: f32[4] = exp %2
          6 |   %4: f32[4] = exp %3
          7 |   %5: f32[4] = exp %4
          8 |   %6: f32[4] = exp %5
          9 |   %7: f32[4] = exp %6
         10 |   %8: f32[4] = exp %7
         11 |   %9: f32[4] = exp %8
         12 |   %10: f32[4] = exp %9
           … 12 more lines
    ");
}

#[test]
fn whole_results_are_compared_line_by_line() {
    let result = "// graph f(%x: f32[4]) {\n//   %0: f32[4] = exp %x\n//   return %0\n// }\n";
    let expecting = |result: &str| format!("{}\n// expect:\n{result}", with(""));
    test(&expecting(result)).unwrap_or_else(|error| panic!("{error}"));
    assert_snapshot!(error(&expecting(&result.replace("exp", "log"))), @r"
    one.ir:12:1: error: line 2 of the result differs
      12 | //   %0: f32[4] = log %x
         | ^~~~~~~~~~~~~~~~~~~~~~~~
      help: if the result is right, `brolga test --bless` writes it down
      the result:
          1 | graph f(%x: f32[4]) {
      >   2 |   %0: f32[4] = exp %x
          3 |   return %0
          4 | }
    ");
    assert_snapshot!(error(&expecting(&format!("{result}//\n"))), @r"
    one.ir:15:1: error: the result ends before this line
      15 | //
         | ^~
      help: if the result is right, `brolga test --bless` writes it down
      the result:
          3 |   return %0
          4 | }
    ");
    assert_snapshot!(error(&expecting("// graph f(%x: f32[4]) {\n")), @r"
    one.ir:11:1: error: the result continues with line 2
      11 | // graph f(%x: f32[4]) {
         | ^~~~~~~~~~~~~~~~~~~~~~~~
      help: if the result is right, `brolga test --bless` writes it down
      the result:
          1 | graph f(%x: f32[4]) {
      >   2 |   %0: f32[4] = exp %x
          3 |   return %0
          4 | }
    ");
    assert_snapshot!(error(&expecting("")), @r"
    one.ir:10:4: error: the result continues with line 1
      10 | // expect:
         |    ^~~~~~
      help: if the result is right, `brolga test --bless` writes it down
      the result:
      >   1 | graph f(%x: f32[4]) {
          2 |   %0: f32[4] = exp %x
          3 |   return %0
    ");
}

#[test]
fn a_blessed_file_holds() {
    let bare = with("");
    let text = blessed(&bare).expect("the passes run");
    assert_snapshot!(text, @r"
    // passes: algebraic_simplification

    graph f(%x: f32[4]) {
      %0: f32[] = constant {value=1}
      %1: f32[4] = mul %x, %0
      %2: f32[4] = exp %1
      return %2
    }

    // expect:
    // graph f(%x: f32[4]) {
    //   %0: f32[4] = exp %x
    //   return %0
    // }
    ");
    test(&text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(blessed(&text).expect("the passes run"), text);
    let stale = text.replace("exp %x", "exp  %x\n// more");
    assert_eq!(blessed(&stale).expect("the passes run"), text);
    let two = bare.replace("graph f", "graph g") + GRAPH;
    let text = blessed(&two).expect("the passes run");
    assert!(text.contains("// }\n//\n// graph f"), "{text}");
    test(&text).unwrap_or_else(|error| panic!("{error}"));
    let checked = blessed(&with("// check: exp")).expect_err("an error").to_string();
    assert_snapshot!(checked, @r"
    one.ir:2:11: error: checks are written by hand
      2 | // check: exp
        |           ^~~
      help: to have the whole result written down, replace all checks by `// expect:`
    ");
}

#[test]
fn every_graph_of_a_file_is_run() {
    let two = with("// check: graph f\n// check: graph g\n// check-not: mul");
    test(&(two + &GRAPH.replace("graph f", "graph g"))).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn mistakes_in_comments_are_found_together() {
    let comments = "\
// passes: dead_nodes
// check-next: exp
// chekc: exp
// Check-Not: exp
// check:
// check-not: mul
// check-next: exp
// expect: graph f
";
    assert_snapshot!(error(&with(comments)), @r"
    one.ir:2:12: error: the passes are named twice
      2 | // passes: dead_nodes
        |            ^~~~~~~~~~
      help: name them in one comment, in order

    one.ir:3:4: error: there is no check before this one
      3 | // check-next: exp
        |    ^~~~~~~~~~
      help: `check-next` looks at the line after the one that the previous check took

    one.ir:4:4: error: there is no directive `chekc`
      4 | // chekc: exp
        |    ^~~~~
      help: did you mean `check`?

    one.ir:5:4: error: there is no directive `Check-Not`
      5 | // Check-Not: exp
        |    ^~~~~~~~~
      help: did you mean `check-not`?

    one.ir:6:10: error: there is no text to look for
      6 | // check:
        |          ^
      help: write it after the colon

    one.ir:8:4: error: there is no line between `check-next` and the check before it
      8 | // check-next: exp
        |    ^~~~~~~~~~
      help: remove the `check-not` between them: it cannot fail

    one.ir:9:12: error: nothing can stand after `expect:`
      9 | // expect: graph f
        |            ^~~~~~~
      help: the result begins on the next line
    ");
    assert_snapshot!(error(&format!("{GRAPH}\n// check: exp")), @r"
    one.ir:1:1: error: no comment says which passes run
      1 | graph f(%x: f32[4]) {
        | ^
      help: write `// passes: A,B`, or `// passes: default` for all of them
    ");
    assert_snapshot!(error(&with("")), @r"
    one.ir:1:1: error: no comment says what the result must be
      1 | // passes: algebraic_simplification
        | ^
      help: write `// check: TEXT`, or let `brolga test --bless` write the whole result below `// expect:`
    ");
    assert_snapshot!(error(""), @r"
    one.ir:1:1: error: no comment says which passes run
      1 |
        | ^
      help: write `// passes: A,B`, or `// passes: default` for all of them
    ");
    let late = format!("// passes: default\n// expect:\n// check: exp\n{GRAPH}");
    assert_snapshot!(error(&late).split("\n\n").next().unwrap_or_default(), @r"
    one.ir:4:1: error: only comments can stand below `// expect:`
      4 | graph f(%x: f32[4]) {
        | ^~~~~~~~~~~~~~~~~~~~~
      help: put the graphs above it
    ");
    assert_snapshot!(error(&(with("// check: exp") + "// expect:\n// graph f")), @r"
    one.ir:9:4: error: there are checks and a whole result
      9 | // expect:
        |    ^~~~~~
      help: remove the checks: the whole result has what they look for
    ");
}

#[test]
fn passes_are_named() {
    assert_snapshot!(error(&format!("// passes:\n{GRAPH}")), @r"
    one.ir:1:11: error: no pass is named
      1 | // passes:
        |           ^
      help: name passes, separated by commas; `default` runs them all
    ");
    let unknown = error(&format!("// passes: dead_nodes, cse\n// check: exp\n{GRAPH}"));
    assert!(unknown.contains("`default` runs them all"), "{unknown}");
    assert_snapshot!(unknown.split_once("the passes are").map_or("", |(head, _)| head), @r"
    one.ir:1:12: error: there is no pass `cse`
      1 | // passes: dead_nodes, cse
        |            ^~~~~~~~~~~~~~~
      help:
    ");
    let default = format!("// passes: default\n// check: kernel\n{GRAPH}");
    test(&default).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn mistakes_in_graphs_are_those_of_the_parser() {
    assert_snapshot!(error(&with("// check: exp").replace("= exp", "= epx")), @r"
    one.ir:6:16: error: there is no op `epx`
      6 |   %2: f32[4] = epx %1
        |                ^~~
      help: did you mean `exp`?
    ");
}
