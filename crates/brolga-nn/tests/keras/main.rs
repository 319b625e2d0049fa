//! The table of Keras's names in `docs/keras.md` has all of them, and says of each what is so.
//!
//! `names.json` has the public classes and functions of Keras's modules, and the attributes of its
//! `Model`, as Python's `dir` lists them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use brolga_nn::NnError;
use brolga_nn::activations::ActivationFunction;
use brolga_nn::constraints::Constraint;
use brolga_nn::initializers::Initializer;
use brolga_nn::layers::Layer;
use brolga_nn::losses::Loss;
use brolga_nn::metrics::Metric;
use brolga_nn::optimizers::Optimizer;
use brolga_nn::optimizers::schedules::Schedule;
use brolga_nn::registry::{Family, by_name, snake_case};
use brolga_nn::regularizers::Regularizer;
use serde_json::Value;

/// What the page says of a name.
struct Row {
    status: String,
    /// The last column.
    here: String,
}

/// The rows of the page's tables, by module and name.
fn page() -> BTreeMap<String, BTreeMap<String, Row>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/keras.md");
    let text = fs::read_to_string(path).expect("the page is there");
    let mut modules: BTreeMap<String, BTreeMap<String, Row>> = BTreeMap::new();
    let mut module = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            module = title.to_owned();
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [names, status, here] = cells[..] else { continue };
        for name in names.split('`').skip(1).step_by(2) {
            let row = Row { status: status.to_owned(), here: here.to_owned() };
            let old = modules.entry(module.clone()).or_default().insert(name.to_owned(), row);
            assert!(old.is_none(), "{module}.{name} stands there twice");
        }
    }
    modules
}

/// Keras's names by module.
fn keras() -> BTreeMap<String, BTreeSet<String>> {
    let names: Value = serde_json::from_str(include_str!("names.json")).expect("it is JSON");
    serde_json::from_value(names["modules"].clone()).expect("a list of names for each module")
}

#[test]
fn each_name_of_keras_has_a_row() {
    let (page, keras) = (page(), keras());
    assert_eq!(page.keys().collect::<Vec<_>>(), keras.keys().collect::<Vec<_>>());
    for (module, names) in &keras {
        let rows: BTreeSet<String> = page[module].keys().cloned().collect();
        let missing: Vec<_> = names.difference(&rows).collect();
        let unknown: Vec<_> = rows.difference(names).collect();
        assert!(missing.is_empty(), "{module}: no row for {missing:?}");
        assert!(unknown.is_empty(), "{module}: rows for {unknown:?}, which Keras does not have");
        for (name, row) in &page[module] {
            let known = ["there", "not yet", "never"].contains(&&*row.status);
            assert!(known, "{module}.{name}: there is no status `{}`", row.status);
        }
    }
}

/// Names that are there without being classes of the family that a config can name: the family
/// itself, its functions, what is a closure, and what takes texts.
const OF_FAMILIES: [&str; 22] = [
    "Constraint",
    "Initializer",
    "Layer",
    "LearningRateSchedule",
    "Loss",
    "Metric",
    "Optimizer",
    "Regularizer",
    "deserialize",
    "get",
    "serialize",
    "GRUCell",
    "InputLayer",
    "LSTMCell",
    "SimpleRNNCell",
    "StackedRNNCells",
    "Input",
    "Lambda",
    "MeanMetricWrapper",
    "Hashing",
    "StringLookup",
    "TextVectorization",
];

/// Checks the rows of modules against the classes of a family.
fn check<T: Family + ?Sized>(page: &BTreeMap<String, BTreeMap<String, Row>>, modules: &[&str]) {
    let rows = || modules.iter().flat_map(|module| &page[*module]);
    for (name, row) in rows().filter(|(name, _)| !OF_FAMILIES.contains(&&***name)) {
        let found = !matches!(by_name::<T>(name), Err(NnError::UnknownName { .. }));
        // A function in a module of classes has the name of its class.
        let there = row.status == "there";
        assert!(found == there, "{modules:?}: {name}: {}, found: {found}", row.status);
    }
    for class in T::classes() {
        let names = [class.name.to_owned(), snake_case(class.name), class.name.to_lowercase()];
        let row = rows().find(|(name, _)| names.contains(name));
        assert!(
            row.is_some_and(|(_, row)| row.status == "there"),
            "{modules:?}: no row for {}",
            class.name
        );
    }
}

#[test]
fn classes_are_there_as_the_page_says() {
    let page = page();
    check::<dyn ActivationFunction>(&page, &["keras.activations"]);
    check::<dyn Constraint>(&page, &["keras.constraints"]);
    check::<dyn Initializer>(&page, &["keras.initializers"]);
    check::<dyn Layer>(&page, &["keras.layers", "keras_hub.layers"]);
    check::<dyn Loss>(&page, &["keras.losses"]);
    check::<dyn Metric>(&page, &["keras.metrics"]);
    check::<dyn Optimizer>(&page, &["keras.optimizers"]);
    check::<dyn Regularizer>(&page, &["keras.regularizers"]);
    check::<dyn Schedule>(&page, &["keras.optimizers.schedules"]);
}

/// The source below a directory of this workspace.
fn source(folder: &str) -> String {
    fn collect(folder: &Path, text: &mut String) {
        let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                collect(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(&path).expect("the directory lists it"));
            }
        }
    }
    let mut text = String::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut text);
    text
}

/// The names that are declared behind one of these words.
fn declared(source: &str, words: &[&str]) -> BTreeSet<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    words.iter().flat_map(|word| source.split(word).skip(1).map(name)).collect()
}

/// The forms in which a name of Keras may be declared: itself, in snake case, `resnet50_v2`.
fn forms(name: &str) -> [String; 3] {
    let own = name.rsplit([':', '.']).next().unwrap_or(name);
    let lower = own.to_lowercase().replace("v2", "_v2").replace("netb", "net_b");
    [own.to_owned(), snake_case(own), lower]
}

/// Rows of callbacks, applications, methods and utilities are checked by their declarations, under
/// Keras's name or one of the last column.
#[test]
fn functions_and_methods_are_there_as_the_page_says() {
    let page = page();
    for (module, folders) in [
        ("keras.Model", &["src"][..]),
        ("keras.applications", &["src/applications"]),
        ("keras.callbacks", &["src"]),
        ("keras.utils", &["src", "../brolga-data/src"]),
    ] {
        let source: String = folders.iter().map(|folder| source(folder)).collect();
        let all = declared(&source, &["fn ", "struct ", "trait ", "enum "]);
        let public = declared(&source, &["pub fn ", "pub struct "]);
        for (name, row) in &page[module] {
            let is_in = |known: &BTreeSet<String>, name: &str| {
                forms(name).iter().any(|form| known.contains(form))
            };
            let mut named = row.here.split('`').skip(1).step_by(2);
            let here = is_in(&all, name) || named.any(|name| is_in(&all, name));
            match &*row.status {
                "there" => assert!(here, "{module}.{name} is not there"),
                "not yet" => assert!(!is_in(&public, name), "{module}.{name} is there"),
                _ => {}
            }
        }
    }
}
