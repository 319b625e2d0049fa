//! Formats of files by the endings of their names.

use std::path::Path;

use brolga_ir::Mistake;

use crate::error::FilesError;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `.keras`: a model of Keras 3.
    Keras,
    /// `.weights.h5`: weights of Keras 3.
    WeightsH5,
    /// `.weights.json`: weights of Keras 3 in several files.
    WeightsJson,
    /// `.h5`, `.hdf5`: a model of Keras 2, or its weights.
    Hdf5,
    /// `.safetensors`: tensors by name.
    SafeTensors,
    /// `.safetensors.index.json`: the same in several files.
    SafeTensorsIndex,
    /// `.npz`: arrays by name.
    Npz,
    /// `.npy`: an array.
    Npy,
    /// `.onnx`: a model.
    Onnx,
}

/// All endings, the longer ones first.
const ENDINGS: [(&str, Format); 10] = [
    (".safetensors.index.json", Format::SafeTensorsIndex),
    (".weights.json", Format::WeightsJson),
    (".weights.h5", Format::WeightsH5),
    (".safetensors", Format::SafeTensors),
    (".keras", Format::Keras),
    (".hdf5", Format::Hdf5),
    (".onnx", Format::Onnx),
    (".npz", Format::Npz),
    (".npy", Format::Npy),
    (".h5", Format::Hdf5),
];

impl Format {
    /// The format that the ending of a path means, if it is one of these.
    pub fn of(path: impl AsRef<Path>) -> Option<Self> {
        let name = path.as_ref().file_name()?.to_str()?.to_ascii_lowercase();
        ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)).map(|(_, format)| *format)
    }

    /// Whether files of this format hold models, not weights alone.
    pub fn has_model(self) -> bool {
        matches!(self, Self::Keras | Self::Hdf5 | Self::Onnx)
    }
}

/// The format of a path, or the error that its ending is none.
pub(crate) fn expect(path: &Path) -> Result<Format, FilesError> {
    Format::of(path).ok_or_else(|| {
        let endings: Vec<&str> = ENDINGS.iter().map(|(ending, _)| *ending).collect();
        let mistake = Mistake::new("the ending of the name is none of a format");
        FilesError::file(path, mistake.help(format!("formats end in {}", endings.join(", "))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_formats() {
        for (path, format) in [
            ("a/model.keras", Some(Format::Keras)),
            ("model.weights.h5", Some(Format::WeightsH5)),
            ("model.H5", Some(Format::Hdf5)),
            ("model.weights.json", Some(Format::WeightsJson)),
            ("model.safetensors.index.json", Some(Format::SafeTensorsIndex)),
            ("model.json", None),
            ("keras", None),
            ("", None),
        ] {
            assert_eq!(Format::of(path), format, "{path}");
        }
    }
}
