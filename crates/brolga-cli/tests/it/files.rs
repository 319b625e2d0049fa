//! Files of models of Keras and of arrays as subjects.

use super::{brolga, stderr_of, stdout_of};

/// Files by Keras; `tests/files/keras_models.py` writes them.
fn file(name: &str) -> String {
    format!("{}/../../tests/files/keras/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn what_is_in_a_file() {
    insta::assert_snapshot!(stdout_of(&["inspect", &file("mlp.keras")], ""), @"
    format    Keras
    producer  Keras 3.15.0
    compiled  Adam, sparse_categorical_crossentropy
    layers    4
      input_layer          InputLayer   float32(None, 4)
      dense                Dense
      batch_normalization  BatchNormalization
      dense_1              Dense
    tensors   22, 684 B
      layers/batch_normalization/vars/0: float32[5]
      layers/batch_normalization/vars/1: float32[5]
      layers/batch_normalization/vars/2: float32[5]
      layers/batch_normalization/vars/3: float32[5]
      layers/dense/vars/0: float32[4,5]
      layers/dense/vars/1: float32[5]
      layers/dense_1/vars/0: float32[5,3]
      layers/dense_1/vars/1: float32[3]
      optimizer/vars/0: int32[]
      optimizer/vars/1: float32[]
      optimizer/vars/10: float32[5,3]
      optimizer/vars/11: float32[5,3]
      optimizer/vars/12: float32[3]
      optimizer/vars/13: float32[3]
      optimizer/vars/2: float32[4,5]
      optimizer/vars/3: float32[4,5]
      optimizer/vars/4: float32[5]
      optimizer/vars/5: float32[5]
      optimizer/vars/6: float32[5]
      optimizer/vars/7: float32[5]
      optimizer/vars/8: float32[5]
      optimizer/vars/9: float32[5]
    ");
    insta::assert_snapshot!(stdout_of(&["inspect", &file("old_sequential_weights.h5")], ""), @"
    format    Hdf5
    producer  Keras 2.15.0
    tensors   8, 228 B
      batch_normalization/batch_normalization/beta:0: float32[5]
      batch_normalization/batch_normalization/gamma:0: float32[5]
      batch_normalization/batch_normalization/moving_mean:0: float32[5]
      batch_normalization/batch_normalization/moving_variance:0: float32[5]
      dense/dense/bias:0: float32[5]
      dense/dense/kernel:0: float32[4,5]
      dense_1/dense_1/bias:0: float32[2]
      dense_1/dense_1/kernel:0: float32[5,2]
    ");
    insta::assert_snapshot!(stdout_of(&["inspect", &file("mlp.npz")], ""), @"
    format    Npz
    tensors   12, 496 B
      after/0: float32[4,5]
      after/1: float32[5]
      after/2: float32[5]
      after/3: float32[5]
      after/4: float32[5]
      after/5: float32[5]
      after/6: float32[5,3]
      after/7: float32[3]
      tx0: float32[8,4]
      ty0: int32[8]
      x0: float32[3,4]
      y0: float32[3,3]
    ");
    let json = stdout_of(&["inspect", &file("mlp.keras"), "--json"], "");
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&document["optimizer"], document["layers"].as_array().unwrap().len()),
        (&"Adam".into(), 4)
    );
}

#[test]
fn models_of_keras_are_run() {
    let model = file("mlp.keras");
    insta::assert_snapshot!(stdout_of(&["run", &model, "--input", "x=0.5"], ""), @"
    graph predict (interpreter)
    %17: f32[1,3]   checksum 9e50caaab2a7bd23
    [[0.49474    0.23227865 0.27298135]]
    ");
    let ran = brolga(&["run", &model, "--check", "--batch", "3"]);
    assert!(ran.stdout.contains("check: native code gives the same bits"), "{ran:?}");
    assert_eq!(brolga(&["run", &model, "--program", "train_step", "--batch", "2"]).code, 0);
    assert_eq!(brolga(&["dump", &model, "--stage", "kernels"]).code, 0);
    insta::assert_snapshot!(stderr_of(1, &["run", &model, "--program", "fit"], "").replace(&model, "mlp.keras"), @"
    error: `mlp.keras` has no program `fit`
      help: a model's programs are train_step, eval_step, predict
    ");
    insta::assert_snapshot!(stderr_of(1, &["run", "none.keras"], ""), @"error: none.keras: No such file or directory (os error 2)");
}

#[test]
fn images_are_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let text = "graph f(%x: f32[1,2,2,3]) {\n  return %x\n}\n";
    let path = folder.path().join("f.ir");
    std::fs::write(&path, text).unwrap();
    let photo = folder.path().join("photo.png");
    std::fs::write(&photo, PNG).unwrap();
    let input = format!("x={}", photo.display());
    insta::assert_snapshot!(stdout_of(&["run", path.to_str().unwrap(), "--input", &input], ""), @"
    graph f (interpreter)
    %x: f32[1,2,2,3]   checksum de78879e2a419ef4
    [[[[255.   0.   0.]
       [255.   0.   0.]]

      [[255.   0.   0.]
       [255.   0.   0.]]]]
    ");
}

/// An image of one red pixel.
const PNG: [u8; 69] = [
    0x89, 0x50, 0x4e, 0x47, 0xd, 0xa, 0x1a, 0xa, 0, 0, 0, 0xd, 0x49, 0x48, 0x44, 0x52, 0, 0, 0, 1,
    0, 0, 0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 0xc, 0x49, 0x44, 0x41, 0x54, 0x78,
    0x9c, 0x63, 0xf8, 0xcf, 0xc0, 0, 0, 3, 1, 1, 0, 0xc9, 0xfe, 0x92, 0xef, 0, 0, 0, 0, 0x49, 0x45,
    0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

#[test]
fn files_are_converted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let convert = |from: &str, to: &str| {
        let ran = brolga(&["convert", from, to]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{from} to {to}");
        ran.stdout.replace(&folder.path().display().to_string(), "DIR")
    };
    insta::assert_snapshot!(convert(&file("old_sequential.h5"), &at("new.keras")), @"DIR/new.keras: model");
    insta::assert_snapshot!(convert(&at("new.keras"), &at("new.safetensors")), @"DIR/new.safetensors: weights");
    insta::assert_snapshot!(convert(&at("new.safetensors"), &at("new.npz")), @"DIR/new.npz: 8 arrays");
    convert(&at("new.keras"), &at("new.weights.h5"));
    convert(&at("new.keras"), &at("again.h5"));
    let run = |path: &str| stdout_of(&["run", path, "--input", "x=0.25"], "");
    assert_eq!(run(&at("again.h5")), run(&file("old_sequential.h5")));
    insta::assert_snapshot!(convert(&at("new.keras"), &at("new.onnx")), @"DIR/new.onnx: model");
    assert_eq!(brolga(&["inspect", &at("new.onnx")]).code, 0);
    insta::assert_snapshot!(stderr_of(1, &["convert", "a.txt", "b.keras"], ""), @"
    error: the ending of `a.txt` is none of a format
      help: formats are .keras, .h5, .weights.h5, .safetensors, .npz, .npy, .onnx
    ");
}
