//! A reference case: tensors, Keras's config, and what else belongs to it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;

use brolga_ir::{DType, Data, Tensor};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

/// A reference case.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) config: Value,
    pub(crate) extra: Value,
    tensors: BTreeMap<String, Tensor>,
    /// The tensors that were asked for.
    read: RefCell<BTreeSet<String>>,
}

/// How far a result may be off, in shares of the largest value of the tensor.
pub(crate) const ONE_CALL: f64 = 2e-5;
/// The same after several training steps.
pub(crate) const SEVERAL_STEPS: f64 = 1e-4;

/// All cases below a directory, by name.
pub(crate) fn all(folder: &Path) -> Vec<Case> {
    let entries = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths
    };
    let groups = entries(folder).into_iter().filter(|path| path.is_dir());
    let files = groups.flat_map(|group| entries(&group));
    files.filter(|f| f.extension().is_some_and(|e| e == "safetensors")).map(|f| read(&f)).collect()
}

fn read(path: &Path) -> Case {
    let bytes = fs::read(path).expect("the directory lists it");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("reference cases are whole");
    let strings = header.metadata().clone().expect("reference cases have metadata");
    let json = |key: &str| serde_json::from_str(&strings[key]).expect("the metadata is JSON");
    let file = SafeTensors::deserialize(&bytes).expect("reference cases are whole");
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let words = view.data().chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]);
        let data = match view.dtype() {
            Dtype::F32 => Data::F32(words.map(f32::from_le_bytes).collect()),
            Dtype::I32 => Data::I32(words.map(i32::from_le_bytes).collect()),
            other => panic!("{}: {name} is {other:?}", path.display()),
        };
        (name, Tensor::new(view.shape(), data).expect("as many elements as the shape says"))
    });
    let group = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Case {
        name: format!("{group}/{name}"),
        kind: strings["kind"].clone(),
        config: json("config"),
        extra: json("extra"),
        tensors: tensors.collect(),
        read: RefCell::default(),
    }
}

impl Case {
    /// The tensor of this name.
    pub(crate) fn tensor(&self, name: &str) -> &Tensor {
        self.get(name).unwrap_or_else(|| panic!("{} has no tensor {name}", self.name))
    }

    /// The tensor of this name, if there is one.
    pub(crate) fn get(&self, name: &str) -> Option<&Tensor> {
        self.read.borrow_mut().insert(name.to_owned());
        self.tensors.get(name)
    }

    /// A tensor that nothing was compared with or computed from.
    pub(crate) fn unread(&self) -> Option<&str> {
        let read = self.read.borrow();
        self.tensors.keys().map(String::as_str).find(|name| !read.contains(*name))
    }

    /// The tensors `prefix0`, `prefix1`, … with their names.
    pub(crate) fn list(&self, prefix: &str) -> Vec<(String, &Tensor)> {
        let names = (0..).map(|index| format!("{prefix}{index}"));
        names.map_while(|name| self.get(&name).map(|tensor| (name, tensor))).collect()
    }

    /// A number of `extra`.
    pub(crate) fn count(&self, key: &str) -> usize {
        self.extra[key].as_u64().expect("a count") as usize
    }

    /// Whether a tensor is of a weight that changes nothing, and so has a gradient of 0: the bias of
    /// the keys adds the same number to all scores of a query.
    fn is_zero(&self, name: &str) -> bool {
        let place = name.strip_prefix("dw/").or_else(|| name.strip_prefix("w_after/"));
        let weight =
            place.and_then(|place| self.extra["weights"].get(place.parse::<usize>().ok()?));
        weight.and_then(Value::as_str).is_some_and(|weight| weight.ends_with("key/bias"))
    }

    /// Compares a result with the tensor of this name.
    pub(crate) fn expect(
        &self,
        name: &str,
        given: &Tensor,
        tolerance: f64,
    ) -> Result<(), Box<dyn Error>> {
        let expected = self.tensor(name);
        if expected.shape() != given.shape() {
            return Err(format!("{name}: expected {}, given {}", expected.ty(), given.ty()).into());
        }
        let (expected, given) = (numbers(expected), numbers(given));
        if self.is_zero(name) {
            let all = expected.iter().chain(&given);
            return match all.clone().find(|x| x.abs() > ROUNDING) {
                None => Ok(()),
                Some(x) => Err(format!("{name}: {x} where both should be 0").into()),
            };
        }
        let largest = expected.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
        for (index, (e, g)) in expected.iter().zip(&given).enumerate() {
            let off = (e - g).abs() / largest.max(f64::MIN_POSITIVE);
            if off > tolerance || off.is_nan() {
                let message =
                    format!("{name}[{index}]: expected {e}, given {g}, {off:.1e} of {largest}");
                return Err(message.into());
            }
        }
        Ok(())
    }
}

/// How far a number may be from 0 that is 0 but for rounding, in Keras and here.
const ROUNDING: f64 = 5e-6;

/// The elements as `f64`.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        Data::F32(values) => values.iter().map(|&x| f64::from(x)).collect(),
        Data::I32(values) => values.iter().map(|&x| f64::from(x)).collect(),
        _ => panic!("reference cases consist of {} and {}", DType::F32, DType::I32),
    }
}
