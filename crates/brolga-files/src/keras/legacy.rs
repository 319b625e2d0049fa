//! `.h5` files of Keras 2, which Keras 3 reads and writes too: groups by names of layers, lists of
//! names as attributes.

use brolga_ir::Mistake;
use brolga_nn::model::{Model, Network, Session, Weight};
use brolga_nn::registry::Registry;
use serde_json::{Value, json};

use super::archive::{Unread, build, compile_with, json as parsed, outputs, slots, trained, value};
use super::state::{Changed, Kept, mistake};
use super::{VERSION, compile, config};
use crate::AnyModel;
use crate::array::{Array, shape_text};
use crate::error::{Content, damaged};
use crate::hdf5::{Hdf5, Writer};
use crate::mismatch::{Mismatch, Mismatches};
use crate::weights::Fitting;

const WEIGHTS: &str = "model_weights";
const OPTIMIZER: &str = "optimizer_weights";

/// Where the groups of layers are, if the file has some that are named by layers.
pub(crate) fn root(file: &Hdf5) -> Content<Option<&'static str>> {
    for root in ["", WEIGHTS] {
        if file.has_group(root) && !file.list(root, "layer_names")?.is_empty() {
            return Ok(Some(root));
        }
    }
    Ok(None)
}

/// Reads a model.
pub(crate) fn read(
    bytes: Vec<u8>,
    registry: &Registry,
    compiled: bool,
) -> Result<AnyModel, Unread> {
    let file = Hdf5::new(bytes)?;
    let Some(text) = file.text("", "model_config")? else {
        let message = "the file has weights, and no model (`model_config`)";
        return Err(Mistake::new(message)
            .help("build the model, and read them with load_weights")
            .into());
    };
    let network = config::model(parsed(text.as_bytes(), "`model_config`")?)?;
    let mut model = build(&network, registry)?;
    let settings = match file.text("", "training_config")? {
        Some(text) if compiled => Some(parsed(text.as_bytes(), "`training_config`")?),
        _ => None,
    };
    if let Some(settings) = &settings {
        compile_with(&mut model, settings, registry)?;
    }
    let session = model.session().map_err(mistake)?;
    fill(session, &network, &file, WEIGHTS, Fitting::default())?;
    if let Some(optimizer) = model.compiled().map(|compiled| compiled.optimizer.clone()) {
        let session = model.session().map_err(mistake)?;
        let names = file.list(OPTIMIZER, "weight_names")?;
        let paths: Vec<String> = names.iter().map(|name| format!("{OPTIMIZER}/{name}")).collect();
        slots(session, &file, &*optimizer, &paths)?;
    }
    Ok(model)
}

/// The weights of the layers of a model, in the order of its layers; those of a nested model are of
/// one layer.
fn by_layer<'w>(network: &Value, session: &'w Session) -> Vec<(String, Vec<&'w Weight>)> {
    let layers = network.pointer("/config/layers").and_then(Value::as_array);
    let of_layer = |layer: &Value| {
        let name = config::name(layer).to_owned();
        let own = session.weights().filter(|weight| {
            let rest = weight.layer.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let own = own.collect();
        (name, own)
    };
    layers.into_iter().flatten().map(of_layer).collect()
}

/// Whether a weight is one that training never changes by gradients.
fn is_statistic(weight: &Weight) -> bool {
    ["moving_", "renorm_"].iter().any(|prefix| weight.name.starts_with(prefix))
}

/// The orders in which a file may have the weights of a layer: those that are trained come first.
fn orders<'w>(weights: &[&'w Weight]) -> [Vec<&'w Weight>; 3] {
    let sorted = |last: &dyn Fn(&Weight) -> bool| {
        let mut weights = weights.to_vec();
        weights.sort_by_key(|weight| last(weight));
        weights
    };
    [sorted(&|weight| !weight.trainable), sorted(&is_statistic), weights.to_vec()]
}

/// The last part of a name, without the number that TensorFlow puts behind.
fn last(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or(name);
    name.rsplit('/').next().unwrap_or(name)
}

/// Gives the weights of a model the values of a file that has a group for each layer.
pub(crate) fn fill(
    session: &mut Session,
    network: &Value,
    file: &Hdf5,
    root: &str,
    fitting: Fitting,
) -> Result<Vec<String>, Unread> {
    let group =
        |name: &str| if root.is_empty() { name.to_owned() } else { format!("{root}/{name}") };
    let layers = by_layer(network, session);
    let mut saved = vec![];
    for name in file.list(root, "layer_names")? {
        let names = file.list(&group(&name), "weight_names")?;
        if !names.is_empty() {
            saved.push((name, names));
        }
    }
    let layers = layers.into_iter().filter(|(_, weights)| !weights.is_empty());
    let layers: Vec<_> = layers.collect();
    let mut pairs = vec![];
    let mut rows = vec![];
    let mut unused = vec![];
    for (number, (layer, weights)) in layers.iter().enumerate() {
        let found = match fitting.by_name {
            true => saved.iter().find(|(name, _)| name == layer),
            false => saved.get(number),
        };
        match found {
            Some((name, names)) => {
                let orders = orders(weights);
                let fits = |order: &&Vec<&Weight>| {
                    order.len() == names.len()
                        && order
                            .iter()
                            .zip(names)
                            .all(|(weight, name)| last(&weight.name) == last(name))
                };
                let order = orders.iter().find(fits).unwrap_or(&orders[0]);
                for index in 0..order.len().max(names.len()) {
                    let path = names.get(index).map(|own| format!("{}/{own}", group(name)));
                    match (order.get(index), path) {
                        (Some(weight), Some(path)) => pairs.push((*weight, path)),
                        (Some(weight), None) if !fitting.skip_mismatch => {
                            rows.push(row(weight, &group(name), None));
                        }
                        (None, Some(path)) if !fitting.skip_mismatch => unused.push(path),
                        _ => {}
                    }
                }
            }
            None if fitting.by_name => {}
            None => rows.extend(weights.iter().map(|weight| row(weight, &group(layer), None))),
        }
    }
    if !fitting.by_name {
        for (name, names) in saved.iter().skip(layers.len()) {
            unused.extend(names.iter().map(|own| format!("{}/{own}", group(name))));
        }
    }
    let mut fitting_pairs = vec![];
    for (weight, path) in pairs {
        match file.info(&path)? {
            Some(info) if *weight.ty.shape == info.shape[..] => {
                fitting_pairs.push((weight.path(), path))
            }
            _ if fitting.skip_mismatch => {}
            found => rows.push(row(weight, &path, found.map(|info| info.to_string()))),
        }
    }
    let mut foreign = vec![];
    for path in unused {
        let found = file.info(&path)?.map_or("nothing".to_owned(), |info| info.to_string());
        foreign.push((path, found));
    }
    if !rows.is_empty() || !foreign.is_empty() {
        rows.extend(foreign.iter().map(|(path, found)| Mismatch {
            path: path.clone(),
            found: Some(found.clone()),
            weight: None,
            nearest: None,
        }));
        let mut mismatches = Mismatches { rows };
        mismatches.match_up(&foreign);
        return Err(mismatches.into());
    }
    let mut changed = Changed::new(session)?;
    let mut taken = vec![];
    for (weight, path) in fitting_pairs {
        changed.set(&weight, &file.read(&path)?)?;
        taken.push(weight);
    }
    changed.done()?;
    Ok(taken)
}

fn row(weight: &Weight, path: &str, found: Option<String>) -> Mismatch {
    let ty = format!("float32{}", shape_text(&weight.ty.shape));
    Mismatch { path: path.to_owned(), found, weight: Some((weight.path(), ty)), nearest: None }
}

/// The bytes of an `.h5` file with a model.
pub(crate) fn write<N: Network>(model: &mut Model<N>) -> Content<Vec<u8>> {
    let network = model.network().config().map_err(mistake)?;
    model.session().map_err(mistake)?;
    let outputs = outputs(model);
    let compiled = model.compiled().cloned();
    let session = model.session().map_err(mistake)?;
    let mut writer = Writer::new();
    writer.text("", "backend", "tensorflow")?;
    writer.text("", "keras_version", VERSION)?;
    writer.text("", "model_config", &network.to_string())?;
    let kept = Kept::new(session)?;
    let layers = by_layer(&network, session);
    let names: Vec<String> = layers.iter().map(|(name, _)| name.clone()).collect();
    writer.list(WEIGHTS, "layer_names", &names)?;
    writer.text(WEIGHTS, "backend", "tensorflow")?;
    writer.text(WEIGHTS, "keras_version", VERSION)?;
    for (name, weights) in &layers {
        let group = format!("{WEIGHTS}/{name}");
        let [order, ..] = orders(weights);
        let names: Vec<String> = order.iter().map(|weight| weight.path()).collect();
        writer.list(&group, "weight_names", &names)?;
        for weight in order {
            let array = Array::of_tensor(&kept.get(&weight.path())?);
            writer.dataset(&format!("{group}/{}", weight.path()), &array)?;
        }
    }
    writer.list(&format!("{WEIGHTS}/top_level_model_weights"), "weight_names", &[])?;
    if let Some(compiled) = &compiled {
        let mut settings = compile::write(compiled, &outputs)?;
        let optimizer = settings.get_mut("optimizer").map(Value::take).unwrap_or_default();
        let fields = settings.as_object_mut().ok_or_else(|| damaged("no settings"))?;
        fields.remove("optimizer");
        fields.insert(
            "optimizer_config".to_owned(),
            json!({ "class_name": optimizer["class_name"], "config": optimizer["config"] }),
        );
        writer.text("", "training_config", &settings.to_string())?;
        let variables = trained(session, &*compiled.optimizer);
        let mut names = vec![];
        for variable in &variables {
            // Names need not differ in Keras, but datasets do.
            let mut name = variable.name().to_owned();
            while names.contains(&name) {
                name.push('_');
            }
            writer.dataset(&format!("{OPTIMIZER}/{name}"), &value(&kept, variable)?)?;
            names.push(name);
        }
        writer.list(OPTIMIZER, "weight_names", &names)?;
    }
    writer.finish()
}
