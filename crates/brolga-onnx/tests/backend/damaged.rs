//! Models with wrong bytes: every one is an error or another model, and none ends the process.

use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use brolga_ir::Shape;
use brolga_onnx::{Bindings, Dim, OnnxModel, load};

/// How often each model is damaged.
const TIMES: u64 = 12;

/// The panics of damaged copies of these models, by file.
pub(crate) fn panics(cases: &[PathBuf]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.onnx");
    let mut found = Vec::new();
    for case in cases {
        let bytes = fs::read(case.join("model.onnx")).expect("the model is there");
        for time in 0..TIMES {
            fs::write(&path, damaged(&bytes, time)).expect("the file is written");
            if panic::catch_unwind(|| read(&path)).is_err() {
                found.push(format!("{}, {time}", case.display()));
            }
        }
    }
    found
}

fn read(path: &Path) {
    if let Ok(model) = load(path) {
        let _ = model.graph(&bound(&model));
    }
}

/// Every extent that is open is 2; a shape that is open is a matrix.
fn bound(model: &OnnxModel) -> Bindings {
    let mut bindings = Bindings::new();
    for input in model.inputs() {
        match &input.dims {
            None => bindings = bindings.shape(&input.name, Shape::from([2, 3])),
            Some(dims) => {
                for dim in dims {
                    if let Dim::Open(name) = dim {
                        bindings = bindings.dim(name, 2);
                    }
                }
            }
        }
    }
    bindings
}

/// The bytes with a few of them changed, after the first ones, which are versions.
fn damaged(bytes: &[u8], time: u64) -> Vec<u8> {
    let mut state = time.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ bytes.len() as u64;
    let mut next = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let mut bytes = bytes.to_vec();
    for _ in 0..=next(3) {
        let at = next(bytes.len());
        let byte = match next(4) {
            0 => 0,
            1 => 0xff,
            2 => bytes[at].wrapping_add(1),
            _ => next(256) as u8,
        };
        bytes[at] = byte;
    }
    bytes
}
