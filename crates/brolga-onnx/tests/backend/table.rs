//! The table of cases in `docs/onnx.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::sync::Mutex;

use crate::case::{Outcome, Stage};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/onnx.md");

/// Tests change the page one after the other.
static WRITING: Mutex<()> = Mutex::new(());

/// Compares the table in the page with these outcomes, or writes it if `INSTA_UPDATE` is `always`.
pub(crate) fn check(outcomes: &[(String, Outcome)]) {
    compare("cases", &table(outcomes));
}

/// Compares a part of the page, between two marks, with what it must be.
fn compare(part: &str, expected: &str) {
    let _writing = WRITING.lock().expect("no test has failed while it wrote");
    let marks = [format!("<!-- {part} -->\n"), format!("<!-- end of {part} -->\n")];
    let page = fs::read_to_string(PAGE).expect("the page is there");
    let (before, rest) = page.split_once(&marks[0]).expect("the page has a place for the part");
    let (given, after) = rest.split_once(&marks[1]).expect("the part has an end");
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        let page = [before, &marks[0], expected, &marks[1], after].concat();
        fs::write(PAGE, page).expect("the page can be written");
    } else {
        assert_eq!(given, expected, "INSTA_UPDATE=always writes it");
    }
}

#[test]
fn the_page_names_all_ops() {
    let mut text = String::from("\n");
    for (domain, names) in brolga_onnx::NAMES {
        let domain = if domain.is_empty() { "ai.onnx" } else { domain };
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "**`{domain}`**: {}.\n", names.join(", "));
    }
    compare("ops", &text);
}

fn table(outcomes: &[(String, Outcome)]) -> String {
    let passed = |stage: Stage| {
        outcomes
            .iter()
            .filter(move |(_, outcome)| matches!(outcome, Outcome::Passed(s, _) if *s == stage))
    };
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, outcome) in outcomes {
        if let Outcome::LeftOut(reason) = outcome {
            *left_out.entry(reason).or_default() += 1;
        }
    }
    let [graph, import] = [Stage::Graph, Stage::Import].map(|stage| passed(stage).count());
    let failed =
        outcomes.iter().filter(move |(_, outcome)| matches!(outcome, Outcome::Failed(_))).count();
    let mut text = String::from("\n| cases | |\n|---|---|\n");
    let mut row = |count: usize, what: &str| {
        let _ = writeln!(text, "| {count} | {what} |");
    };
    row(outcomes.len(), "all");
    row(graph, "passed in the graph: the interpreter is near enough, machine code gives its bits");
    row(
        import,
        "passed with values of some inputs known at import, on which shapes or branches depend",
    );
    row(failed, "failed");
    row(left_out.values().sum(), "left out:");
    for (reason, count) in left_out {
        row(count, reason);
    }
    text.push('\n');
    text
}
