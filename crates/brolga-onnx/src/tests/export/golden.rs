//! The reference cases of `tests/golden`: each layer and each model of them that predicts.

use std::fs;
use std::path::Path;

use brolga_ir::{Data, Tensor};
use brolga_nn::model::{Functional, Model, Network, Sequential};
use ndarray::ArrayD;
use safetensors::{Dtype, SafeTensors};
use serde_json::{Value, json};

use super::round_trip;
use crate::Export;

/// A case: its config, what else belongs to it, and its tensors.
struct Case {
    name: String,
    config: Value,
    extra: Value,
    tensors: Vec<(String, Tensor)>,
}

impl Case {
    fn read(path: &Path, group: &str) -> Self {
        let bytes = fs::read(path).expect("the directory lists it");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("reference cases are whole");
        let strings = header.metadata().clone().expect("reference cases have metadata");
        let json = |key: &str| serde_json::from_str(&strings[key]).expect("the metadata is JSON");
        let file = SafeTensors::deserialize(&bytes).expect("reference cases are whole");
        let tensor = |view: safetensors::tensor::TensorView<'_>| {
            let words = view.data().as_chunks::<4>().0.iter().copied();
            let data = match view.dtype() {
                Dtype::F32 => Data::F32(words.map(f32::from_le_bytes).collect()),
                _ => Data::I32(words.map(i32::from_le_bytes).collect()),
            };
            Tensor::new(view.shape(), data).expect("as many elements as the shape says")
        };
        let stem = path.file_stem().expect("a name").to_string_lossy();
        Self {
            name: format!("{group}/{stem}"),
            config: json("config"),
            extra: json("extra"),
            tensors: file.tensors().into_iter().map(|(name, view)| (name, tensor(view))).collect(),
        }
    }

    fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor)
    }

    /// The tensors `prefix0`, `prefix1`, …
    fn list(&self, prefix: &str) -> Vec<Tensor> {
        let tensors = (0..).map(|at| self.tensor(&format!("{prefix}{at}")));
        tensors.map_while(|tensor| tensor.cloned()).collect()
    }

    /// A functional model of this layer alone, as Keras writes it.
    fn model_of_layer(&self) -> Value {
        let inputs = self.list("x");
        let shape = |x: &Tensor| {
            let rest = x.shape()[1..].iter().map(|&extent| json!(extent));
            [Value::Null].into_iter().chain(rest).collect::<Vec<_>>()
        };
        let dtype = |x: &Tensor| if x.as_f32().is_some() { "float32" } else { "int32" };
        let declared = inputs.iter().enumerate().map(|(at, x)| {
            json!({
                "class_name": "InputLayer", "module": "keras.layers", "name": format!("x{at}"),
                "config": {"name": format!("x{at}"), "batch_shape": shape(x), "dtype": dtype(x)},
                "inbound_nodes": [],
            })
        });
        let tensors: Vec<Value> = inputs
            .iter()
            .enumerate()
            .map(|(at, x)| {
                json!({"class_name": "__keras_tensor__", "config": {
                    "shape": shape(x), "dtype": dtype(x),
                    "keras_history": [format!("x{at}"), 0, 0],
                }})
            })
            .collect();
        let arguments = match self.extra["call_list"].as_bool() {
            Some(true) => json!([tensors]),
            _ => json!(tensors),
        };
        let mut layer = self.config.clone();
        layer["config"]["name"] = json!("layer");
        layer["name"] = json!("layer");
        let mut keywords = self.extra["call"].clone();
        if keywords.is_null() {
            keywords = json!({});
        }
        layer["inbound_nodes"] = json!([{"args": arguments, "kwargs": keywords}]);
        let outputs = (0..self.list("y").len()).map(|at| json!(["layer", 0, at]));
        json!({"class_name": "Functional", "module": "keras", "config": {
            "name": "functional",
            "layers": declared.chain([layer]).collect::<Vec<_>>(),
            "input_layers": (0..inputs.len()).map(|at| json!([format!("x{at}"), 0, 0])).collect::<Vec<_>>(),
            "output_layers": outputs.collect::<Vec<_>>(),
        }})
    }

    fn run<N: Network>(&self, mut model: Model<N>, inputs: &[Tensor]) -> Result<String, String> {
        let own = model.get_weights().map_err(|error| error.to_string())?;
        let given = self.list("w/");
        let fits = given.len() == own.len()
            && own.iter().zip(&given).all(|(a, b)| a.shape() == &b.shape()[..]);
        if fits {
            let array = |tensor: &Tensor| {
                let values = tensor.as_f32().expect("weights are floats").to_vec();
                ArrayD::from_shape_vec(tensor.shape().to_vec(), values).expect("a weight")
            };
            let weights: Vec<_> = given.iter().map(array).collect();
            model.set_weights(&weights).map_err(|error| error.to_string())?;
        }
        round_trip(&mut model, inputs, &Export::new(), Some(&self.name))
    }

    fn outcome(&self) -> Result<String, String> {
        let error = |error: brolga_nn::NnError| error.to_string();
        if self.name.starts_with("layer/") {
            let model = Functional::from_config(&self.model_of_layer()).map_err(error)?;
            return self.run(model, &self.list("x"));
        }
        let last = self.extra["predict_on"].as_str().unwrap_or("x0");
        let inputs = self.list(&format!("{last}/"));
        match self.config["class_name"].as_str() {
            Some("Sequential") => {
                self.run(Sequential::from_config(&self.config).map_err(error)?, &inputs)
            }
            _ => self.run(Functional::from_config(&self.config).map_err(error)?, &inputs),
        }
    }
}

#[test]
fn every_case_is_read_again_with_the_same_bits() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden"));
    let (mut lines, mut failed) = (Vec::new(), Vec::new());
    for group in ["layer", "model"] {
        let entries = fs::read_dir(folder.join(group)).expect("the reference cases");
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let case = Case::read(&path, group);
            // States between batches want a batch of one size, files have an open one.
            let stateful = case.name.contains("_stateful");
            if case.extra["training"].as_bool() == Some(true) || stateful {
                continue;
            }
            match case.outcome() {
                Ok(ops) => lines.push(format!("{}: {ops}", case.name)),
                Err(reason) => failed.push(format!("{}: {reason}", case.name)),
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {}:\n{}",
        failed.len(),
        failed.len() + lines.len(),
        failed.join("\n")
    );
    insta::assert_snapshot!("ops", lines.join("\n"));
}
