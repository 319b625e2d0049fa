//! The backend tests of the package `onnx`: models of one node each, with inputs and outputs.
//!
//! They are looked for in the folder that `BROLGA_ONNX_BACKEND` names; `docs/onnx.md` has the command
//! that fills one. Without it there is nothing to test.

mod case;
mod compare;
mod damaged;
mod gradient;
mod native;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;

use case::{Case, Outcome, Stage};

/// The folders of all cases in these folders, by name.
fn cases(kinds: &[&str]) -> Option<Vec<PathBuf>> {
    let folder = PathBuf::from(std::env::var_os("BROLGA_ONNX_BACKEND")?);
    let mut found = Vec::new();
    for kind in kinds {
        let Ok(entries) = fs::read_dir(folder.join(kind)) else { continue };
        found.extend(entries.flatten().map(|entry| entry.path()));
    }
    let only = std::env::var("BROLGA_ONNX_ONLY").unwrap_or_default();
    let chosen = |path: &PathBuf| path.to_string_lossy().contains(&only);
    found.retain(|path| path.join("model.onnx").is_file() && chosen(path));
    found.sort();
    Some(found)
}

/// The outcomes of all cases, in their order.
fn outcomes(cases: &[PathBuf]) -> Vec<(String, Outcome)> {
    let run = |path: &PathBuf| {
        let case = Case::at(path);
        let outcome = case.run();
        (case.name, outcome)
    };
    let half = cases.len().div_ceil(2).max(1);
    thread::scope(|scope| {
        let workers: Vec<_> = cases
            .chunks(half)
            .map(|part| scope.spawn(move || part.iter().map(run).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no case panics")).collect()
    })
}

#[test]
fn cases_of_the_package_onnx() {
    let Some(cases) = cases(&["node", "simple", "pytorch-converted", "pytorch-operator"]) else {
        return;
    };
    let outcomes = outcomes(&cases);
    let failed = report(&outcomes);
    if std::env::var_os("BROLGA_ONNX_ONLY").is_none() {
        table::check(&outcomes);
    }
    assert_eq!(failed, 0, "cases fail");
}

#[test]
#[ignore = "minutes: convolutional networks of the usual sizes on the interpreter"]
fn light_models() {
    let Some(cases) = cases(&["light"]) else { return };
    assert_eq!(report(&outcomes(&cases)), 0, "models fail");
}

#[test]
#[ignore = "a minute: thousands of damaged files"]
fn damaged_models_are_errors() {
    let Some(cases) = cases(&["node", "simple"]) else { return };
    let panics = damaged::panics(&cases);
    assert!(panics.is_empty(), "{} panics:\n{}", panics.len(), panics.join("\n"));
}

/// Prints what became of the cases; how many failed, or have another gradient than differences.
fn report(outcomes: &[(String, Outcome)]) -> usize {
    let (mut failed, mut gradients) = (Vec::new(), Vec::new());
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    let mut passed: BTreeMap<Stage, usize> = BTreeMap::new();
    for (name, outcome) in outcomes {
        match outcome {
            Outcome::Passed(stage, gradient) => {
                *passed.entry(*stage).or_default() += 1;
                gradients.extend(gradient.iter().map(|text| format!("{name}: {text}")));
            }
            Outcome::LeftOut(reason) => *left_out.entry(reason.clone()).or_default() += 1,
            Outcome::Failed(reason) => failed.push(format!("{name}: {reason}")),
        }
    }
    eprintln!("{} cases, passed {passed:?}", outcomes.len());
    eprintln!("left out {}:", left_out.values().sum::<usize>());
    left_out.iter().for_each(|(reason, count)| eprintln!("  {count:4} {reason}"));
    eprintln!("failed {}:\n{}", failed.len(), failed.join("\n"));
    eprintln!("gradients {}:\n{}", gradients.len(), gradients.join("\n"));
    failed.len() + gradients.len()
}
