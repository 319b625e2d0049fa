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
    assert_snapshot!(stdout_of(&["opt", "-"], DENSE), @r#"
    graph predict(
      %x: f32[2,3],
      state %dense/kernel: f32[3,5] @dense,
      state %dense/bias: f32[5] @dense
    ) {
      %0: f32[2,5] = kernel %x, %dense/kernel, %dense/bias {kind="contraction"} matmul_add_relu(
        %x: f32[2,3],
        %dense/kernel: f32[3,5],
        %dense/bias: f32[5]
      ) {
        %0: f32[2,5] = matmul %x, %dense/kernel {transpose_a=false, transpose_b=false}   @dense
        %1: f32[2,5] = add %0, %dense/bias   @dense
        %2: f32[2,5] = relu %1   @activation
        return %2
      }   @dense
      %1: f32[] = kernel %0 {kind="rows"} reduce_sum(%v0: f32[2,5]) {
        %0: f32[] = reduce_sum %v0 {axes=[0,1], keepdims=false}   @loss
        return %0
      }   @loss
      return %1, %0
    }
    "#);
}

#[test]
fn a_graph_of_kernels_stays_as_it_is() {
    let kernels = stdout_of(&["opt", "-"], DENSE);
    assert_eq!(stdout_of(&["opt", "-"], &kernels), kernels);
}

#[test]
fn named_passes_run_alone() {
    assert_snapshot!(stdout_of(&["opt", "-", "--passes", "algebraic_simplification,dead_nodes"], ONES), @"
    graph f(%x: f32[2]) {
      %0: f32[2] = exp %x
      return %0
    }
    ");
}

#[test]
fn rewrites_can_be_stopped() {
    let stopped = ["opt", "-", "--passes", "algebraic_simplification", "--stop-after", "1"];
    assert_snapshot!(stdout_of(&stopped, ONES), @"
    graph f(%x: f32[2]) {
      %0: f32[] = constant {value=1}
      %1: f32[2] = mul %x, %0
      %2: f32[2] = exp %1
      return %2
    }
    ");
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
    assert_snapshot!(ran.stderr, @"
    // f after algebraic_simplification
    graph f(%x: f32[2]) {
      %0: f32[2] = exp %x
      return %0
    }
    ");
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
fn what_was_not_fused_is_explained_with_identities() {
    let text = "\
graph f(%x: f32[4,6], %w: f32[6,3], %s: f32[4,1]) {
  %0: f32[4,3] = matmul %x, %w   @dense
  %1: f32[4,3] = mul %0, %s   @scale
  return %1
}
";
    let ran = brolga_with(&["opt", "-", "--explain", "--ids"], text);
    assert_snapshot!(ran.stdout, @r#"
    graph f(%x: f32[4,6], %w: f32[6,3], %s: f32[4,1]) {
      %n5: f32[4,3] = kernel %x, %w {kind="contraction"} matmul(%x: f32[4,6], %w: f32[6,3]) {
        %n3: f32[4,3] = matmul %x, %w {transpose_a=false, transpose_b=false}   @dense
        return %n3
      }   @dense
      %n6: f32[4,3] = kernel %n5, %s {kind="rows"} mul(%v0: f32[4,3], %s: f32[4,1]) {
        %n4: f32[4,3] = mul %v0, %s   @scale
        return %n4
      }   @scale
      return %n6
    }
    "#);
    assert_snapshot!(ran.stderr, @"
    fuse_matmul: n3, `matmul` of dense (forward) without n4, `mul` of scale (forward): it repeats an operand in a way that the kernel does not read
    fuse_elementwise: n4, `mul` of scale (forward) without n3, `matmul` of dense (forward): it does not work row by row
    ");
    let ran = brolga_with(&["opt", "-", "--explain", "--json"], text);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
    assert_snapshot!(document["graphs"][0]["refusals"][0], @r#"{"node":{"id":3,"layer":"dense","op":"matmul","role":"forward"},"outside":{"id":4,"layer":"scale","op":"mul","role":"forward"},"pass":"fuse_matmul","rule":"fuse a matrix product's epilogue","why":"it repeats an operand in a way that the kernel does not read"}"#);
}

#[test]
fn passes_can_be_left_out() {
    let text =
        stdout_of(&["opt", "-", "--skip", "algebraic_simplification,constant_folding"], ONES);
    assert!(text.contains("mul"), "{text}");
    assert_snapshot!(stderr_of(1, &["opt", "-", "--skip", "outline"], ONES), @"error: the pass `outline` cannot be skipped: without it the graph cannot be compiled");
}

#[test]
fn an_unknown_pass_is_an_error_that_lists_all() {
    let message = stderr_of(1, &["opt", "-", "--passes", "fuse_everything"], ONES);
    let (problem, help) = message.split_once('\n').unwrap();
    assert_eq!(problem, "error: there is no pass `fuse_everything`");
    assert!(
        help.starts_with("  help: the passes are ") && help.contains(", fuse_matmul, "),
        "{help}"
    );
}

#[test]
fn all_graphs_of_a_text_are_optimized() {
    let two = format!("{ONES}\n{}", ONES.replace("graph f", "graph g"));
    let text = stdout_of(&["opt", "-", "--passes", "dead_nodes"], &two);
    assert_eq!(text, two);
    let one = stdout_of(&["opt", "-", "--passes", "dead_nodes", "--program", "g"], &two);
    assert!(one.starts_with("graph g") && !one.contains("graph f"), "{one}");
    assert_snapshot!(stderr_of(1, &["opt", "-", "--program", "h"], &two), @"
    error: `<stdin>` has no graph `h`
      help: it has f, g
    ");
}

/// A function that two graphs call.
const SHARED: &str = "\
func act(%x: f32[2]) {
  %0: f32[2] = tanh %x
  return %0
}

graph f(%x: f32[2]) {
  %0: f32[2] = call act %x   @dense
  return %0
}

graph g(%x: f32[2]) {
  %0: f32[2] = call act %x
  %1: f32[2] = call act %0
  return %1
}
";

#[test]
fn graphs_share_their_functions_until_calls_are_inlined() {
    assert_eq!(stdout_of(&["opt", "-", "--passes", "dead_nodes"], SHARED), SHARED);
    assert_eq!(stdout_of(&["dump", "-", "--stage", "traced"], SHARED), SHARED);
    assert_snapshot!(stdout_of(&["opt", "-", "--passes", "inline_calls"], SHARED), @"
    graph f(%x: f32[2]) {
      %0: f32[2] = tanh %x   @dense
      return %0
    }

    graph g(%x: f32[2]) {
      %0: f32[2] = tanh %x
      %1: f32[2] = tanh %0
      return %1
    }
    ");
}
