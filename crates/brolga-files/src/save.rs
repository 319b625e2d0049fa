//! Models and weights to files.

use std::path::Path;

use brolga_ir::Mistake;
use brolga_nn::model::{Model, Network, Weight};
use brolga_onnx::Export;

use crate::array::Array;
use crate::error::{Content, FilesError, write};
use crate::format::{Format, expect};
use crate::keras::state::Kept;
use crate::keras::{archive, legacy, weights};
use crate::load::of_model;
use crate::{npy, safetensors};

/// Saving models in the format that the ending of a path means.
pub trait SaveModel {
    /// Writes the model, with its weights, what it was compiled with and where its optimizer stands:
    /// `.keras` or, as Keras 2 did, `.h5`; or what it predicts, with the weights: `.onnx`. A crash
    /// leaves the old file or the new one, and the same model makes the same bytes.
    ///
    /// ```no_run
    /// use brolga_files::SaveModel;
    /// use brolga_nn::prelude::*;
    ///
    /// # fn main() -> Result<(), NnError> {
    /// let mut model = Sequential::new();
    /// model.add(Input::new([28, 28]));
    /// model.add(Flatten::new());
    /// model.add(Dense::new(10).activation("softmax"));
    /// model.save("model.keras")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the ending is none of a format of models, an argument is a closure, the model is not built, or
    /// the file cannot be written.
    fn save(&mut self, path: impl AsRef<Path>) -> Result<(), FilesError>;
}

impl<N: Network> SaveModel for Model<N> {
    fn save(&mut self, path: impl AsRef<Path>) -> Result<(), FilesError> {
        let path = path.as_ref();
        let bytes = match expect(path)? {
            Format::Keras => archive::write(self),
            Format::Hdf5 => legacy::write(self),
            Format::Onnx => return Ok(brolga_onnx::save(self, path, &Export::default())?),
            _ => Err(Mistake::new("this format holds weights alone")
                .help("write .keras, or the weights with save_weights")),
        };
        write(path, &bytes.map_err(|mistake| FilesError::file(path, mistake))?)
    }
}

/// Writes the weights of a model in the format that the ending of the path means: `.weights.h5` as Keras
/// reads it, `.safetensors` or `.npz` under the paths of weights, such as `dense/kernel`.
///
/// # Errors
/// If the ending is another one, the model is not built, or the file cannot be written.
pub fn save_weights<N: Network>(
    model: &mut Model<N>,
    path: impl AsRef<Path>,
) -> Result<(), FilesError> {
    let path = path.as_ref();
    let bytes = match expect(path)? {
        Format::WeightsH5 => {
            let network =
                model.network().config().map_err(|error| FilesError::model(path, error))?;
            let session = model.session().map_err(|error| FilesError::model(path, error))?;
            weights::write(session, &network)
        }
        Format::SafeTensors => arrays(model).and_then(|arrays| safetensors::write(&arrays)),
        Format::Npz => arrays(model).and_then(|arrays| npy::write_npz(&arrays)),
        _ => Err(Mistake::new("this is no format of weights")
            .help("weights are written to .weights.h5, .safetensors and .npz")),
    };
    write(path, &bytes.map_err(|mistake| FilesError::file(path, mistake))?)
}

/// The weights of a model by their paths.
fn arrays<N: Network>(model: &mut Model<N>) -> Content<Vec<(String, Array)>> {
    let session = model.session().map_err(of_model)?;
    let names: Vec<String> = session.weights().map(Weight::path).collect();
    let kept = Kept::new(session)?;
    names.into_iter().map(|name| Ok((name.clone(), Array::of_tensor(&kept.get(&name)?)))).collect()
}
