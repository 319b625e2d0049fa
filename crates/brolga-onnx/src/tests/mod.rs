//! Models written in tests, and the errors of those that are wrong.

mod bindings;
mod export;
mod external;
mod files;
mod graphs;
mod network;

use std::fs;
use std::path::PathBuf;

use brolga_ir::{Data, Tensor};
use prost::Message;
use tempfile::TempDir;

use crate::proto::{
    AttributeProto, Dimension, DimensionValue, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, TypeValue,
    ValueInfoProto,
};
use crate::{OnnxError, OnnxModel, load};

/// A model in a folder of its own.
struct Written {
    folder: TempDir,
    path: PathBuf,
}

impl Written {
    fn bytes(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.onnx");
        fs::write(&path, bytes).expect("the file is written");
        Self { folder, path }
    }

    fn new(model: &ModelProto) -> Self {
        Self::bytes(&model.encode_to_vec())
    }

    fn load(&self) -> Result<OnnxModel, OnnxError> {
        load(&self.path)
    }

    /// The message of an error, without the folder.
    fn message(&self, error: &OnnxError) -> String {
        let folder = self.folder.path().display().to_string();
        error.to_string().replace(&format!("{folder}/"), "")
    }

    /// The message of the error with which the model is not loaded.
    fn refused(&self) -> String {
        match self.load() {
            Ok(_) => panic!("the model is loaded"),
            Err(error) => self.message(&error),
        }
    }
}

fn model(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: 10,
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 21 }],
        ..ModelProto::default()
    }
}

fn graph(
    inputs: Vec<ValueInfoProto>,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    output: &str,
) -> GraphProto {
    let output = ValueInfoProto { name: output.to_owned(), ..ValueInfoProto::default() };
    GraphProto {
        name: "test".to_owned(),
        node: nodes,
        input: inputs,
        output: vec![output],
        initializer: initializers,
        ..GraphProto::default()
    }
}

/// A node; its name is that of its output.
fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.to_owned(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i: value, r#type: 2, ..AttributeProto::default() }
}

/// A `float` input; names are open extents.
fn input(name: &str, dims: &[&str]) -> ValueInfoProto {
    let dim = |dim: &&str| {
        let value = match dim.parse() {
            Ok(extent) => DimensionValue::Value(extent),
            Err(_) => DimensionValue::Param(dim.to_string()),
        };
        Dimension { value: Some(value) }
    };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor = TypeValue::Tensor(TensorTypeProto { elem_type: 1, shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { value: Some(tensor) }) }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: 7,
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::new(shape, Data::F32(values.to_vec())).expect("as many elements as the shape has")
}
