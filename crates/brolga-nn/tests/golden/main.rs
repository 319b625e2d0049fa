//! Every reference case that Keras computed and whose parts exist here; `tests/golden/README.md`
//! tells their layout.
//!
//! `BROLGA_GOLDEN` names another directory. A case waits if a class or an option of it does not
//! exist yet, or if it says more than is compared; every other one must pass: within 2e-5 of the
//! tensor's largest value, after several training steps within 1e-4. A snapshot lists the cases
//! that run, so that none of them falls silent.

mod case;
mod kinds;
mod missing;

use std::collections::BTreeMap;
use std::path::PathBuf;

use brolga_nn::NnError;
use case::Case;

/// The outcome of one case.
enum Outcome {
    Passed,
    Waits(String),
    Failed(String),
}

fn run(case: &Case) -> Outcome {
    if let Some(missing) = missing::missing(case) {
        return Outcome::Waits(missing);
    }
    let result = match case.kind.as_str() {
        "layer" => kinds::layer(case),
        "activation" => kinds::activation(case),
        "loss" => kinds::loss(case),
        "metric" => kinds::metric(case),
        "optimizer" => kinds::optimizer(case),
        "schedule" => kinds::schedule(case),
        _ => kinds::model(case),
    };
    match (result, case.unread()) {
        (Ok(()), None) => Outcome::Passed,
        (Ok(()), Some(tensor)) => Outcome::Waits(format!("tensor {tensor} is not compared")),
        (Err(error), _) => match error.downcast_ref::<NnError>() {
            Some(NnError::Unsupported { class, key, .. }) => {
                Outcome::Waits(format!("option {class}.{key}"))
            }
            _ => Outcome::Failed(error.to_string()),
        },
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "how many cases ran is what the test is asked to show")]
fn keras_agrees() {
    let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden"));
    let given = std::env::var_os("BROLGA_GOLDEN").filter(|folder| !folder.is_empty());
    let folder = given.as_ref().map_or(default, PathBuf::from);
    let cases = case::all(&folder);
    assert!(!cases.is_empty(), "no case in {}", folder.display());
    let (mut passed, mut failed) = (vec![], vec![]);
    let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
    for case in &cases {
        match run(case) {
            Outcome::Passed => passed.push(case.name.as_str()),
            Outcome::Waits(reason) => *waiting.entry(reason).or_default() += 1,
            Outcome::Failed(message) => failed.push(format!("{}: {message}", case.name)),
        }
    }
    let waits: usize = waiting.values().sum();
    println!("{} cases ran, {waits} wait:", passed.len());
    waiting.iter().for_each(|(reason, count)| println!("{count:4}  {reason}"));
    assert!(
        failed.is_empty(),
        "{} of {} cases failed:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
    assert!(!passed.is_empty(), "no case ran");
    if given.is_none() {
        insta::assert_snapshot!("ran", passed.join("\n"));
    }
}
