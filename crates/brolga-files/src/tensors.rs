//! Arrays of a file by name.

use std::fmt;
use std::path::{Path, PathBuf};

use brolga_ir::Mistake;

use crate::array::{Array, Info};
use crate::error::{Content, FilesError, read, write};
use crate::format::{Format, expect};
use crate::hdf5::{Hdf5, Writer};
use crate::keras::archive;
use crate::keras::weights::Parts;
use crate::safetensors::{Files, Unopened};
use crate::weights::Source;
use crate::zip::Archive;
use crate::{npy, safetensors};

/// The arrays of a file, each of which is read when it is asked for.
pub struct Tensors {
    path: PathBuf,
    source: Box<dyn Source>,
}

impl fmt::Debug for Tensors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tensors").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A file with one array, which has no name.
struct Single(Array);

impl Source for Single {
    fn all(&self) -> Vec<String> {
        vec![String::new()]
    }

    fn about(&self, name: &str) -> Content<Option<Info>> {
        Ok(name.is_empty().then(|| self.0.info().clone()))
    }

    fn array(&self, _: &str) -> Content<Array> {
        Ok(self.0.clone())
    }
}

pub(crate) fn unopened(path: &Path) -> impl Fn(Unopened) -> FilesError {
    move |error| match error {
        Unopened::Mistake(mistake) => FilesError::file(path, mistake),
        Unopened::Io(source) => FilesError::io(path, source),
    }
}

/// The arrays of a file.
pub(crate) fn source(path: &Path) -> Result<Box<dyn Source>, FilesError> {
    let failed = |mistake| FilesError::file(path, mistake);
    Ok(match expect(path)? {
        Format::Keras => {
            let bytes = read(path)?;
            let archive = Archive::new(&bytes).map_err(failed)?;
            Box::new(archive::weights(&archive).map_err(failed)?)
        }
        Format::WeightsH5 | Format::Hdf5 => Box::new(Hdf5::new(read(path)?).map_err(failed)?),
        Format::WeightsJson => Box::new(Parts::open(path, &read(path)?).map_err(unopened(path))?),
        Format::SafeTensors => {
            brolga_nn::files::check_regular(path)
                .map_err(|error| FilesError::model(path, error))?;
            Box::new(Files::open(path).map_err(unopened(path))?)
        }
        Format::SafeTensorsIndex => {
            let index = archive::json(&read(path)?, "the index").map_err(failed)?;
            Box::new(Files::of_index(path, &index).map_err(unopened(path))?)
        }
        Format::Npz => Box::new(npy::Npz::new(read(path)?).map_err(failed)?),
        Format::Npy => Box::new(Single(npy::array(&read(path)?).map_err(failed)?)),
        Format::Onnx => {
            let mistake = Mistake::new("the weights of an ONNX model are part of its graph");
            return Err(failed(mistake.help("load the model: load_model")));
        }
    })
}

impl Tensors {
    /// The arrays of a file: weights of Keras, safetensors, `.npz`, `.npy`.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FilesError> {
        let path = path.as_ref();
        Ok(Self { path: path.to_owned(), source: source(path)? })
    }

    /// The names of all arrays.
    pub fn names(&self) -> Vec<String> {
        self.source.all()
    }

    /// Element type and shape of an array.
    ///
    /// # Errors
    /// If there is none of this name, or its elements are no numbers.
    pub fn info(&self, name: &str) -> Result<Info, FilesError> {
        let failed = |mistake| FilesError::file(&self.path, mistake);
        self.source.about(name).map_err(failed)?.ok_or_else(|| {
            let message = format!("there is no array `{name}`");
            let names: Vec<String> = self.names().into_iter().take(8).collect();
            failed(Mistake::new(message).help(format!("there are {}", names.join(", "))))
        })
    }

    /// Reads an array.
    ///
    /// # Errors
    /// As [`Tensors::info`], or if the elements cannot be read.
    pub fn read(&self, name: &str) -> Result<Array, FilesError> {
        self.info(name)?;
        self.source.array(name).map_err(|mistake| FilesError::file(&self.path, mistake))
    }
}

/// Writes arrays under names: `.safetensors`, `.npz`, `.h5`, or one array `.npy`. A crash leaves the old
/// file or the new one.
///
/// # Errors
/// If the ending is another one, the format has no type for the elements, or the file cannot be written.
pub fn save_tensors(path: impl AsRef<Path>, arrays: &[(String, Array)]) -> Result<(), FilesError> {
    let path = path.as_ref();
    let bytes = match (expect(path)?, arrays) {
        (Format::SafeTensors, _) => safetensors::write(arrays),
        (Format::Npz, _) => npy::write_npz(arrays),
        (Format::Npy, [(_, array)]) => npy::write(array),
        (Format::Npy, _) => {
            let message = format!("there are {} arrays, the format holds one", arrays.len());
            Err(Mistake::new(message).help("several arrays fit into .npz"))
        }
        (Format::Hdf5, _) => {
            let mut writer = Writer::new();
            let written = arrays.iter().try_for_each(|(name, array)| writer.dataset(name, array));
            written.and_then(|()| writer.finish())
        }
        _ => Err(Mistake::new("this is no format of arrays alone")
            .help("arrays are written to .safetensors, .npz, .npy and .h5")),
    };
    write(path, &bytes.map_err(|mistake| FilesError::file(path, mistake))?)
}
