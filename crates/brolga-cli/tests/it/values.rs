use insta::assert_snapshot;
use serde_json::Value;

use crate::{DENSE, brolga, brolga_with, stderr_of, stdout_of};

/// The logarithm of a negative number, and what follows of it.
const LOG: &str = "\
graph f(%x: f32[3], %y: f32[3]) {
  %0: f32[3] = sub %x, %y   @distance
  %1: f32[3] = log %0   @entropy
  %2: f32[3] = mul %1, %y   @entropy
  %3: f32[] = reduce_sum %2 {axes=[0], keepdims=false}   @loss
  return %3
}
";

#[test]
fn every_node_has_a_row() {
    assert_snapshot!("values_dense", stdout_of(&["values", "-"], DENSE));
    let wide = stdout_of(&["values", "mnist_cnn", "--batch", "1", "--layer", "conv2d_1"], "");
    assert!(
        wide.lines().all(|line| line.starts_with("first") || line.chars().count() <= 80),
        "{wide}"
    );
}

#[test]
fn a_node_has_a_histogram() {
    assert_snapshot!("values_node", stdout_of(&["values", "-", "%2"], DENSE));
    let inside = stdout_of(&["values", "-", "%n4", "--stage", "optimized"], DENSE);
    assert!(
        inside.contains("relu") || inside.contains("add") || inside.contains("matmul"),
        "{inside}"
    );
    let backward = stdout_of(&["values", "-", "%8", "--stage", "grad"], DENSE);
    assert!(
        backward.contains("select") && backward.contains("@activation #backward"),
        "{backward}"
    );
    let input = stdout_of(&["values", "-", "%x"], DENSE);
    assert!(input.contains("%x: f32[2,3]"), "{input}");
}

#[test]
fn the_first_nan_is_named() {
    let arguments = ["values", "-", "--input", "x=[1,2,3]", "--input", "y=[0.5,4,1]"];
    assert_snapshot!("values_nan", stdout_of(&arguments, LOG));
}

#[test]
fn the_values_of_kernels_are_those_before_fusion() {
    let nodes = |stage: &str| -> Vec<(String, String)> {
        let text = stdout_of(&["values", "-", "--stage", stage, "--json"], DENSE);
        let document: Value = serde_json::from_str(&text).unwrap();
        let nodes = document["graphs"][0]["nodes"].as_array().unwrap();
        let of = |node: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&node["id"]), text(&node["statistics"]["hash"]))
        };
        nodes.iter().map(of).collect()
    };
    let fused = nodes("optimized");
    let before = nodes("traced");
    assert!(before.iter().all(|node| fused.contains(node)), "{before:?} {fused:?}");
    assert!(fused.len() > before.len(), "kernels have results of their own");
}

#[test]
fn runs_are_compared_node_by_node() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.json");
    let path = path.to_str().unwrap();
    std::fs::write(path, stdout_of(&["values", "-", "--json"], DENSE)).unwrap();
    assert_snapshot!(stdout_of(&["values", "-", "--against", path], DENSE), @"7 values, all with the same bits");
    let other = DENSE.replace("relu %1", "tanh %1");
    let ran = brolga_with(&["values", "-", "--against", path], &other);
    assert_eq!(ran.code, 1);
    assert_snapshot!(ran.stdout, @"
    the first node that differs, after 5 with the same bits:
    graph predict, %2 (n5), `tanh` of activation (forward): its op was relu
    ");
    let ran = brolga_with(&["values", "-", "--against", path, "--input", "x=1"], DENSE);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout.contains("graph predict, %x (n0), `parameter` (forward): hash"),
        "{}",
        ran.stdout
    );
    std::fs::write(path, "[]").unwrap();
    let error = stderr_of(1, &["values", "-", "--against", path], DENSE);
    assert!(error.contains("is no document `brolga.values/1`"), "{error}");
}

#[test]
fn what_is_not_there_is_an_error() {
    assert_snapshot!(stderr_of(1, &["values", "-", "%99"], DENSE), @"
    error: there is no node `%99`
      help: nodes are named as `brolga dump --stage` of the same stage names them, or by identity, %n12; --stage chooses the graph
    ");
    assert_snapshot!(stderr_of(1, &["values", "-", "--inputs", "weights.bin"], DENSE), @"
    error: weights.bin: it is no file .npz or .safetensors
      help: give a file .npz or .safetensors with arrays of the inputs' names
    ");
}

#[test]
fn inputs_are_read_from_archives() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.npz");
    let path = path.to_str().unwrap();
    let values: Vec<f32> = (0..6).map(|i| i as f32).collect();
    let array = brolga_files::Array::of_f32(&[2, 3], &values);
    brolga_files::save_tensors(path, &[("x".to_owned(), array)]).unwrap();
    let text = stdout_of(&["run", "-", "--inputs", path, "--stage", "traced"], DENSE);
    let same = ["run", "-", "--input", "x=[[0,1,2],[3,4,5]]"];
    assert_eq!(text, stdout_of(&same, DENSE));
    let none = DENSE.replace("%x", "%z");
    let error = stderr_of(1, &["run", "-", "--inputs", path], &none);
    assert!(error.contains("none of its arrays is an input: x"), "{error}");
    let narrow = DENSE.replace("f32[2,3]", "f32[1,3]").replace("f32[2,5]", "f32[1,5]");
    let error = stderr_of(1, &["run", "-", "--inputs", path], &narrow);
    assert!(error.contains("input `x`: expected f32[1,3], the file has f32[2,3]"), "{error}");
}

#[test]
fn stages_are_evaluated() {
    let traced = stdout_of(&["run", "tiny", "--stage", "traced"], "");
    assert!(traced.starts_with("graph "), "{traced}");
    let checked = stdout_of(&["run", "-", "--stage", "grad", "--check"], DENSE);
    assert!(checked.ends_with("check: native code gives the same bits\n"), "{checked}");
    assert_eq!(brolga(&["values", "tiny", "--stage", "optimized"]).code, 0);
}

#[test]
fn records_keep_values_and_times() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (a, b) = (path("a.brolga"), path("b.brolga"));
    let record = |seed: &str, path: &str| {
        let arguments = [
            "record", "tiny", "--batch", "2", "--values", "--steps", "2", "--seed", seed, "-o",
            path,
        ];
        assert!(stdout_of(&arguments, "").contains("kernels"));
    };
    record("0", &a);
    record("1", &b);
    let same = stdout_of(&["diff", "--values", &a, &a], "");
    assert!(same.ends_with(" values, all with the same bits\n"), "{same}");
    let now = stdout_of(&["diff", "--values", &a, "tiny", "--batch", "2"], "");
    assert!(now.ends_with(" values, all with the same bits\n"), "{now}");
    let ran = brolga(&["diff", "--values", "--exit-code", &a, &b]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("after 0 with the same bits:\nn0, `parameter`"), "{}", ran.stdout);
}
