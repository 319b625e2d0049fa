//! What is in a file, without reading its weights.

use std::path::Path;

use serde_json::{Value, json};

use crate::array::Info;
use crate::error::{FilesError, read};
use crate::format::{Format, expect};
use crate::hdf5::Hdf5;
use crate::keras::archive::{self, json as parsed};
use crate::keras::config;
use crate::tensors::source;
use crate::weights::Source;
use crate::zip::Archive;

/// What is in a file.
#[derive(Debug, Clone)]
pub struct Description {
    /// The format.
    pub format: Format,
    /// The program that wrote it, if the file says so.
    pub producer: Option<String>,
    /// The layers of the model, those of nested models with its name in front.
    pub layers: Vec<LayerDescription>,
    /// The class of the optimizer and the loss that the model was compiled with.
    pub compiled: Option<(String, String)>,
    /// The arrays by name.
    pub tensors: Vec<(String, Info)>,
}

/// A layer of a model in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerDescription {
    /// The path.
    pub name: String,
    /// The class.
    pub class: String,
    /// The shape of a batch and the element type, of an input.
    pub input: Option<String>,
}

/// Reads what is in a file of weights or of a model of Keras. Of its arrays only names, types and shapes
/// are read.
///
/// # Errors
/// If the file cannot be read, is damaged, or an ONNX model, of which `brolga_onnx::load` tells more.
pub fn describe(path: impl AsRef<Path>) -> Result<Description, FilesError> {
    let path = path.as_ref();
    let failed = |mistake| FilesError::file(path, mistake);
    let format = expect(path)?;
    let mut found =
        Description { format, producer: None, layers: vec![], compiled: None, tensors: vec![] };
    let source: Box<dyn Source> = match format {
        Format::Keras => {
            let bytes = read(path)?;
            let archive = Archive::new(&bytes).map_err(failed)?;
            let (metadata, value) = archive::parts(&archive).map_err(failed)?;
            let version = metadata.as_ref().and_then(|m| m.get("keras_version"));
            found.producer =
                version.and_then(Value::as_str).map(|version| format!("Keras {version}"));
            found.model(value.clone(), value.get("compile_config")).map_err(failed)?;
            Box::new(archive::weights(&archive).map_err(failed)?)
        }
        Format::Hdf5 | Format::WeightsH5 => {
            let file = Hdf5::new(read(path)?).map_err(failed)?;
            for root in ["", "model_weights"] {
                if let Some(version) = file.text(root, "keras_version").map_err(failed)? {
                    found.producer = Some(format!("Keras {version}"));
                }
            }
            if let Some(text) = file.text("", "model_config").map_err(failed)? {
                let value = parsed(text.as_bytes(), "`model_config`").map_err(failed)?;
                let settings = file.text("", "training_config").map_err(failed)?;
                let settings = settings.map(|text| parsed(text.as_bytes(), "`training_config`"));
                let settings = settings.transpose().map_err(failed)?;
                found.model(value, settings.as_ref()).map_err(failed)?;
            }
            Box::new(file)
        }
        _ => source(path)?,
    };
    for name in source.all() {
        // What is no array of numbers is left out.
        if let Ok(Some(info)) = source.about(&name) {
            found.tensors.push((name, info));
        }
    }
    Ok(found)
}

impl Description {
    fn model(&mut self, value: Value, settings: Option<&Value>) -> crate::error::Content<()> {
        let config = config::model(value)?;
        self.add_layers(&config);
        let settings = settings.filter(|settings| !settings.is_null());
        self.compiled = settings.and_then(|settings| {
            let optimizer =
                settings.get("optimizer").or_else(|| settings.get("optimizer_config"))?;
            let loss = settings.get("loss").cloned().unwrap_or_default();
            let name = |value: &Value| match (value.as_str(), config::class(value)) {
                (Some(name), _) => name.to_owned(),
                (None, "") => value.to_string(),
                (None, class) => class.to_owned(),
            };
            Some((name(optimizer), name(&loss)))
        });
        Ok(())
    }

    fn add_layers(&mut self, model: &Value) {
        let mut stack = vec![(model, String::new())];
        while let Some((model, inside)) = stack.pop() {
            let layers = model.pointer("/config/layers").and_then(Value::as_array);
            for layer in layers.into_iter().flatten() {
                let name = format!("{inside}{}", config::name(layer));
                if config::is_model(layer) {
                    stack.push((layer, format!("{name}/")));
                }
                let class = config::class(layer).to_owned();
                let argument = |key: &str| layer.get("config").and_then(|config| config.get(key));
                let input = argument("batch_shape").filter(|_| class == "InputLayer");
                let input = input.map(|shape| {
                    let dtype = argument("dtype").and_then(Value::as_str).unwrap_or("float32");
                    let extent = |extent: &Value| match extent.as_u64() {
                        Some(extent) => extent.to_string(),
                        None => "None".to_owned(),
                    };
                    let extents = shape.as_array().into_iter().flatten().map(extent);
                    format!("{dtype}({})", extents.collect::<Vec<_>>().join(", "))
                });
                self.layers.push(LayerDescription { name, class, input });
            }
        }
    }

    /// The bytes of all arrays.
    pub fn bytes(&self) -> usize {
        let sizes = self.tensors.iter().filter_map(|(_, info)| info.bytes().ok());
        sizes.fold(0, usize::saturating_add)
    }

    /// The same as a JSON document.
    pub fn to_json(&self) -> Value {
        let layers = self
            .layers
            .iter()
            .map(|layer| json!({ "name": layer.name, "class": layer.class, "input": layer.input }));
        let tensors = self.tensors.iter().map(|(name, info)| {
            json!({ "name": name, "element": info.element.name(), "shape": info.shape })
        });
        json!({
            "format": format!("{:?}", self.format),
            "producer": self.producer,
            "optimizer": self.compiled.as_ref().map(|(optimizer, _)| optimizer),
            "loss": self.compiled.as_ref().map(|(_, loss)| loss),
            "layers": layers.collect::<Vec<_>>(),
            "tensors": tensors.collect::<Vec<_>>(),
            "bytes": self.bytes(),
        })
    }
}
