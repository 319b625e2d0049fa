//! Files of weights alone: `.weights.h5`, also in several parts under a `.weights.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use brolga_ir::Mistake;
use brolga_nn::model::Session;
use serde_json::Value;

use super::archive::{Unread, json, wanted, write_weights};
use super::legacy;
use super::state::Changed;
use crate::array::{Array, Info};
use crate::error::{Content, damaged};
use crate::hdf5::{Hdf5, Writer};
use crate::safetensors::{Unopened, beside};
use crate::weights::{Fitting, Source};

/// Several files as one.
pub(crate) struct Parts {
    files: Vec<Hdf5>,
    /// The file that has each dataset.
    of: BTreeMap<String, usize>,
}

impl Parts {
    /// The files that an index of Keras names.
    pub(crate) fn open(path: &Path, index: &[u8]) -> Result<Self, Unopened> {
        let index: Value = json(index, "the index")?;
        let map = index.get("weight_map").and_then(Value::as_object);
        let map = map.ok_or_else(|| damaged("the index has no table `weight_map`"))?;
        let mut names = BTreeSet::new();
        for value in map.values() {
            match value {
                Value::String(name) => drop(names.insert(name.as_str())),
                Value::Array(list) => names.extend(list.iter().filter_map(Value::as_str)),
                other => return Err(damaged(format!("the index names the file {other}")).into()),
            }
        }
        let mut parts = Self { files: vec![], of: BTreeMap::new() };
        for name in names {
            let bytes = brolga_memory::read(beside(path, name)?)?;
            let file = Hdf5::new(bytes).map_err(|Mistake { message, help }| Mistake {
                message: format!("`{name}`: {message}"),
                help,
            })?;
            for dataset in file.names() {
                if parts.of.insert(dataset.to_owned(), parts.files.len()).is_some() {
                    return Err(damaged(format!("two files have a dataset `{dataset}`")).into());
                }
            }
            parts.files.push(file);
        }
        Ok(parts)
    }
}

impl Source for Parts {
    fn all(&self) -> Vec<String> {
        self.of.keys().cloned().collect()
    }

    fn about(&self, name: &str) -> Content<Option<Info>> {
        self.of.get(name).map_or(Ok(None), |&file| self.files[file].info(name))
    }

    fn array(&self, name: &str) -> Content<Array> {
        match self.of.get(name) {
            Some(&file) => self.files[file].read(name),
            None => Err(damaged(format!("there is no dataset `{name}`"))),
        }
    }
}

/// Gives the weights of a model the values of an HDF5 file of any kind.
pub(crate) fn fill_from_hdf5(
    session: &mut Session,
    network: &Value,
    file: &Hdf5,
    fitting: Fitting,
) -> Result<Vec<String>, Unread> {
    match legacy::root(file)? {
        Some(root) => legacy::fill(session, network, file, root, fitting),
        None if fitting.by_name => fill(session, &by_owner(session, network, file)?, file, fitting),
        None => {
            let (wanted, _) = wanted(session, network, "");
            fill(session, &wanted, file, fitting)
        }
    }
}

/// Gives the weights of a model the values of arrays that stand where they are wanted.
pub(crate) fn fill(
    session: &mut Session,
    wanted: &[crate::weights::Wanted],
    file: &dyn Source,
    fitting: Fitting,
) -> Result<Vec<String>, Unread> {
    // What belongs to no weight is an error where all layers are to be the same.
    let strict = !fitting.by_name && !fitting.skip_mismatch;
    let foreign =
        |name: &str| strict && name.starts_with("layers/") && !name.contains("seed_generator");
    let found = fitting.find(wanted, file, &|name| foreign(name) && !is_count(name, file))?;
    let mut changed = Changed::new(session)?;
    let mut taken = vec![];
    for (wanted, path) in found {
        changed.set(&wanted.weight, &file.array(&path)?)?;
        taken.push(wanted.weight.clone());
    }
    changed.done()?;
    Ok(taken)
}

/// Whether a dataset counts something, as that of a Normalization which is no weight here.
fn is_count(name: &str, file: &dyn Source) -> bool {
    let info = file.about(name).ok().flatten();
    info.is_some_and(|info| info.shape.is_empty() && info.element.name().contains("int"))
}

/// What is wanted from groups whose layers have the names of the model's.
fn by_owner(
    session: &Session,
    network: &Value,
    file: &Hdf5,
) -> Content<Vec<crate::weights::Wanted>> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    for group in file.groups() {
        if let Some(layer) = group.strip_suffix("/vars")
            && let Some(name) = file.text(group, "name")?
        {
            owners.entry(name).or_insert_with(|| layer.to_owned());
        }
    }
    if owners.is_empty() {
        return Err(Mistake::new("the file does not have the names of layers")
            .help("versions of Keras before 3.8 write none: load without by_name"));
    }
    let (mut wanted, _) = wanted(session, network, "");
    for (wanted, weight) in wanted.iter_mut().zip(session.weights()) {
        let layer = weight.layer.rsplit('/').next().unwrap_or(&weight.layer);
        let own = weight.layer.matches('/').count() * 2 + 2;
        let of_layer = |path: &String| path.splitn(own + 1, '/').nth(own).map(str::to_owned);
        wanted.paths = match owners.get(layer) {
            Some(group) => {
                let rests = wanted.paths.iter().filter_map(of_layer);
                rests.map(|rest| format!("{group}/{rest}")).collect()
            }
            None => vec![],
        };
    }
    Ok(wanted)
}

/// The bytes of a `.weights.h5` file.
pub(crate) fn write(session: &mut Session, network: &Value) -> Content<Vec<u8>> {
    let mut writer = Writer::new();
    write_weights(session, network, &mut writer)?;
    writer.finish()
}
