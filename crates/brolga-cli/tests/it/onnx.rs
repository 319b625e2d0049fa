//! Models of ONNX files as subjects.

use super::{brolga, stderr_of, stdout_of};

/// A layer of five units; `tests/files/onnx_models.py` writes it.
const DENSE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/files/dense.onnx");

/// The text without the path of the file.
fn named(text: &str) -> String {
    text.replace(DENSE, "dense.onnx")
}

#[test]
fn what_is_in_a_model() {
    insta::assert_snapshot!(stdout_of(&["inspect", DENSE], ""), @r"
    producer  test
    opset     21
    input     x: float[N,3]
    output    y: float[N,5]
    ops       Gemm 1, Relu 1
    tensors   2, 80 B
      dense.kernel: float[3,5]
      dense.bias: float[5]
    ");
    insta::assert_snapshot!(stdout_of(&["inspect", DENSE, "--json"], ""), @r#"
    {
      "bytes": 80,
      "inputs": [
        {
          "name": "x",
          "type": "float[N,3]"
        }
      ],
      "ops": {
        "Gemm": 1,
        "Relu": 1
      },
      "opset": 21,
      "outputs": [
        {
          "name": "y",
          "type": "float[N,5]"
        }
      ],
      "producer": "test",
      "schema": "brolga.inspect/1",
      "tensors": [
        {
          "element": "float",
          "name": "dense.kernel",
          "shape": [
            3,
            5
          ],
          "state": true
        },
        {
          "element": "float",
          "name": "dense.bias",
          "shape": [
            5
          ],
          "state": true
        }
      ]
    }
    "#);
}

#[test]
fn a_model_is_run_with_its_weights() {
    let run = ["run", DENSE, "--dim", "N=2", "--input", "x=[[1,2,3],[0,0,0]]", "--check"];
    insta::assert_snapshot!(stdout_of(&run, ""), @r"
    graph predict (interpreter)
    %2: f32[2,5]   checksum 8932e3f526ca1923
    [[0.   0.   1.   2.   3.  ]
     [0.   0.25 0.5  0.75 1.  ]]
    check: native code gives the same bits
    ");
}

#[test]
fn a_model_is_optimized_and_dumped() {
    let opt = ["opt", DENSE, "--dim", "N=2", "--passes", "dead_nodes"];
    insta::assert_snapshot!(stdout_of(&opt, ""), @r"
    graph predict(
      %x: f32[2,3],
      state %dense.kernel: f32[3,5] @dense,
      state %dense.bias: f32[5] @dense
    ) {
      %0: f32[2,5] = matmul %x, %dense.kernel {transpose_a=false, transpose_b=false}   @dense
      %1: f32[2,5] = add %0, %dense.bias   @dense
      %2: f32[2,5] = relu %1   @relu
      return %2
    }
    ");
    assert_eq!(brolga(&["dump", DENSE, "--dim", "N=2", "--stage", "asm"]).code, 0);
    assert_eq!(stdout_of(&["verify", DENSE, "--dim", "N=2"], ""), "ok\n");
}

#[test]
fn what_does_not_fit() {
    insta::assert_snapshot!(named(&stderr_of(1, &["run", DENSE], "")), @r#"
    error: dense.onnx: input `x`: extents are open: `N`
      help: bind each: Bindings::new().dim("N", 1), or --dim N=1 on the command line
    "#);
    insta::assert_snapshot!(named(&stderr_of(1, &["run", DENSE, "--dim", "M=2"], "")), @r"
    error: dense.onnx: the model has no open extent `M`
      help: it has `N`
    ");
    let program = ["run", DENSE, "--program", "predict"];
    insta::assert_snapshot!(named(&stderr_of(1, &program, "")), @r"
    error: an ONNX model has one graph
      help: leave out --program
    ");
    insta::assert_snapshot!(stderr_of(1, &["run", "tiny", "--dim", "N=2"], ""), @r"
    error: `--dim N` is for ONNX models; `tiny` is none
      help: all other extents are known
    ");
    insta::assert_snapshot!(stderr_of(1, &["inspect", "tiny"], ""), @"
    error: `tiny` is no model file
      help: files that end in .onnx, .keras, .h5, .safetensors, .npz, .npy are read
    ");
    insta::assert_snapshot!(stderr_of(1, &["run", "-", "--dim", "N=2"], ""), @r"
    error: `--dim N` is for ONNX models; `-` is none
      help: all other extents are known
    ");
}
