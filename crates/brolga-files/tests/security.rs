//! Files that are made to do harm: each is an error that says what is wrong.

use std::error::Error;
use std::path::PathBuf;

use brolga_files::{Array, Load, LoadWeights, Tensors, load_model, load_weights, save_tensors};
use brolga_nn::prelude::*;
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn Error>>;

/// A folder for the files of a test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Result<Self, std::io::Error> {
        tempfile::tempdir().map(Self)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, std::io::Error> {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).map(|()| path)
    }

    /// The message of an error, without the folder's path.
    fn message<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> String {
        let message = result.err().map_or_else(|| "no error".to_owned(), |error| error.to_string());
        message.replace(&self.0.path().display().to_string(), "DIR")
    }

    fn of_archive(&self, members: &[Member<'_>]) -> Result<String, std::io::Error> {
        let path = self.write("model.keras", &archive(members))?;
        Ok(self.message(load_model(path)))
    }
}

/// A member of a zip archive as it is written, with what the directory says of it.
#[derive(Clone, Copy)]
struct Member<'a> {
    name: &'a str,
    content: &'a [u8],
    says: Option<u32>,
    method: u16,
    at: Option<u32>,
}

fn member<'a>(name: &'a str, content: &'a [u8]) -> Member<'a> {
    Member { name, content, says: None, method: 0, at: None }
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

/// A zip archive by hand.
fn archive(members: &[Member<'_>]) -> Vec<u8> {
    let (mut bytes, mut directory) = (vec![], vec![]);
    for member in members {
        let at = member.at.unwrap_or(bytes.len() as u32);
        let size = member.says.unwrap_or(member.content.len() as u32);
        let mut fields = vec![];
        fields.extend([20_u16, 0, member.method, 0, 33].iter().flat_map(|x| x.to_le_bytes()));
        for number in [crc(member.content), member.content.len() as u32, size] {
            fields.extend(number.to_le_bytes());
        }
        fields.extend((member.name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&fields);
        bytes.extend(member.name.as_bytes());
        bytes.extend(member.content);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(at.to_le_bytes());
        directory.extend(member.name.as_bytes());
    }
    let start = bytes.len() as u32;
    let count = (members.len() as u16).to_le_bytes();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.iter().chain(&count));
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

#[test]
fn archives_stay_what_they_say() -> Outcome {
    let folder = Folder::new()?;
    let config = member("config.json", b"{}");
    insta::assert_snapshot!(folder.of_archive(&[member("../../etc/passwd", b"x"), config])?, @"
    DIR/model.keras: the archive has a member of the path `../../etc/passwd`
      help: paths of members stay inside of the archive
    ");
    insta::assert_snapshot!(folder.of_archive(&[member("/etc/passwd", b"x"), config])?, @"
    DIR/model.keras: the archive has a member of the path `/etc/passwd`
      help: paths of members stay inside of the archive
    ");
    insta::assert_snapshot!(folder.of_archive(&[member("C:\\x", b"x"), config])?, @r"
    DIR/model.keras: the archive has a member of the path `C:\\x`
      help: paths of members stay inside of the archive
    ");
    insta::assert_snapshot!(folder.of_archive(&[config, config])?, @"
    DIR/model.keras: the archive has two members `config.json`
      help: the file is damaged, or not of the format that its name says
    ");
    let bomb =
        Member { says: Some(4_000_000_000), method: 8, ..member("model.weights.h5", &[0; 50]) };
    insta::assert_snapshot!(folder.of_archive(&[config, bomb])?, @"
    DIR/model.keras: the member `model.weights.h5` says that its 50 bytes become 4000000000
      help: this is a decompression bomb, or damaged
    ");
    let overlapping = Member { at: Some(0), ..member("model.weights.h5", b"{}") };
    insta::assert_snapshot!(folder.of_archive(&[config, overlapping])?, @"
    DIR/model.keras: members of the archive share bytes
      help: the file is damaged, or not of the format that its name says
    ");
    let longer = Member { says: Some(3), ..config };
    insta::assert_snapshot!(folder.of_archive(&[longer])?, @"
    DIR/model.keras: the member `config.json` is damaged (Invalid size: expected 3, got 2)
      help: the file is damaged, or not of the format that its name says
    ");
    insta::assert_snapshot!(folder.of_archive(&[Member { method: 12, ..config }])?, @"
    DIR/model.keras: the member `config.json` is compressed by method CompressionMethod::BZIP2
      help: members are stored, or compressed by DEFLATE
    ");
    insta::assert_snapshot!(folder.of_archive(&[member("a", b"")])?, @"
    DIR/model.keras: the archive has no member `config.json`
      help: it has a
    ");
    let mut damaged = archive(&[config]);
    damaged[42] ^= 1;
    let path = folder.write("model.keras", &damaged)?;
    insta::assert_snapshot!(folder.message(load_model(path)), @"
    DIR/model.keras: the member `config.json` is damaged (Invalid checksum: expected 0xa3a6bf43, got 0xd4a18fd5)
      help: the file is damaged, or not of the format that its name says
    ");
    let path = folder.write("model.keras", b"no archive")?;
    insta::assert_snapshot!(folder.message(load_model(path)), @"
    DIR/model.keras: it is no complete zip archive (Missing end of central directory)
      help: the file is damaged, or not of the format that its name says
    ");
    Ok(())
}

fn config_of(folder: &Folder, config: &str) -> Result<String, std::io::Error> {
    folder.of_archive(&[member("config.json", config.as_bytes()), member("model.weights.npz", b"")])
}

#[test]
fn code_is_never_run() -> Outcome {
    let folder = Folder::new()?;
    let with = |layer: &str| {
        format!(r#"{{"class_name": "Sequential", "config": {{"name": "s", "layers": [{layer}]}}}}"#)
    };
    let lambda = r#"{"class_name": "Lambda", "config": {"name": "evil", "function": {"class_name": "__lambda__", "config": {"code": "4wEAAA=="}}}}"#;
    insta::assert_snapshot!(config_of(&folder, &with(lambda))?, @"
    DIR/model.keras: the file holds in the layer `evil` a Lambda, whose function is code of Python
      help: code in files is never run: write the model with a layer of your own, and load the weights by name
    ");
    let bytecode = r#"{"class_name": "Dense", "config": {"name": "d", "units": 1, "activation": {"class_name": "__lambda__", "config": {}}}}"#;
    insta::assert_snapshot!(config_of(&folder, &with(bytecode))?, @"
    DIR/model.keras: the file holds in the layer `d` a lambda of Python, as bytecode
      help: code in files is never run: write the model with a layer of your own, and load the weights by name
    ");
    let function = r#"{"class_name": "Dense", "config": {"name": "d", "units": 1, "activation": {"module": "os", "class_name": "function", "config": "system"}}}"#;
    insta::assert_snapshot!(config_of(&folder, &with(function))?, @"
    DIR/model.keras: the file holds in the layer `d` the name of a function of Python
      help: code in files is never run: write the model with a layer of your own, and load the weights by name
    ");
    let plain = with(r#"{"class_name": "Dense", "config": {"name": "d", "units": 1}}"#);
    insta::assert_snapshot!(config_of(&folder, &plain)?, @r#"
    DIR/model.keras: the weights are in `model.weights.npz`, as pickled objects of Python
      help: pickles are never run; save the model in Keras with its default, `weights_format="h5"`
    "#);
    insta::assert_snapshot!(config_of(&folder, r#"{"class_name": "Evil", "module": "evil", "config": {}}"#)?, @"
    DIR/model.keras: the model is of the class `Evil`
      help: Sequential and Functional models are read; how a class of Python computes is not in the file
    ");
    Ok(())
}

#[test]
fn configs_that_nest_too_deep_are_errors() -> Outcome {
    let folder = Folder::new()?;
    let deep = "[".repeat(100_000);
    insta::assert_snapshot!(config_of(&folder, &deep)?, @"
    DIR/model.keras: config.json is no JSON (recursion limit exceeded at line 1 column 128)
      help: the file is damaged, or not of the format that its name says
    ");
    let mut nested = r#"{"class_name": "Dense", "config": {"units": 1}}"#.to_owned();
    for _ in 0..40 {
        nested = format!(r#"{{"class_name": "Sequential", "config": {{"layers": [{nested}]}}}}"#);
    }
    assert!(
        config_of(&folder, &nested)?.contains("recursion")
            || config_of(&folder, &nested)?.contains("does not tell")
    );
    Ok(())
}

/// A safetensors file with this header.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0; data]);
    bytes
}

#[test]
fn tensors_lie_side_by_side() -> Outcome {
    let folder = Folder::new()?;
    let of = |bytes: &[u8]| -> Result<String, std::io::Error> {
        let path = folder.write("x.safetensors", bytes)?;
        Ok(folder.message(Tensors::open(path)))
    };
    let overlapping = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    insta::assert_snapshot!(of(&safetensors(overlapping, 12))?, @"
    DIR/x.safetensors: its header is no table of tensors (invalid offset for tensor `b`)
      help: the file is damaged, or not of the format that its name says
    ");
    let outside = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    insta::assert_snapshot!(of(&safetensors(outside, 4))?, @"
    DIR/x.safetensors: its tensors take 8 bytes, after the header there are 4
      help: the file is damaged, or not of the format that its name says
    ");
    insta::assert_snapshot!(of(&safetensors(outside, 9))?, @"
    DIR/x.safetensors: its tensors take 8 bytes, after the header there are 9
      help: the file is damaged, or not of the format that its name says
    ");
    let overflow = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#;
    insta::assert_snapshot!(of(&safetensors(overflow, 8))?, @"
    DIR/x.safetensors: its header is no table of tensors (overflow computing buffer size from shape and/or element type)
      help: the file is damaged, or not of the format that its name says
    ");
    insta::assert_snapshot!(of(&u64::MAX.to_le_bytes())?, @"
    DIR/x.safetensors: its header has 18446744073709551615 bytes, the file has 8
      help: the file is damaged, or not of the format that its name says
    ");
    insta::assert_snapshot!(of(b"short")?, @"
    DIR/x.safetensors: the file is cut off in its header
      help: the file is damaged, or not of the format that its name says
    ");
    insta::assert_snapshot!(of(&safetensors(&format!("{outside}\0\0"), 8))?, @"
    DIR/x.safetensors: its header is no table of tensors (trailing characters at line 1 column 55)
      help: the file is damaged, or not of the format that its name says
    ");
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    assert!(of(&safetensors(&deep, 0))?.contains("its header is no table of tensors"));
    Ok(())
}

#[test]
fn indexes_stay_in_their_folder() -> Outcome {
    let folder = Folder::new()?;
    let of = |file: &str| -> Result<String, std::io::Error> {
        let index = format!(r#"{{"weight_map": {{"a": "{file}"}}}}"#);
        let path = folder.write("x.safetensors.index.json", index.as_bytes())?;
        let tensors = folder.message(Tensors::open(path));
        let path = folder.write("x.weights.json", index.as_bytes())?;
        Ok(format!("{tensors}\n{}", folder.message(Tensors::open(path))))
    };
    insta::assert_snapshot!(of("../x.safetensors")?, @"
    DIR/x.safetensors.index.json: the index names the file `../x.safetensors`
      help: files of an index are in its folder
    DIR/x.weights.json: the index names the file `../x.safetensors`
      help: files of an index are in its folder
    ");
    insta::assert_snapshot!(of("missing")?, @"
    DIR/x.safetensors.index.json: the index names the file `missing`, which cannot be read: No such file or directory (os error 2)
      help: keep all parts of the weights in one folder
    DIR/x.weights.json: the index names the file `missing`, which cannot be read: No such file or directory (os error 2)
      help: keep all parts of the weights in one folder
    ");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", folder.0.path().join("link"))?;
        insta::assert_snapshot!(of("link")?, @"
        DIR/x.safetensors.index.json: the index names `link`, which is a link, a folder or a device
          help: files of an index are files in its folder
        DIR/x.weights.json: the index names `link`, which is a link, a folder or a device
          help: files of an index are files in its folder
        ");
    }
    folder.write("empty", b"")?;
    insta::assert_snapshot!(of("empty")?, @"
    DIR/x.safetensors.index.json: the file is cut off in its header
      help: the file is damaged, or not of the format that its name says
    DIR/x.weights.json: `empty`: it is no complete HDF5 file (invalid HDF5 magic bytes)
      help: the file is damaged, or not of the format that its name says
    ");
    Ok(())
}

#[test]
fn several_files_are_one() -> Outcome {
    let folder = Folder::new()?;
    for (file, name) in [("a.safetensors", "dense/kernel"), ("b.safetensors", "dense/bias")] {
        let shape: &[usize] = if name.ends_with("kernel") { &[2, 3] } else { &[3] };
        let values = vec![0.25; shape.iter().product()];
        save_tensors(
            folder.0.path().join(file),
            &[(name.to_owned(), Array::of_f32(shape, &values))],
        )?;
    }
    let index =
        r#"{"weight_map": {"dense/kernel": "a.safetensors", "dense/bias": "b.safetensors"}}"#;
    let path = folder.write("x.safetensors.index.json", index.as_bytes())?;
    let mut model = Sequential::new();
    model.add(Input::new([2]));
    model.add(Dense::new(3));
    load_weights(&mut model, &path, LoadWeights::new())?;
    assert!(model.get_weights()?.iter().flatten().all(|&x| x == 0.25));
    Ok(())
}

#[test]
fn damaged_files_are_errors() -> Outcome {
    let folder = Folder::new()?;
    let of_keras = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/files/keras");
    for name in ["mlp.h5", "mlp.weights.h5", "old_sequential.h5", "mlp.npz"] {
        let good = std::fs::read(format!("{of_keras}/{name}"))?;
        // Cut off anywhere, and one byte changed anywhere: an error or a file, no panic.
        for step in 0..200 {
            let at = good.len() * step / 200;
            let path = folder.write(name, &good[..at])?;
            drop(Tensors::open(&path));
            let mut changed = good.clone();
            changed[at] = changed[at].wrapping_add(step as u8 + 1);
            let path = folder.write(name, &changed)?;
            if let Ok(tensors) = Tensors::open(&path) {
                tensors.names().iter().for_each(|name| drop(tensors.read(name)));
            }
            drop(Load::new().open(&path));
        }
    }
    let path = folder.write("x.h5", b"\x89HDF\r\n\x1a\n")?;
    insta::assert_snapshot!(folder.message(load_model(path)), @"
    DIR/x.h5: it is no complete HDF5 file (unexpected end of data at offset 8 (need 1 bytes, have 0))
      help: the file is damaged, or not of the format that its name says
    ");
    let path = folder.write("x.h5", b"")?;
    insta::assert_snapshot!(folder.message(load_model(path)), @"
    DIR/x.h5: it is no complete HDF5 file (invalid HDF5 magic bytes)
      help: the file is damaged, or not of the format that its name says
    ");
    insta::assert_snapshot!(folder.message(load_model(folder.0.path().join("none.keras"))), @"DIR/none.keras: No such file or directory (os error 2)");
    insta::assert_snapshot!(folder.message(load_model(folder.0.path())), @"
    DIR: the ending of the name is none of a format
      help: formats end in .safetensors.index.json, .weights.json, .weights.h5, .safetensors, .keras, .hdf5, .onnx, .npz, .npy, .h5
    ");
    Ok(())
}
