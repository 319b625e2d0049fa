//! Files that are no models, or damaged ones.

use std::fs;

use prost::Message;

use super::{Written, floats, graph, input, model, node};
use crate::load;
use crate::proto::{FunctionProto, GraphProto, ModelProto, OperatorSetIdProto, TensorProto};

fn small() -> ModelProto {
    let nodes = vec![node("Add", &["x", "w"], "y")];
    model(graph(vec![input("x", &["2"])], nodes, vec![floats("w", &[2], &[1.0, 2.0])], "y"))
}

#[test]
fn a_file_that_is_not_there() {
    let error = load("missing.onnx").expect_err("there is none").to_string();
    insta::assert_snapshot!(error, @"cannot read missing.onnx: No such file or directory (os error 2)");
}

#[test]
fn a_folder() {
    let written = Written::new(&small());
    let error = load(written.folder.path()).expect_err("no file").to_string();
    let error = error.replace(&written.folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(error, @"cannot read FOLDER: this is a folder, a device or a pipe, not a file");
}

#[test]
fn another_format() {
    insta::assert_snapshot!(Written::bytes(b"PK\x03\x04zip").refused(), @r"
    model.onnx: this is not an ONNX file, or it is damaged: failed to decode Protobuf message: invalid tag value: 0
      help: give a file that `onnx.save` or an exporter wrote, copied completely
    ");
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(Written::bytes(b"").refused(), @r"
    model.onnx: the model has no graph
      help: the file is empty, truncated, or no ONNX model
    ");
}

#[test]
fn every_truncated_file_is_an_error_or_another_model() {
    let bytes = small().encode_to_vec();
    for length in 0..bytes.len() {
        // Where a field ends the rest is a message of its own, in which something is missing.
        let written = Written::bytes(&bytes[..length]);
        if let Ok(model) = written.load() {
            assert!(model.graph(&crate::Bindings::new()).is_err() || length > bytes.len() / 2);
        }
    }
    insta::assert_snapshot!(Written::bytes(&bytes[..bytes.len() / 2]).refused(), @r"
    model.onnx: this is not an ONNX file, or it is damaged: failed to decode Protobuf message: ModelProto.graph: buffer underflow
      help: give a file that `onnx.save` or an exporter wrote, copied completely
    ");
}

#[test]
fn unknown_fields_are_skipped() {
    let mut bytes = small().encode_to_vec();
    // Field 1000, a text of three bytes.
    bytes.extend([0xc2, 0x3e, 3, b'a', b'b', b'c']);
    assert!(Written::bytes(&bytes).load().is_ok());
}

#[test]
fn nested_too_deep() {
    // A graph in an attribute of a node of a graph, and so on: messages within messages.
    let mut bytes = Vec::new();
    for level in 0..200 {
        let field = [0x3a, 0x0a, 0x2a, 0x32][level % 4];
        let mut outer = vec![field];
        prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
        outer.extend(&bytes);
        bytes = outer;
    }
    let written = Written::bytes(&bytes);
    assert!(written.load().is_err());
}

#[test]
fn versions() {
    let versions = |ir_version: i64, opset: i64| {
        let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: opset }];
        Written::new(&ModelProto { ir_version, opset_import, ..small() }).refused()
    };
    insta::assert_snapshot!(versions(99, 21), @r"
    model.onnx: the file has IR version 99, read are those up to 14
      help: export the model for an older version of ONNX
    ");
    insta::assert_snapshot!(versions(10, 0), @r"
    model.onnx: the model has opset 0, read are 1 to 28
      help: `onnx.version_converter` writes it for another opset
    ");
    insta::assert_snapshot!(versions(10, 99), @r"
    model.onnx: the model has opset 99, read are 1 to 28
      help: `onnx.version_converter` writes it for another opset
    ");
    let none = ModelProto { opset_import: vec![], ..small() };
    insta::assert_snapshot!(Written::new(&none).refused(), @r"
    model.onnx: the model does not say the version of its ops
      help: the file is damaged, or no ONNX model
    ");
}

fn with_tensor(tensor: TensorProto) -> String {
    let nodes = vec![node("Identity", &["w"], "y")];
    Written::new(&model(graph(vec![], nodes, vec![tensor], "y"))).refused()
}

#[test]
fn tensors_whose_elements_do_not_fit() {
    insta::assert_snapshot!(with_tensor(floats("w", &[3], &[1.0])), @r"
    model.onnx: tensor `w`: its type and shape need 3 numbers, the file has 1
      help: the file is damaged; export the model again
    ");
    let raw = TensorProto { raw_data: Some(vec![0; 5].into()), ..floats("w", &[2], &[]) };
    insta::assert_snapshot!(with_tensor(raw), @r"
    model.onnx: tensor `w`: its type and shape need 8 bytes, the file has 5
      help: the file is damaged; export the model again
    ");
    insta::assert_snapshot!(with_tensor(floats("w", &[-1], &[])), @r"
    model.onnx: tensor `w`: it has the shape [-1], and -1 is no extent
      help: extents are numbers from 0 on
    ");
    insta::assert_snapshot!(with_tensor(floats("w", &[i64::MAX, 4], &[])), @"model.onnx: tensor `w`: a tensor of type f32[9223372036854775807,4] is larger than the limit of 64 TiB");
    insta::assert_snapshot!(with_tensor(floats("w", &[1 << 40, 0, 1 << 40], &[])), @"model.onnx: tensor `w`: a tensor of type f32[1099511627776,0,1099511627776] is larger than the limit of 64 TiB");
    insta::assert_snapshot!(with_tensor(floats("w", &[1; 9], &[1.0])), @"model.onnx: tensor `w`: rank 9 is above the limit of 8");
    insta::assert_snapshot!(with_tensor(floats("w", &[1 << 30], &[])), @r"
    model.onnx: tensor `w`: its type and shape need 1073741824 numbers, the file has 0
      help: the file is damaged; export the model again
    ");
}

#[test]
fn element_types_that_are_not_read() {
    let of = |data_type: i32| with_tensor(TensorProto { data_type, ..floats("w", &[1], &[1.0]) });
    insta::assert_snapshot!(of(8), @r"
    model.onnx: tensor `w`: its elements are string, which is not read yet
      help: read are floats of 4 to 64 bits, bool, and integers of 2 to 64 bits
    ");
    insta::assert_snapshot!(of(99), @r"
    model.onnx: tensor `w`: its element type is 99, which ONNX does not define
      help: the file is damaged, or newer than IR version 14
    ");
    let large =
        TensorProto { data_type: 13, uint64_data: vec![u64::MAX], ..floats("w", &[1], &[]) };
    insta::assert_snapshot!(with_tensor(large), @r"
    model.onnx: tensor `w`: it has the element 18446744073709551615
      help: of uint64, numbers below 2^63 are read
    ");
}

#[test]
fn names_that_stand_twice() {
    let twice = |graph: GraphProto| Written::new(&model(graph)).refused();
    let nodes = || vec![node("Relu", &["x"], "y")];
    let w = || floats("w", &[1], &[1.0]);
    let inputs = || vec![input("x", &["1"])];
    insta::assert_snapshot!(twice(graph(inputs(), nodes(), vec![w(), w()], "y")), @r"
    model.onnx: tensor `w`: it is in the file twice
      help: the file is damaged; names of tensors are unique
    ");
    let both = [inputs(), inputs()].concat();
    insta::assert_snapshot!(twice(graph(both, nodes(), vec![], "y")), @r"
    model.onnx: the input `x` is declared twice
      help: names of inputs are unique
    ");
    let function = || FunctionProto { name: "F".to_owned(), ..FunctionProto::default() };
    let functions = vec![function(), function()];
    let written = Written::new(&ModelProto { functions, ..small() });
    insta::assert_snapshot!(written.refused(), @r"
    model.onnx: the function `F` is defined twice
      help: each function has one definition
    ");
}

#[test]
fn all_missing_ops_are_named() {
    let nodes = vec![
        node("Relu", &["x"], "a"),
        node("Rleu", &["a"], "b"),
        node("Rleu", &["b"], "c"),
        node("StringSplit", &["c"], "y"),
    ];
    let written = Written::new(&model(graph(vec![input("x", &["1"])], nodes, vec![], "y")));
    insta::assert_snapshot!(written.refused(), @r"
    model.onnx: the model has ops that are not known:
      Rleu (opset 21): `b`, `c`
      StringSplit (opset 21): `y`
      help: docs/onnx.md lists the ops that are; an exporter may write others for the same model
    ");
}

#[test]
fn a_file_may_end_in_other_bytes_only_as_fields() {
    let mut bytes = small().encode_to_vec();
    bytes.extend([0; 16]);
    insta::assert_snapshot!(Written::bytes(&bytes).refused(), @r"
    model.onnx: this is not an ONNX file, or it is damaged: failed to decode Protobuf message: invalid tag value: 0
      help: give a file that `onnx.save` or an exporter wrote, copied completely
    ");
    fs::write(Written::bytes(&[]).path, []).ok();
}
