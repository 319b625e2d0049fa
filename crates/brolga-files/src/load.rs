//! Models and weights from files.

use std::path::Path;

use brolga_ir::{Mistake, Type};
use brolga_nn::model::{BuiltLayer, Model, Network, Session};
use brolga_nn::registry::Registry;
use brolga_onnx::Bindings;
use serde_json::Value;

use crate::AnyModel;
use crate::error::{FilesError, read};
use crate::format::{Format, expect};
use crate::hdf5::Hdf5;
use crate::keras::archive::{self, Unread};
use crate::keras::legacy;
use crate::keras::state::{Changed, mistake};
use crate::keras::weights::{self, Parts};
use crate::tensors::{source, unopened};
use crate::torch::{self, TorchNames};
use crate::weights::{Fitting, Source, Wanted};
use crate::zip::Archive;

/// The model in a file of Keras (`.keras`, `.h5`) or of ONNX (`.onnx`), with its weights and, where the
/// file has them, with what it was compiled with and where its optimizer stands: training goes on.
///
/// ```no_run
/// use brolga_files::load_model;
/// use brolga_nn::prelude::*;
///
/// # fn main() -> Result<(), NnError> {
/// # let images = ndarray::Array4::<f32>::zeros((1, 28, 28, 1));
/// let mut model = load_model("model.keras")?;
/// let probabilities = model.predict(&images)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`Load::open`].
pub fn load_model(path: impl AsRef<Path>) -> Result<AnyModel, FilesError> {
    Load::new().open(path)
}

/// The arguments of loading a model.
#[derive(Debug, Clone)]
#[must_use]
pub struct Load {
    registry: Registry,
    compile: bool,
    bindings: Bindings,
}

impl Default for Load {
    fn default() -> Self {
        Self { registry: Registry::default(), compile: true, bindings: Bindings::new() }
    }
}

impl Load {
    /// Keras's classes; compiled as the file says.
    pub fn new() -> Self {
        Self::default()
    }

    /// Classes of the user's own besides those of Keras.
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Whether the model is compiled with what the file says; true by default.
    pub fn compile(mut self, compile: bool) -> Self {
        self.compile = compile;
        self
    }

    /// Extents and values that an ONNX model leaves open.
    pub fn bindings(mut self, bindings: Bindings) -> Self {
        self.bindings = bindings;
        self
    }

    /// Reads the model.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, holds weights alone or code, has a class that is not
    /// known, or weights that do not fit its layers.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<AnyModel, FilesError> {
        let path = path.as_ref();
        let unread = |unread| unread_at(path, unread);
        match expect(path)? {
            Format::Keras => {
                archive::read(&read(path)?, &self.registry, self.compile).map_err(unread)
            }
            Format::Hdf5 => legacy::read(read(path)?, &self.registry, self.compile).map_err(unread),
            Format::Onnx => {
                let model = brolga_onnx::load(path)?.bind(self.bindings.clone())?;
                Ok(Model::of(Box::new(model) as Box<dyn Network>))
            }
            _ => {
                let mistake = Mistake::new("this format holds weights alone")
                    .help("build the model, and read them with load_weights");
                Err(FilesError::file(path, mistake))
            }
        }
    }
}

fn unread_at(path: &Path, unread: Unread) -> FilesError {
    match unread {
        Unread::Mistake(mistake) => FilesError::file(path, mistake),
        Unread::Mismatch(mismatches) => {
            FilesError::Mismatch { path: path.to_owned(), mismatches: Box::new(mismatches) }
        }
    }
}

/// How weights of a file are taken over into a model.
///
/// ```no_run
/// use brolga_files::{LoadWeights, load_weights};
/// use brolga_nn::prelude::*;
///
/// # fn main() -> Result<(), NnError> {
/// # let mut model = Sequential::new();
/// // The head has another number of classes.
/// let taken = load_weights(&mut model, "base.weights.h5", LoadWeights::new().by_name(true).skip_mismatch(true))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct LoadWeights {
    fitting: Fitting,
    torch: Option<TorchNames>,
}

impl LoadWeights {
    /// All weights must be there and fit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether layers are found by their names, and those that the file does not have keep their values;
    /// false by default: the layers of the file are those of the model, in the same order.
    pub fn by_name(mut self, by_name: bool) -> Self {
        self.fitting.by_name = by_name;
        self
    }

    /// Whether weights of another shape keep their values; false by default.
    pub fn skip_mismatch(mut self, skip_mismatch: bool) -> Self {
        self.fitting.skip_mismatch = skip_mismatch;
        self
    }

    /// The file holds a state dict of PyTorch with these names.
    pub fn torch(mut self, names: TorchNames) -> Self {
        self.torch = Some(names);
        self
    }
}

/// The weights that [`load_weights`] has set, and those that kept their values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// The paths of the weights that have the values of the file, such as `dense/kernel`.
    pub taken: Vec<String>,
    /// Those that were left as they were.
    pub kept: Vec<String>,
}

/// Reads the weights of a model from a file of Keras (`.weights.h5`, `.weights.json`, `.keras`, `.h5`),
/// safetensors (also an index of several files) or `.npz`, whose tensors have the paths of weights, such
/// as `dense/kernel`, or PyTorch's names. Nothing is changed unless all of them fit.
///
/// # Errors
/// If the file cannot be read or is damaged; [`FilesError::Mismatch`] with a table if weights do not fit.
pub fn load_weights<N: Network>(
    model: &mut Model<N>,
    path: impl AsRef<Path>,
    how: LoadWeights,
) -> Result<Taken, FilesError> {
    let path = path.as_ref();
    let failed = |mistake| FilesError::file(path, mistake);
    let format = expect(path)?;
    let network = match format {
        Format::Keras | Format::Hdf5 | Format::WeightsH5 | Format::WeightsJson => {
            model.network().config().map_err(|error| FilesError::model(path, error))?
        }
        _ => Value::Null,
    };
    let layers = {
        model.session().map_err(|error| FilesError::model(path, error))?;
        model.built().map(|built| built.layers.clone()).unwrap_or_default()
    };
    let session = model.session().map_err(|error| FilesError::model(path, error))?;
    let taken = match format {
        Format::Keras => {
            let bytes = read(path)?;
            let archive = Archive::new(&bytes).map_err(failed)?;
            let file = archive::weights(&archive).map_err(failed)?;
            weights::fill_from_hdf5(session, &network, &file, how.fitting)
        }
        Format::Hdf5 | Format::WeightsH5 => {
            let file = Hdf5::new(read(path)?).map_err(failed)?;
            weights::fill_from_hdf5(session, &network, &file, how.fitting)
        }
        Format::WeightsJson => {
            let parts = Parts::open(path, &read(path)?).map_err(unopened(path))?;
            let (wanted, _) = archive::wanted(session, &network, "");
            weights::fill(session, &wanted, &parts, how.fitting)
        }
        _ => by_path(session, &layers, &*source(path)?, &how),
    };
    let taken = taken.map_err(|unread| unread_at(path, unread))?;
    let kept = session.weights().map(brolga_nn::model::Weight::path);
    let kept = kept.filter(|weight| !taken.contains(weight)).collect();
    Ok(Taken { taken, kept })
}

/// Weights of a file whose arrays have the paths of the model's weights, or PyTorch's names.
fn by_path(
    session: &mut Session,
    layers: &[BuiltLayer],
    file: &dyn Source,
    how: &LoadWeights,
) -> Result<Vec<String>, Unread> {
    let mut wanted = vec![];
    let mut of = vec![];
    for layer in layers {
        for weight in &layer.weights {
            let (name, shape) = match &how.torch {
                Some(names) => {
                    torch::check(layer)?;
                    (names.tensor(weight), torch::shape(layer, weight))
                }
                None => (weight.path(), weight.ty.shape.to_vec()),
            };
            if how.torch.is_some() && torch::may_lack(weight) && file.about(&name)?.is_none() {
                continue;
            }
            wanted.push(Wanted { weight: weight.path(), shape, paths: vec![name] });
            of.push((layer, weight));
        }
    }
    let strict = !how.fitting.skip_mismatch;
    let foreign = |name: &str| strict && !torch::is_counter(name);
    let found = how.fitting.find(&wanted, file, &foreign)?;
    let mut changed = Changed::new(session)?;
    let mut taken = vec![];
    for (wanted, name) in found {
        let mut array = file.array(&name)?;
        if how.torch.is_some()
            && let Some((layer, weight)) =
                of.iter().find(|(_, weight)| weight.path() == wanted.weight)
        {
            array = torch::convert(layer, weight, array)?;
        }
        changed.set(&wanted.weight, &array)?;
        taken.push(wanted.weight.clone());
    }
    if how.torch.is_some() {
        let all = layers.iter().flat_map(|layer| &layer.weights);
        for weight in all.filter(|weight| !wanted.iter().any(|w| w.weight == weight.path())) {
            let zeros = brolga_ir::Tensor::zeros(&Type::f32(weight.ty.shape.clone()));
            changed.set(&weight.path(), &crate::array::Array::of_tensor(&zeros))?;
            taken.push(weight.path());
        }
    }
    changed.done()?;
    Ok(taken)
}

/// The mistakes of a model as those of a file.
pub(crate) fn of_model(error: brolga_nn::NnError) -> Mistake {
    mistake(error)
}
