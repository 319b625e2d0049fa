use insta::assert_snapshot;

use crate::{DENSE, stderr_of, stdout_of};

#[test]
fn a_file_is_shown_as_it_is() {
    assert_eq!(stdout_of(&["dump", "-", "--stage", "traced"], DENSE), DENSE);
}

#[test]
fn a_file_is_differentiated_by_its_states() {
    assert_snapshot!(stdout_of(&["dump", "-", "--stage", "grad"], DENSE), @"
    graph predict(
      %x: f32[2,3],
      state %dense/kernel: f32[3,5] @dense,
      state %dense/bias: f32[5] @dense
    ) {
      %0: f32[2,5] = matmul %x, %dense/kernel {transpose_a=false, transpose_b=false}   @dense
      %1: f32[2,5] = add %0, %dense/bias   @dense
      %2: f32[2,5] = relu %1   @activation
      %3: f32[] = reduce_sum %2 {axes=[0,1], keepdims=false}   @loss
      %4: f32[] = constant {value=1}   @loss #backward
      %5: f32[2,5] = broadcast %4 {shape=[2,5]}   @loss #backward
      %6: f32[] = constant {value=0}   @activation #backward
      %7: bool[2,5] = gt %2, %6   @activation #backward
      %8: f32[2,5] = select %7, %5, %6   @activation #backward
      %9: f32[5] = reduce_sum %8 {axes=[0], keepdims=false}   @dense #backward
      %10: f32[3,5] = matmul %x, %8 {transpose_a=true, transpose_b=false}   @dense #backward
      return %3, %2, %10, %9
    }
    ");
}

#[test]
fn a_file_is_differentiated_by_what_is_named() {
    let text = stdout_of(&["dump", "-", "--stage", "grad", "--wrt", "x"], DENSE);
    assert!(text.contains("f32[2,3] = matmul"), "{text}");
    let optimized = stdout_of(&["dump", "-", "--stage", "optimized", "--wrt", "x"], DENSE);
    assert!(optimized.contains("#backward"), "{optimized}");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "grad", "--wrt", "z"], DENSE), @"
    error: graph `predict` has no input `z`
      help: its inputs are x, dense/kernel, dense/bias
    ");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "grad", "--loss", "2"], DENSE), @"
    error: graph `predict` has no output 2
      help: it has 2, counted from 0
    ");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "grad", "--loss", "1"], DENSE), @"
    error: the loss, `relu` of layer `activation`, must be one float, it is f32[2,5]
      help: reduce it with `reduce_mean` or `reduce_sum`
    ");
    let stateless = "graph f(%x: f32[]) { return %x }";
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "grad"], stateless), @"
    error: graph `f` has no states to differentiate by
      help: name inputs: --wrt A,B; there are x
    ");
}

#[test]
fn nodes_are_chosen_by_layer_and_role() {
    assert_snapshot!(stdout_of(&["dump", "-", "--stage", "traced", "--layer", "dense"], DENSE), @"
    // graph predict, a filtered view: 2 of 4 nodes (layer dense)
    %0: f32[2,5] = matmul %x, %dense/kernel {transpose_a=false, transpose_b=false}   @dense
    %1: f32[2,5] = add %0, %dense/bias   @dense
    ");
    let backward = ["dump", "-", "--stage", "grad", "--role", "backward", "--layer", "activation"];
    assert_snapshot!(stdout_of(&backward, DENSE), @"
    // graph predict, a filtered view: 3 of 11 nodes (role backward, layer activation)
    %6: f32[] = constant {value=0}   @activation #backward
    %7: bool[2,5] = gt %2, %6   @activation #backward
    %8: f32[2,5] = select %7, %5, %6   @activation #backward
    ");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--layer", "dens"], DENSE), @"
    error: graph `predict` has no layer `dens`
      help: the layers are activation, dense, loss
    ");
}

#[test]
fn kernels_are_shown_with_their_tiles() {
    let arguments = ["dump", "-", "--stage", "kernels", "--layer", "dense", "--isa", "128"];
    let text = stdout_of(&arguments, DENSE);
    let head: Vec<&str> = text.lines().take(8).collect();
    assert_snapshot!(head.join("\n"), @"
    // graph predict, a filtered view: 1 of 2 kernels (layer dense), vectors of 128 bits (128)

    kernel matmul_add_relu @dense #forward
      kind: contraction
      lowering: tiles of `contraction`
      ops: matmul, add, relu
      operands: %x: f32[2,3], %dense/kernel: f32[3,5], %dense/bias: f32[5]
      results: %0: f32[2,5]
    ");
    for stage in ["clif", "asm"] {
        let code = stdout_of(&["dump", "-", "--stage", stage], DENSE);
        assert!(code.starts_with("// graph predict: "), "{code}");
        assert!(code.lines().count() > 20, "{code}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn code_is_shown_for_any_instruction_set() {
    let asm = |isa| stdout_of(&["dump", "-", "--stage", "asm", "--isa", isa], DENSE);
    let registers = |text: &str| ["ymm", "zmm"].map(|name| text.contains(name));
    assert_eq!(registers(&asm("128")), [false, false]);
    assert_eq!(registers(&asm("avx2")), [true, false]);
    assert!(registers(&asm("avx512"))[1]);
    assert_snapshot!(stderr_of(2, &["dump", "-", "--isa", "sse2"], DENSE), @"
    error: invalid value 'sse2' for '--isa <scalar|128|avx2|avx512>': there is no instruction set `sse2`; there are scalar, 128, avx2, avx512

    For more information, try '--help'.
    ");
    assert_snapshot!(stderr_of(1, &["run", "-", "--isa", "avx2"], DENSE), @"
    error: the interpreter has no instruction set
      help: --isa goes with --native or --check
    ");
}

#[test]
fn pictures_are_for_graphviz() {
    let detailed = ["dump", "-", "--stage", "dot", "--detailed"];
    let picture = stdout_of(&[&detailed[..], &["--of", "traced"]].concat(), DENSE);
    assert!(picture.starts_with("digraph \"predict\" {"), "{picture}");
    assert!(stdout_of(&detailed, DENSE).contains("style=dashed"));
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "dot", "--layer", "dense"], DENSE), @"
    error: a picture shows the whole graph: --role and --layer do not go with --stage dot
      help: --expand NAME opens a part of it
    ");
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
    assert_snapshot!(stderr_of(1, &["dump", "resnet"], ""), @"
    error: there is no model and no file `resnet`
      help: the models are mnist_cnn, mlp, tiny; a file is an IR text, a model that ends in .onnx, .keras or .h5, or a record that ends in .brolga, and - is standard input
    ");
    assert_snapshot!(stderr_of(1, &["dump", "mlp", "--program", "step"], ""), @"
    error: `mlp` has no program `step`
      help: a model's programs are train_step, eval_step, predict
    ");
    assert_snapshot!(stderr_of(1, &["dump", "mlp", "--layer", "conv2d"], ""), @"
    error: graph `train_step` has no layer `conv2d`
      help: the layers are adam, dense, dense_1, dense_2, dropout, dropout_1, loss, metrics/accuracy
    ");
    assert_snapshot!(stderr_of(1, &["dump", "mlp", "--program", "predict", "--stage", "grad"], ""), @"
    error: this program has no gradients
      help: --program train_step has
    ");
    assert_snapshot!(stderr_of(1, &["dump", "mlp", "--wrt", "x"], ""), @"
    error: --loss and --wrt are for files
      help: a model's training step has its gradients: --stage grad
    ");
    assert_snapshot!(stderr_of(1, &["dump", "-", "--batch", "2"], DENSE), @"
    error: `--batch` is for built-in models and those of Keras; `-` is none
      help: the types in a text have the size of its batch
    ");
}

#[test]
fn plans() {
    let plan = ["dump", "-", "--stage", "plan", "--isa", "128", "--threads", "2"];
    assert_snapshot!(stdout_of(&plan, DENSE), @"
    plan of predict for 2 lanes: arena of 192 B, states of 128 B

    what                 type      address
    input %x             f32[2,3]  arena[0..24]
    state %dense/kernel  f32[3,5]  state[0..60]
    state %dense/bias    f32[5]    state[64..84]
    output 0             f32[]     arena[128..132]
    output 1             f32[2,5]  arena[64..104]

    0  matmul_add_relu  dense forward
       operands   arena[0..24], state[0..60], state[64..84]
       results    arena[64..104]
       stage      matmul_2x3x5: 1 unit, code matmul_add_relu/matmul_2x3x5#0

    1  reduce_sum  loss forward
       operands   arena[64..104]
       results    arena[128..132]
       stage      rows: 1 unit, code reduce_sum/rows#2
    ");
    let mlp = ["dump", "mlp", "--batch", "4", "--stage", "plan", "--isa", "128", "--threads", "2"];
    insta::assert_snapshot!("mlp_plan", stdout_of(&mlp, ""));
    assert_snapshot!(stderr_of(1, &["dump", "-", "--stage", "plan", "--layer", "dense"], DENSE), @"
    error: a plan covers the whole graph: --role and --layer do not go with --stage plan
      help: use them with another stage
    ");
}
