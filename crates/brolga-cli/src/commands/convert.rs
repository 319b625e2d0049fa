//! `brolga convert`: a file in another format.

use brolga_files::{Format, SaveModel, Tensors, load_model, save_tensors, save_weights};
use clap::Args;
use serde_json::json;

use crate::Report;
use crate::error::CliError;

/// Write a model or its weights in another format
///
/// The endings tell the formats. A model (.keras, .h5) becomes a model (.onnx too), or its weights
/// (.weights.h5, .safetensors, .npz); arrays (.safetensors, .npz, .npy, .weights.h5, .weights.json) become arrays with
/// the same names.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  brolga convert model.h5 model.keras
  brolga convert model.keras weights.safetensors")]
pub(crate) struct Convert {
    /// The file that is read
    from: String,
    /// The file that is written
    to: String,
}

impl Convert {
    pub(crate) fn run(&self) -> Result<Report, CliError> {
        let format = |path: &String| {
            Format::of(path).ok_or_else(|| {
                let message = format!("the ending of `{path}` is none of a format");
                let help = "formats are .keras, .h5, .weights.h5, .safetensors, .npz, .npy, .onnx";
                CliError::argument(message, help)
            })
        };
        let (from, to) = (format(&self.from)?, format(&self.to)?);
        let what = if to.has_model() && (from.has_model() || to != Format::Hdf5) {
            load_model(&self.from)?.save(&self.to)?;
            "model".to_owned()
        } else if from.has_model() {
            save_weights(&mut load_model(&self.from)?, &self.to)?;
            "weights".to_owned()
        } else {
            let tensors = Tensors::open(&self.from)?;
            let array = |name: String| {
                let array = tensors.read(&name)?;
                Ok((name, array))
            };
            let arrays = tensors.names().into_iter().map(array);
            let arrays = arrays.collect::<Result<Vec<_>, CliError>>()?;
            save_tensors(&self.to, &arrays)?;
            format!("{} arrays", arrays.len())
        };
        Ok(Report {
            text: format!("{}: {what}\n", self.to),
            json: json!({ "file": self.to, "written": what }),
            holds: true,
        })
    }
}
