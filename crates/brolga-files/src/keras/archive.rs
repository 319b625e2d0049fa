//! `.keras` files: a zip archive of `metadata.json`, `config.json` and `model.weights.h5`.

use brolga_ir::Mistake;
use brolga_nn::model::{Functional, Model, Network, Sequential, Session, Weight};
use brolga_nn::optimizers::Optimizer;
use brolga_nn::registry::Registry;
use serde_json::{Value, json};

use super::optimizer::{Variable, variables, zeros};
use super::paths::{Place, places};
use super::state::{Changed, Kept, mistake};
use super::{VERSION, compile, config};
use crate::AnyModel;
use crate::array::{Array, Element, Info};
use crate::error::{Content, damaged};
use crate::hdf5::{Hdf5, Writer};
use crate::mismatch::Mismatches;
use crate::weights::{Fitting, Wanted};
use crate::zip::{self, Archive};

const METADATA: &str = "metadata.json";
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.weights.h5";
const WEIGHTS_NPZ: &str = "model.weights.npz";

/// Why a model is not read: a mistake of the file, or weights that do not fit.
pub(crate) enum Unread {
    Mistake(Mistake),
    Mismatch(Mismatches),
}

impl From<Mistake> for Unread {
    fn from(mistake: Mistake) -> Self {
        Self::Mistake(mistake)
    }
}

impl From<Mismatches> for Unread {
    fn from(mismatches: Mismatches) -> Self {
        Self::Mismatch(mismatches)
    }
}

pub(crate) fn json(bytes: &[u8], what: &str) -> Content<Value> {
    serde_json::from_slice(bytes).map_err(|error| damaged(format!("{what} is no JSON ({error})")))
}

/// The version of Keras and the config of the model in an archive.
pub(crate) fn parts(archive: &Archive<'_>) -> Content<(Option<Value>, Value)> {
    let metadata = match archive.has(METADATA) {
        true => Some(json(&archive.read(METADATA)?, METADATA)?),
        false => None,
    };
    Ok((metadata, json(&archive.read(CONFIG)?, CONFIG)?))
}

/// The file with the weights in an archive.
pub(crate) fn weights(archive: &Archive<'_>) -> Content<Hdf5> {
    if !archive.has(WEIGHTS) && archive.has(WEIGHTS_NPZ) {
        let message = format!("the weights are in `{WEIGHTS_NPZ}`, as pickled objects of Python");
        return Err(Mistake::new(message)
            .help("pickles are never run; save the model in Keras with its default, `weights_format=\"h5\"`"));
    }
    Hdf5::new(archive.read(WEIGHTS)?).map_err(|Mistake { message, help }| Mistake {
        message: format!("{WEIGHTS}: {message}"),
        help,
    })
}

/// Reads a model.
pub(crate) fn read(bytes: &[u8], registry: &Registry, compiled: bool) -> Result<AnyModel, Unread> {
    let archive = Archive::new(bytes)?;
    let (_, value) = parts(&archive)?;
    let config = config::model(value.clone())?;
    let weights = weights(&archive)?;
    drop(archive);
    let mut model = build(&config, registry)?;
    if compiled && let Some(settings) = value.get("compile_config") {
        compile_with(&mut model, settings, registry)?;
    }
    let network = config;
    let session = model.session().map_err(mistake)?;
    fill(session, &network, &weights, "", true)?;
    if let Some(optimizer) = model.compiled().map(|compiled| compiled.optimizer.clone()) {
        let session = model.session().map_err(mistake)?;
        let paths = (0..).map(|number| format!("optimizer/vars/{number}"));
        let count = weights.names().filter(|name| name.starts_with("optimizer/vars/")).count();
        slots(session, &weights, &*optimizer, &paths.take(count).collect::<Vec<_>>())?;
    }
    Ok(model)
}

/// The variables of an optimizer of a model's weights.
pub(crate) fn trained(session: &Session, optimizer: &dyn Optimizer) -> Vec<Variable> {
    let weights: Vec<&Weight> = session.weights().filter(|weight| weight.trainable).collect();
    variables(optimizer, &weights)
}

/// The model of a config, without values.
pub(crate) fn build(config: &Value, registry: &Registry) -> Content<AnyModel> {
    let network: Box<dyn Network> = match config::class(config) {
        "Sequential" => Box::new(
            Sequential::from_config_with(config, registry).map_err(mistake)?.into_network(),
        ),
        _ => Box::new(
            Functional::from_config_with(config, registry).map_err(mistake)?.into_network(),
        ),
    };
    Ok(Model::of(network))
}

/// Compiles a model with what its file says.
pub(crate) fn compile_with(
    model: &mut AnyModel,
    settings: &Value,
    registry: &Registry,
) -> Content<()> {
    model.session().map_err(mistake)?;
    let outputs = outputs(model);
    let compile = compile::read(settings, &outputs, registry).map_err(compile::without)?;
    match compile {
        Some(compile) => model.compile(compile).map_err(mistake).map_err(compile::without),
        None => Ok(()),
    }
}

/// The names of the outputs of a built model.
pub(crate) fn outputs<N: Network>(model: &Model<N>) -> Vec<String> {
    let outputs = model.built().map(|built| built.outputs.as_slice()).unwrap_or_default();
    outputs.iter().map(|port| port.name.clone()).collect()
}

/// Gives the weights of a model the values of a file that names them by class and order. `root` is
/// the path in front of all groups.
pub(crate) fn fill(
    session: &mut Session,
    network: &Value,
    file: &Hdf5,
    root: &str,
    strict: bool,
) -> Result<(), Unread> {
    let (wanted, known) = wanted(session, network, root);
    let fitting = Fitting { by_name: false, skip_mismatch: false };
    let found = fitting.find(&wanted, file, &|name| strict && is_foreign(name, &known))?;
    let mut changed = Changed::new(session)?;
    for (wanted, path) in found {
        changed.set(&wanted.weight, &file.read(&path)?)?;
    }
    Ok(changed.done()?)
}

/// What is looked for in a file, and the groups of all layers that have weights.
pub(crate) fn wanted(session: &Session, network: &Value, root: &str) -> (Vec<Wanted>, Vec<String>) {
    let (places, normalizations) = places(network, session.weights());
    let known = places.iter().flat_map(|place| place.groups.iter().cloned());
    let known = known.filter(|group| !normalizations.contains(group)).collect();
    let wanted = places.iter().zip(session.weights()).map(|(place, weight)| Wanted {
        weight: place.weight.clone(),
        shape: weight.ty.shape.to_vec(),
        paths: place
            .paths()
            // Keras 2.12 had another name for the list of layers.
            .flat_map(|path| {
                [
                    format!("{root}{path}"),
                    path.replace("layers/", "_layer_checkpoint_dependencies/"),
                ]
            })
            .collect(),
    });
    (wanted.collect(), known)
}

/// Whether a dataset belongs to a layer of the model and is none of its weights.
fn is_foreign(name: &str, known: &[String]) -> bool {
    // The states of random layers, of optimizers and of metrics are none of weights.
    let other = name.contains("seed_generator")
        || name.starts_with("optimizer/")
        || name.starts_with("metrics/")
        || name.contains("_metrics/");
    !other && (name.starts_with("layers/") || name.starts_with("vars/")) && {
        let group = name.rsplit_once("/vars/").map_or("", |(group, _)| group);
        let in_model = known.iter().any(|known| known == group);
        in_model || !name.contains("normalization")
    }
}

/// Gives the states of an optimizer their values, which stand at these paths in order.
pub(crate) fn slots(
    session: &mut Session,
    file: &Hdf5,
    optimizer: &dyn Optimizer,
    paths: &[String],
) -> Content<()> {
    let mut expected = trained(session, optimizer);
    // A model that was compiled and never trained has none.
    if paths.is_empty() {
        return Ok(());
    }
    // Keras 2 keeps the learning rate in the config.
    if paths.len() + 1 == expected.len()
        && expected.get(1).is_some_and(|v| v.name().ends_with("/learning_rate"))
    {
        expected.remove(1);
    }
    // Before its first step an optimizer has no slots.
    let few = paths.len() <= 2 && expected.len() > paths.len();
    if paths.len() != expected.len() && !few {
        let message = format!(
            "the optimizer has {} variables, the file has {} of them",
            expected.len(),
            paths.len()
        );
        return Err(compile::without(Mistake::new(message)));
    }
    let mut changed = Changed::new(session)?;
    for (variable, path) in expected.iter().zip(paths) {
        match variable {
            Variable::State(name, _) | Variable::SquaredMean(name, ..) => {
                let info = file.info(path)?;
                let info = info.ok_or_else(|| damaged(format!("there is no dataset `{path}`")))?;
                let ty = changed.ty(name).cloned();
                if ty.as_ref().is_none_or(|ty| *ty.shape != info.shape[..]) {
                    let ty = ty.map_or("nothing".to_owned(), |ty| ty.to_string());
                    let message = format!("`{path}` is {info}, the optimizer's `{name}` is {ty}");
                    return Err(compile::without(Mistake::new(message)));
                }
                changed.set(name, &file.read(path)?)?;
            }
            Variable::Zeros(..) => {}
        }
    }
    for variable in &expected {
        if let Variable::SquaredMean(variance, mean, _) = variable {
            changed.subtract_square(variance, mean)?;
        }
    }
    changed.follow(optimizer.learning_rate())?;
    changed.done()
}

/// The bytes of a `.keras` file.
pub(crate) fn write<N: Network>(model: &mut Model<N>) -> Content<Vec<u8>> {
    let mut config = model.network().config().map_err(mistake)?;
    model.session().map_err(mistake)?;
    let outputs = outputs(model);
    let inputs = model.built().map(|built| built.inputs.clone()).unwrap_or_default();
    let compiled = model.compiled().cloned();
    let session = model.session().map_err(mistake)?;
    let mut writer = Writer::new();
    write_weights(session, &config, &mut writer)?;
    if let Some(compiled) = &compiled {
        config["compile_config"] = compile::write(compiled, &outputs)?;
        let kept = Kept::new(session)?;
        for (number, variable) in trained(session, &*compiled.optimizer).iter().enumerate() {
            writer.dataset(&format!("optimizer/vars/{number}"), &value(&kept, variable)?)?;
        }
        let name = brolga_nn::registry::snake_case(compiled.optimizer.class_name());
        writer.text("optimizer/vars", "name", &name)?;
    }
    if let [input] = inputs.as_slice() {
        let extents = input.ty.shape.iter().map(|&extent| json!(extent));
        let shape: Vec<Value> = std::iter::once(Value::Null).chain(extents).collect();
        config["build_config"] = json!({ "input_shape": shape });
    }
    // The time is left out: the same model makes the same bytes.
    let metadata = json!({ "keras_version": VERSION, "date_saved": "1980-01-01@00:00:00" });
    let weights = writer.finish()?;
    zip::archive(&[
        (METADATA, metadata.to_string().as_bytes()),
        (CONFIG, config.to_string().as_bytes()),
        (WEIGHTS, &weights),
    ])
}

/// The value of a variable of the optimizer.
pub(crate) fn value(kept: &Kept, variable: &Variable) -> Content<Array> {
    match variable {
        Variable::State(name, _) => Ok(Array::of_tensor(&kept.get(name)?)),
        Variable::SquaredMean(variance, mean, _) => {
            let (variance, mean) = (kept.get(variance)?, kept.get(mean)?);
            let values = variance.as_f32().unwrap_or_default().iter();
            let squares = mean.as_f32().unwrap_or_default().iter().map(|&m| f64::from(m).powi(2));
            let sums: Vec<f32> =
                values.zip(squares).map(|(&v, square)| (f64::from(v) + square) as f32).collect();
            Ok(Array::of_f32(variance.shape(), &sums))
        }
        Variable::Zeros(shape, _) => Ok(Array::of_tensor(&brolga_ir::Tensor::zeros(&zeros(shape)))),
    }
}

/// Writes the weights of a model as Keras 3 does.
pub(crate) fn write_weights(
    session: &mut Session,
    network: &Value,
    writer: &mut Writer,
) -> Content<()> {
    let (places, normalizations) = places(network, session.weights());
    let kept = Kept::new(session)?;
    let mut named: Vec<&str> = vec![];
    for place in &places {
        let Place { weight, groups, index, owner } = place;
        let group = format!("{}/vars", groups[0]);
        writer.dataset(&format!("{group}/{index}"), &Array::of_tensor(&kept.get(weight)?))?;
        if !named.contains(&groups[0].as_str()) {
            named.push(&groups[0]);
            writer.text(&group, "name", owner)?;
        }
    }
    for group in normalizations.iter().filter(|group| named.contains(&group.as_str())) {
        let count = Info { element: Element::I32, shape: vec![] };
        writer.dataset(&format!("{group}/vars/2"), &Array::new(count, vec![0; 4])?)?;
    }
    Ok(())
}
