//! Where the weights of a model stand in Keras's files.
//!
//! A file names layers by class and order, not by their own names: `layers/dense_1/vars/0` is the
//! first weight of the second Dense. Layers inside of layers stand under the name of the attribute
//! that holds them: `layers/bidirectional/forward_layer/cell/vars/0`.

use std::collections::HashMap;

use brolga_nn::model::Weight;
use brolga_nn::registry::snake_case;
use serde_json::Value;

use super::config::{class, is_model, name};

/// Where a weight stands.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The path in the model, such as `dense/kernel`.
    pub(crate) weight: String,
    /// The group; others follow that some versions of Keras write in its place.
    pub(crate) groups: Vec<String>,
    /// The place among the variables of the group.
    pub(crate) index: usize,
    /// The name of the layer that the group belongs to.
    pub(crate) owner: String,
}

impl Place {
    /// The paths at which the weight is looked for.
    pub(crate) fn paths(&self) -> impl Iterator<Item = String> {
        self.groups.iter().map(|group| format!("{group}/vars/{}", self.index))
    }
}

/// The places of a model's weights, in their order, and the groups of normalizations, which have a
/// variable more.
pub(crate) fn places<'w>(
    config: &Value,
    weights: impl Iterator<Item = &'w Weight>,
) -> (Vec<Place>, Vec<String>) {
    let mut layers = HashMap::new();
    let mut normalizations = vec![];
    let mut shared = HashMap::new();
    let mut stack = vec![(config, String::new(), String::new())];
    while let Some((model, inside, group)) = stack.pop() {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let list = model.pointer("/config/layers").and_then(Value::as_array);
        for layer in list.into_iter().flatten() {
            let path = match inside.as_str() {
                "" => name(layer).to_owned(),
                _ => format!("{inside}/{}", name(layer)),
            };
            let group = numbered(&format!("{group}layers/"), file_class(layer), &mut counts);
            if is_model(layer) {
                stack.push((layer, path, format!("{group}/")));
                continue;
            }
            if class(layer) == "Normalization" {
                normalizations.push(group.clone());
            }
            layers.insert(path, (layer, group));
        }
    }
    let mut counts: HashMap<String, usize> = HashMap::new();
    let places = weights.map(|weight| {
        let (groups, owner) = match layers.get(&weight.layer) {
            Some((layer, group)) => {
                let mut parts: Vec<&str> = weight.name.split('/').collect();
                parts.pop();
                let owner = parts.last().copied().unwrap_or_else(|| name(layer)).to_owned();
                (inner(layer, &parts, vec![group.clone()], &mut shared), owner)
            }
            None => (vec![format!("layers/{}", weight.layer)], weight.layer.clone()),
        };
        let count = counts.entry(groups[0].clone()).or_default();
        *count += 1;
        Place { weight: weight.path(), groups, index: *count - 1, owner }
    });
    (places.collect(), normalizations)
}

/// The class of a layer as Python has it.
fn file_class(layer: &Value) -> String {
    match class(layer).rsplit('>').next().unwrap_or_default() {
        "GroupQueryAttention" => "grouped_query_attention".to_owned(),
        "Model" => "functional".to_owned(),
        class => snake_case(class),
    }
}

fn numbered(prefix: &str, class: String, counts: &mut HashMap<String, usize>) -> String {
    let count = counts.entry(class.clone()).or_default();
    *count += 1;
    match *count {
        1 => format!("{prefix}{class}"),
        number => format!("{prefix}{class}_{}", number - 1),
    }
}

/// The groups of a layer inside of a layer, which the model names by `parts`.
fn inner(
    layer: &Value,
    parts: &[&str],
    groups: Vec<String>,
    shared: &mut HashMap<u64, String>,
) -> Vec<String> {
    let (mut layer, mut parts, mut groups) = (layer, parts, groups);
    while let Some((part, rest)) = parts.split_first() {
        let argument = |key: &str| layer.get("config").and_then(|config| config.get(key));
        let (names, next): (Vec<String>, Option<&Value>) = match class(layer) {
            "Bidirectional" if part.starts_with("forward_") => {
                (vec!["forward_layer".into()], argument("layer"))
            }
            "Bidirectional" => {
                let backward = argument("backward_layer").filter(|layer| !layer.is_null());
                (vec!["backward_layer".into()], backward.or(argument("layer")))
            }
            "TimeDistributed" => (vec!["layer".into()], argument("layer")),
            "RNN" => (vec!["cell".into()], argument("cell")),
            "LSTM" | "GRU" | "SimpleRNN" | "ConvLSTM1D" | "ConvLSTM2D" | "ConvLSTM3D" => {
                (vec!["cell".into()], None)
            }
            "StackedRNNCells" => (vec![format!("cells/{part}")], cell_of(layer, part)),
            "MultiHeadAttention" | "GroupQueryAttention" | "GroupedQueryAttention" => {
                let name = if *part == "attention_output" { "output" } else { part };
                (vec![format!("_{name}_dense"), format!("{name}_dense")], None)
            }
            _ => (vec![(*part).to_owned()], None),
        };
        let mut found: Vec<String> = vec![];
        for group in &groups {
            found.extend(names.iter().map(|name| format!("{group}/{name}")));
        }
        // A layer that two layers hold stands in the file once.
        let id = next.and_then(|next| next.get("shared_object_id")).and_then(Value::as_u64);
        if let Some(id) = id {
            let first = shared.entry(id).or_insert_with(|| found[0].clone()).clone();
            if !found.contains(&first) {
                found.push(first);
            }
        }
        groups = found;
        parts = rest;
        layer = next.unwrap_or(&Value::Null);
    }
    groups
}

/// The cell of this name among stacked ones.
fn cell_of<'v>(stacked: &'v Value, part: &str) -> Option<&'v Value> {
    let mut counts = HashMap::new();
    let cells = stacked.pointer("/config/cells")?.as_array()?;
    cells.iter().find(|cell| numbered("", snake_case(class(cell)), &mut counts) == part)
}
