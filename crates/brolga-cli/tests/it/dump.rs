use insta::assert_snapshot;

use crate::{DENSE, stderr_of, stdout_of};

#[test]
fn a_file_is_shown_as_it_is() {
    assert_eq!(stdout_of(&["dump", "-", "--stage", "traced"], DENSE), DENSE);
}

#[test]
fn a_file_is_differentiated_by_its_states() {
    assert_snapshot!(stdout_of(&["dump", "-", "--stage", "grad"], DENSE), @"");
}

#[test]
fn a_file_is_differentiated_by_what_is_named() {
    let text = stdout_of(&["dump", "-", "--stage", "grad", "--wrt", "x"], DENSE);
    assert!(text.contains("f32[2,3] = matmul"), "{text}");
    let optimized = stdout_of(&["dump", "-", "--stage", "optimized", "--wrt", "x"], DENSE);
    assert!(optimized.contains("#backward"), "{optimized}");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "grad", "--wrt", "z"], DENSE), @"");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "grad", "--loss", "2"], DENSE), @"");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "grad", "--loss", "1"], DENSE), @"");
    let stateless = "graph f(%x: f32[]) { return %x }";
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "grad"], stateless), @"");
}

#[test]
fn nodes_are_chosen_by_layer_and_role() {
    assert_snapshot!(stdout_of(&["dump", "-", "--stage", "traced", "--layer", "dense"], DENSE), @"");
    let backward = ["dump", "-", "--stage", "grad", "--role", "backward", "--layer", "activation"];
    assert_snapshot!(stdout_of(&backward, DENSE), @"");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--layer", "dens"], DENSE), @"");
}

#[test]
fn kernels_are_shown_with_their_tiles() {
    let text = stdout_of(&["dump", "-", "--stage", "kernels", "--layer", "dense"], DENSE);
    let head: Vec<&str> = text.lines().take(7).collect();
    assert_snapshot!(head.join("\n"), @"");
    for stage in ["clif", "asm"] {
        let code = stdout_of(&["dump", "-", "--stage", stage], DENSE);
        assert!(code.starts_with("// graph predict: "), "{code}");
        assert!(code.lines().count() > 20, "{code}");
    }
}

#[test]
fn pictures_are_for_graphviz() {
    let picture = stdout_of(&["dump", "-", "--stage", "dot", "--of", "traced"], DENSE);
    assert!(picture.starts_with("digraph \"predict\" {"), "{picture}");
    assert!(stdout_of(&["dump", "-", "--stage", "dot"], DENSE).contains("style=dashed"));
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "dot", "--layer", "dense"], DENSE), @"");
}

#[test]
fn models_are_traced() {
    let traced = stdout_of(&["dump", "mlp", "--stage", "traced", "--batch", "3"], "");
    assert!(traced.contains("%x: f32[3,784]") && !traced.contains("#backward"), "{traced}");
    let grad =
        stdout_of(&["dump", "mlp", "--stage", "grad", "--role", "update", "--layer", "dense"], "");
    assert!(grad.starts_with("// graph train_step, a filtered view: "), "{grad}");
    let predict = stdout_of(&["dump", "mlp", "--program", "predict", "--stage", "traced"], "");
    assert!(predict.starts_with("graph predict("), "{predict}");
    let located = stdout_of(&["dump", "mlp", "--stage", "traced", "--locations"], "");
    assert!(located.contains("// crates/brolga-nn/src/"), "{located}");
}

#[test]
fn what_a_model_does_not_have_is_an_error() {
    assert_snapshot!(stderr_of(1, &["dump", "resnet"], ""), @"");
    assert_snapshot!(stderr_of(1, &["dump", "mlp", "--program", "step"], ""), @"");
    assert_snapshot!(stderr_of(1, &["dump", "mlp", "--layer", "conv2d"], ""), @"");
    assert_snapshot!(stderr_of(1, &["dump", "mlp", "--program", "predict", "--stage", "grad"], ""), @"");
    assert_snapshot!(stderr_of(1, &["dump", "mlp", "--wrt", "x"], ""), @"");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--batch", "2"], DENSE), @"");
}
