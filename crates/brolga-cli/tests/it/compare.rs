use insta::assert_snapshot;
use serde_json::Value;

use crate::{DENSE, brolga_with, stderr_of, stdout_of};

#[test]
fn machine_code_has_the_bits_of_the_interpreter() {
    let text = stdout_of(&["compare", "-"], DENSE);
    assert!(text.starts_with("graph predict: ") && !text.contains("ULP"), "{text}");
    for isa in ["scalar", "128"] {
        let text = stdout_of(&["compare", "tiny", "--isa", isa, "--threads", "2"], "");
        assert!(!text.contains("ULP"), "{text}");
    }
    let stages = ["compare", "tiny", "--stage", "grad", "--stage", "optimized"];
    assert!(!stdout_of(&stages, "").contains("ULP"));
}

#[test]
fn rounding_is_counted_in_the_last_place() {
    let against = ["compare", "tiny", "--batch", "8", "--stage", "grad", "--stage", "f64"];
    assert_snapshot!("compare_f64", stdout_of(&against, ""));
    let ran = brolga_with(&[&against[..], &["--max-ulps", "0", "--json"]].concat(), "");
    assert_eq!(ran.code, 1);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    let nodes = document["graphs"][0]["nodes"].as_array().unwrap();
    let worst: Vec<u64> = nodes.iter().map(|node| node["worst_ulps"].as_u64().unwrap()).collect();
    assert!(worst.is_sorted_by(|a, b| a >= b) && worst[0] > 0, "{worst:?}");
}

#[test]
fn two_stages_are_compared() {
    assert_snapshot!(stderr_of(1, &["compare", "-", "--stage", "f64"], DENSE), @"
    error: two stages are compared, not 1
      help: give --stage twice
    ");
}

#[test]
fn right_gradients_are_right() {
    let text = stdout_of(&["gradcheck", "-"], DENSE);
    assert!(text.contains(" 0 wrong, 0 at a kink, 0 nodes without one"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let text = stdout_of(&["gradcheck", "tiny", "--batch", "3"], "");
    assert!(text.contains(" 0 wrong, "), "{text}");
    // Halves and integers on the way are no obstacle.
    let halves = "graph f(%x: bf16[4], %i: i32[2]) {
        %0: bf16[2] = gather %x, %i
        %1: f32[2] = cast %0 {dtype=\"f32\"}
        %2: f32[2] = exp %1
        %3: f32[] = reduce_sum %2 {axes=[0], keepdims=false}
        return %3
    }";
    let text = stdout_of(&["gradcheck", "-", "--input", "i=[1,2]"], halves);
    assert!(text.contains(" 0 wrong, "), "{text}");
}

#[test]
fn a_wrong_gradient_rule_is_found() {
    // The gradient rule of one's own claims that the derivative of the square is x.
    let wrong = "func square(%x: f32[3]) {
  %0: f32[3] = mul %x, %x
  return %0
}
func rule(%x: f32[3], %y: f32[3], %dy: f32[3]) {
  %0: f32[3] = mul %x, %dy
  return %0
}
graph f(%x: f32[3]) {
  %0: f32[3] = exp %x
  %1: f32[3] = custom_gradient square, rule %0
  %2: f32[] = reduce_sum %1 {axes=[0], keepdims=false}
  return %2
}
";
    let ran = brolga_with(&["gradcheck", "-", "--graph", "f"], wrong);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("look at the gradient rule of `custom_gradient` (%1)"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_loss_is_one_float() {
    assert_snapshot!(stderr_of(1, &["gradcheck", "-", "--loss", "1"], DENSE), @"
    error: the loss, `relu` of layer `activation`, must be one float, it is f32[2,5]
      help: reduce it with `reduce_mean` or `reduce_sum`
    ");
    assert_snapshot!(stderr_of(1, &["gradcheck", "-", "--loss", "7"], DENSE), @"
    error: graph `predict` has no output 7
      help: it has 2, counted from 0
    ");
}
