use insta::assert_snapshot;

use crate::{DENSE, brolga_with, stderr_of, stdout_of};

/// Two multiplications by one.
const ONES: &str = "\
graph f(%x: f32[2]) {
  %0: f32[] = constant {value=1}
  %1: f32[2] = mul %x, %0
  %2: f32[2] = mul %1, %0
  %3: f32[2] = exp %2
  return %3
}
";

#[test]
fn the_whole_pipeline_makes_kernels() {
    assert_snapshot!(stdout_of(&["opt", "-"], DENSE), @"");
}

#[test]
fn named_passes_run_alone() {
    assert_snapshot!(stdout_of(&["opt", "-", "--passes", "algebraic_simplification,dead_nodes"], ONES), @"");
}

#[test]
fn rewrites_can_be_stopped() {
    let stopped = ["opt", "-", "--passes", "algebraic_simplification", "--stop-after", "1"];
    assert_snapshot!(stdout_of(&stopped, ONES), @"");
}

#[test]
fn changes_are_shown_on_standard_error() {
    let arguments = [
        "opt",
        "-",
        "--passes",
        "common_subexpressions,algebraic_simplification",
        "--print-changed",
    ];
    let ran = brolga_with(&arguments, ONES);
    assert_eq!(ran.code, 0);
    assert_snapshot!(ran.stderr, @"");
    assert!(ran.stderr.contains(&ran.stdout), "the last change is the result");
}

#[test]
fn bits_are_checked_and_passes_are_reported() {
    let ran = brolga_with(&["opt", "-", "--check-each-pass", "--report"], ONES);
    assert_eq!(ran.code, 0);
    for line in ["pass", "outline", "all, with verification", "    1. algebraic_simplification: "] {
        assert!(ran.stderr.lines().any(|shown| shown.starts_with(line)), "{line}: {}", ran.stderr);
    }
}

#[test]
fn passes_can_be_left_out() {
    let text =
        stdout_of(&["opt", "-", "--skip", "algebraic_simplification,constant_folding"], ONES);
    assert!(text.contains("mul"), "{text}");
    assert_snapshot!(stderr_of(1, &["opt", "-", "--skip", "outline"], ONES), @"");
}

#[test]
fn an_unknown_pass_is_an_error_that_lists_all() {
    assert_snapshot!(stderr_of(1, &["opt", "-", "--passes", "fuse_everything"], ONES), @"");
}

#[test]
fn all_graphs_of_a_text_are_optimized() {
    let two = format!("{ONES}\n{}", ONES.replace("graph f", "graph g"));
    let text = stdout_of(&["opt", "-", "--passes", "dead_nodes"], &two);
    assert_eq!(text, two);
    let one = stdout_of(&["opt", "-", "--passes", "dead_nodes", "--program", "g"], &two);
    assert!(one.starts_with("graph g") && !one.contains("graph f"), "{one}");
    assert_snapshot!(stderr_of(1, &["opt", "-", "--program", "h"], &two), @"");
}
