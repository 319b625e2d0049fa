//! Every reference case that Keras computed and whose parts exist here; `tests/golden/README.md` tells their layout.
//!
//! `BROLGA_GOLDEN` names another directory. A case whose class does not exist yet waits; one whose class exists must pass: within 2e-5 of
//! the tensor's largest value, after several training steps within 1e-4.

mod case;
mod kinds;

use std::collections::BTreeMap;
use std::path::PathBuf;

use brolga_nn::NnError;
use case::Case;

/// What one case came to.
enum Outcome {
    Passed,
    Waits(String),
    Failed(String),
}

fn run(case: &Case) -> Outcome {
    let result = match case.kind.as_str() {
        "layer" => kinds::layer(case),
        "activation" => kinds::activation(case),
        "loss" => kinds::loss(case),
        "metric" => kinds::metric(case),
        "optimizer" => kinds::optimizer(case),
        "model" => kinds::model(case),
        other => return Outcome::Waits(format!("cases of the kind {other}")),
    };
    match result {
        Ok(()) => Outcome::Passed,
        Err(error) => match error.downcast_ref::<NnError>() {
            Some(NnError::UnknownName { message, .. }) => Outcome::Waits(message.clone()),
            Some(NnError::Config { class, message })
                if message.contains("there is no") || message.contains("is not supported") =>
            {
                Outcome::Waits(format!("{class}: {}", message.lines().next().unwrap_or_default()))
            }
            _ => Outcome::Failed(error.to_string()),
        },
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "how many cases ran is what the test is asked to show")]
fn keras_agrees() {
    let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden"));
    let folder = std::env::var_os("BROLGA_GOLDEN").map_or(default, PathBuf::from);
    let cases = case::all(&folder);
    assert!(!cases.is_empty(), "no case in {}", folder.display());
    let (mut passed, mut failed) = (0, vec![]);
    let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
    for case in &cases {
        match run(case) {
            Outcome::Passed => passed += 1,
            Outcome::Waits(reason) => *waiting.entry(reason).or_default() += 1,
            Outcome::Failed(message) => failed.push(format!("{}: {message}", case.name)),
        }
    }
    let waits: usize = waiting.values().sum();
    println!("{passed} cases ran, {waits} wait:");
    waiting.iter().for_each(|(reason, count)| println!("{count:4}  {reason}"));
    assert!(
        failed.is_empty(),
        "{} of {} cases failed:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
    assert!(passed > 0, "no case ran");
}
