use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::{Ran, brolga, brolga_with, stderr_of, stdout_of};

/// A test that holds.
const ONE: &str = "\
// passes: algebraic_simplification
// check: graph f
// check-next: %0: f32[4] = exp %x
graph f(%x: f32[4]) {
  %0: f32[] = constant {value=1}
  %1: f32[4] = mul %x, %0
  %2: f32[4] = exp %1
  return %2
}
";

/// A directory with these files.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

/// A run in which the directory is called DIR.
fn test_in(directory: &Path, arguments: &[&str]) -> Ran {
    let path = directory.to_str().unwrap();
    let arguments: Vec<String> =
        arguments.iter().map(|argument| argument.replace("DIR", path)).collect();
    let arguments: Vec<&str> = ["test"].into_iter().chain(arguments.iter().map(|a| &**a)).collect();
    let Ran { code, stdout, stderr } = brolga(&arguments);
    Ran { code, stdout: stdout.replace(path, "DIR"), stderr: stderr.replace(path, "DIR") }
}

#[test]
fn a_test_that_holds_is_ok() {
    assert_eq!(stdout_of(&["test", "-"], ONE), "<stdin>: ok\n");
}

#[test]
fn the_tests_of_the_passes_hold() {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../brolga-passes/tests/files");
    let text = stdout_of(&["test", files], "");
    assert!(text.ends_with(" tests, 0 failed\n"), "{text}");
}

#[test]
fn every_file_below_a_directory_is_a_test() {
    let failing = ONE.replace("= exp %x", "= log %x");
    let files = [("a/one.ir", ONE), ("b.ir", &failing), ("a/c/two.ir", ONE), ("a/note.txt", "")];
    let directory = directory(&files);
    let ran = test_in(directory.path(), &["DIR"]);
    assert_eq!(ran.code, 1);
    assert_snapshot!(ran.stdout, @r"
    DIR/a/c/two.ir: ok
    DIR/a/one.ir: ok
    DIR/b.ir: failed
    3 tests, 1 failed
    ");
    assert_snapshot!(ran.stderr, @r"
    DIR/b.ir:3:16: error: line 2 of the result does not have this text
      3 | // check-next: %0: f32[4] = log %x
        |                ^~~~~~~~~~~~~~~~~~~
      the result:
          1 | graph f(%x: f32[4]) {
      >   2 |   %0: f32[4] = exp %x
          3 |   return %0
          4 | }
    ");
    let ran = test_in(directory.path(), &["DIR/a/one.ir", "DIR/a/c"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_snapshot!(ran.stdout, @r"
    DIR/a/one.ir: ok
    DIR/a/c/two.ir: ok
    2 tests, 0 failed
    ");
}

#[test]
fn a_failure_shows_where_the_text_was_looked_for() {
    let failing = ONE.replace("check-next: %0: f32[4] = exp", "check-next: %0: f32[4] = log");
    let ran = brolga_with(&["test", "-"], &failing);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "<stdin>: failed\n"));
    assert_snapshot!(ran.stderr, @r"
    <stdin>:3:16: error: line 2 of the result does not have this text
      3 | // check-next: %0: f32[4] = log %x
        |                ^~~~~~~~~~~~~~~~~~~
      the result:
          1 | graph f(%x: f32[4]) {
      >   2 |   %0: f32[4] = exp %x
          3 |   return %0
          4 | }
    ");
    let ran = brolga_with(&["test", "-", "--json"], &failing);
    assert_eq!(ran.code, 1);
    assert_snapshot!(ran.stdout, @r#"
    {
      "schema": "brolga.test/1",
      "tests": [
        {
          "error": {
            "message": "<stdin>:3:16: error: line 2 of the result does not have this text\n  3 | // check-next: %0: f32[4] = log %x\n    |                ^~~~~~~~~~~~~~~~~~~\n  the result:\n      1 | graph f(%x: f32[4]) {\n  >   2 |   %0: f32[4] = exp %x\n      3 |   return %0\n      4 | }",
            "mistakes": [
              {
                "column": 16,
                "file": "<stdin>",
                "help": null,
                "length": 19,
                "line": 3,
                "message": "line 2 of the result does not have this text",
                "text": "// check-next: %0: f32[4] = log %x"
              }
            ]
          },
          "file": "<stdin>",
          "outcome": "failed"
        }
      ]
    }
    "#);
}

#[test]
fn results_are_blessed() {
    let bare: String =
        ONE.lines().filter(|line| !line.contains("check")).map(|l| format!("{l}\n")).collect();
    let directory = directory(&[("one.ir", &bare), ("checked.ir", ONE)]);
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    let ran = test_in(directory.path(), &["DIR/one.ir", "--bless"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "DIR/one.ir: blessed\n"));
    assert_snapshot!(read("one.ir"), @r"
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
    for arguments in [&["DIR/one.ir", "--bless"][..], &["DIR/one.ir"]] {
        let ran = test_in(directory.path(), arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "DIR/one.ir: ok\n"));
    }
    // A blessed file is still a text that every command reads.
    let path = directory.path().join("one.ir");
    assert_eq!(stdout_of(&["verify", path.to_str().unwrap()], ""), "ok\n");

    let ran = test_in(directory.path(), &["DIR/checked.ir", "--bless"]);
    assert_eq!(ran.code, 1);
    assert_snapshot!(ran.stderr, @r"
    DIR/checked.ir:2:11: error: checks are written by hand
      2 | // check: graph f
        |           ^~~~~~~
      help: to have the whole result written down, replace all checks by `// expect:`
    ");
    assert_eq!(read("checked.ir"), ONE);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left beside them");
}

#[test]
fn what_is_no_test_is_an_error() {
    let files = [
        ("empty.ir", ""),
        ("no_passes.ir", "// check: x\ngraph f(%x: f32[4]) { return %x }\n"),
        ("no_check.ir", "// passes: dead_nodes\ngraph f(%x: f32[4]) { return %x }\n"),
        ("no_graph.ir", "// passes: dead_nodes\n// check: x\n"),
    ];
    let directory = directory(&files);
    fs::write(directory.path().join("image.ir"), [0x89, 0xff, 0xfe]).unwrap();
    let ran = test_in(directory.path(), &["DIR"]);
    assert_eq!(ran.code, 1);
    assert_snapshot!(ran.stdout, @r"
    DIR/empty.ir: failed
    DIR/image.ir: failed
    DIR/no_check.ir: failed
    DIR/no_graph.ir: failed
    DIR/no_passes.ir: failed
    5 tests, 5 failed
    ");
    assert_snapshot!(ran.stderr, @r"
    DIR/empty.ir:1:1: error: no comment says which passes run
      1 |
        | ^
      help: write `// passes: A,B`, or `// passes: default` for all of them

    error: `DIR/image.ir` cannot be read: stream did not contain valid UTF-8

    DIR/no_check.ir:1:1: error: no comment says what the result must be
      1 | // passes: dead_nodes
        | ^
      help: write `// check: TEXT`, or let `brolga test --bless` write the whole result below `// expect:`

    DIR/no_graph.ir:3:1: error: there is no graph
      3 |
        | ^
      help: a graph reads like: graph f(%x: f32[2]) { return %x }

    DIR/no_passes.ir:1:1: error: no comment says which passes run
      1 | // check: x
        | ^
      help: write `// passes: A,B`, or `// passes: default` for all of them
    ");
}

#[test]
fn what_cannot_be_run_is_an_error() {
    let directory = directory(&[("note.txt", "")]);
    let ran = test_in(directory.path(), &["DIR"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert_snapshot!(ran.stderr, @r"
    error: no file below `DIR` ends in .ir
      help: tests are IR texts
    ");
    let ran = test_in(directory.path(), &["DIR/lost.ir"]);
    assert_eq!(ran.code, 1);
    assert_snapshot!(ran.stderr, @"error: `DIR/lost.ir` cannot be read: No such file or directory (os error 2)");
    assert_snapshot!(stderr_of(1, &["test", "-", "--bless"], ONE), @r"
    error: standard input cannot be blessed
      help: give --bless the path of a file
    ");
    let large = ONE.replace("[4]", "[4194304]");
    let ran = brolga_with(&["test", "-", "--memory-limit", "10"], &large);
    assert_eq!(ran.code, 1);
    assert_snapshot!(ran.stderr, @r"
    error: <stdin>: the values of graph `f` take 49 MiB, 10 are allowed
      help: --memory-limit 49 allows it
    ");
    assert_snapshot!(stderr_of(2, &["test"], ""), @r"
    error: the following required arguments were not provided:
      <FILE|DIRECTORY|->...

    Usage: brolga test <FILE|DIRECTORY|->...

    For more information, try '--help'.
    ");
}
