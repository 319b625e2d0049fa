//! Tensors whose elements are in files of their own.

use std::fs;

use super::{Written, floats, graph, model, node};
use crate::proto::{StringStringEntryProto, TensorProto};

fn external(entries: &[(&str, &str)]) -> Written {
    let entry = |(key, value): &(&str, &str)| StringStringEntryProto {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    let tensor = TensorProto {
        data_location: 1,
        external_data: entries.iter().map(entry).collect(),
        ..floats("w", &[2], &[])
    };
    let nodes = vec![node("Identity", &["w"], "y")];
    let written = Written::new(&model(graph(vec![], nodes, vec![tensor], "y")));
    let data: Vec<u8> = [1.0_f32, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    fs::write(written.folder.path().join("data"), data).expect("the file is written");
    written
}

#[test]
fn elements_are_read_from_their_offset() {
    let written = external(&[("location", "data"), ("offset", "4"), ("length", "8")]);
    let model = written.load().expect("the file is there");
    assert_eq!(model.weights()[0].tensor.as_f32(), Some([2.0, 3.0].as_slice()));
}

#[test]
fn only_a_file_in_the_folder_is_read() {
    for path in ["../data", "/etc/passwd", "a/data", "./data", "..", "", "a\\data", "data\0"] {
        let message = external(&[("location", path)]).refused();
        assert!(message.contains("only the name of a file"), "{path}: {message}");
    }
    insta::assert_snapshot!(external(&[("location", "../data")]).refused(), @r"
    model.onnx: tensor `w`: external data is at `../data`
      help: only the name of a file in the folder of the model is followed
    ");
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    let written = external(&[("location", "link")]);
    let link = written.folder.path().join("link");
    std::os::unix::fs::symlink("/etc/passwd", link).expect("the link is made");
    insta::assert_snapshot!(written.refused(), @r"
    model.onnx: tensor `w`: its elements are in `link`, which is a link, a folder or a device
      help: external data must be a file in the folder of the model
    ");
}

#[test]
fn a_file_that_is_missing_or_too_small() {
    insta::assert_snapshot!(external(&[("location", "other")]).refused(), @r"
    model.onnx: tensor `w`: its elements are in `other`, which cannot be read: No such file or directory (os error 2)
      help: keep the files that belong to a model in its folder
    ");
    let after_the_end = [("location", "data"), ("offset", "8")];
    insta::assert_snapshot!(external(&after_the_end).refused(), @r"
    model.onnx: tensor `w`: its elements are 8 bytes of `data` from 8 on, but the file has 12
      help: the file was not copied completely, or belongs to another model
    ");
    let overflow = [("location", "data"), ("offset", "18446744073709551615")];
    insta::assert_snapshot!(external(&overflow).refused(), @r"
    model.onnx: tensor `w`: its elements are 8 bytes of `data` from 18446744073709551615 on, but the file has 12
      help: the file was not copied completely, or belongs to another model
    ");
    let longer = [("location", "data"), ("length", "12")];
    insta::assert_snapshot!(external(&longer).refused(), @r"
    model.onnx: tensor `w`: its type and shape need 8 bytes, the file `data` holds 12 for it
      help: the file and the model do not belong together; export them again
    ");
}

#[test]
fn keys() {
    insta::assert_snapshot!(external(&[]).refused(), @r"
    model.onnx: tensor `w`: external data has no location
      help: it is the name of a file in the folder of the model
    ");
    insta::assert_snapshot!(external(&[("location", "data"), ("url", "x")]).refused(), @r"
    model.onnx: tensor `w`: external data has the key `url`
      help: known are location, offset, length and checksum
    ");
    let twice = [("location", "data"), ("location", "data")];
    insta::assert_snapshot!(external(&twice).refused(), @r"
    model.onnx: tensor `w`: external data has the key `location` twice
      help: each key may stand once
    ");
    insta::assert_snapshot!(external(&[("location", "data"), ("offset", "-1")]).refused(), @r"
    model.onnx: tensor `w`: external data has offset `-1`, which is no number
      help: it is a number of bytes
    ");
}
