use insta::assert_snapshot;
use serde_json::Value;

use crate::{DENSE, stdout_of};

fn fits(text: &str) {
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn the_peak_of_memory_has_a_name() {
    let arguments = ["mem", "mlp", "--batch", "16", "--isa", "128", "--threads", "2"];
    let text = stdout_of(&arguments, "");
    fits(&text);
    assert_snapshot!("mem_mlp", text);
    let document = stdout_of(&[&arguments[..], &["--json"]].concat(), "");
    let document: Value = serde_json::from_str(&document).unwrap();
    let graph = &document["graphs"][0];
    let (values, arena) =
        (graph["report"]["values"].as_array().unwrap(), &graph["report"]["arena"]);
    let end = |value: &Value| value["offset"].as_u64().unwrap() + value["bytes"].as_u64().unwrap();
    assert!(values.iter().all(|value| end(value) <= arena.as_u64().unwrap()));
    fits(&stdout_of(&["mem", "-"], DENSE));
    let nothing = "graph f(%x: f32[2]) {\n  return %x\n}\n";
    fits(&stdout_of(&["mem", "-"], nothing));
}

#[test]
fn memory_has_a_picture() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("memory.svg");
    stdout_of(&["mem", "tiny", "--svg", path.to_str().unwrap()], "");
    let picture = std::fs::read_to_string(&path).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("<title>"), "{picture}");
}

#[test]
fn costs_are_by_kernel_and_by_layer() {
    let arguments = ["cost", "mlp", "--batch", "16", "--no-time", "--isa", "128", "--threads", "1"];
    let text = stdout_of(&arguments, "");
    fits(&text);
    assert_snapshot!("cost_mlp", text);
    let timed = stdout_of(&["cost", "-", "--rounds", "1", "--threads", "1"], DENSE);
    fits(&timed);
    assert!(timed.contains("layer: kernel") && timed.contains("FLOP a byte"), "{timed}");
    let forward = stdout_of(&[&arguments[..], &["--layer", "dense_1", "--json"]].concat(), "");
    let document: Value = serde_json::from_str(&forward).unwrap();
    let layers = document["graphs"][0]["layers"].as_array().unwrap();
    assert!(!layers.is_empty() && layers.iter().all(|layer| layer["seconds"].is_null()));
}

#[test]
fn traces_are_those_of_chrome() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.json");
    let path = path.to_str().unwrap();
    let arguments = ["profile", "tiny", "--steps", "3", "--threads", "1", "--trace", path];
    let text = stdout_of(&arguments, "");
    fits(&text.replace(path, ""));
    assert!(text.starts_with("train_step: 3 steps of "), "{text}");
    let trace: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let complete: Vec<&Value> = events.iter().filter(|event| event["ph"] == "X").collect();
    let steps = complete.iter().filter(|event| event["cat"] == "step").count();
    assert_eq!(steps, 3);
    for event in &complete {
        assert!(event["ts"].as_f64().is_some() && event["dur"].as_f64().is_some(), "{event}");
        assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
    }
    let kernel = complete.iter().find(|event| event["cat"] == "backward").unwrap();
    assert!(kernel["args"]["node"].as_str().unwrap().starts_with('n'), "{kernel}");
}

#[test]
fn machines_are_measured() {
    let text = stdout_of(&["machine", "--threads", "1", "--rounds", "1"], "");
    fits(&text);
    assert!(
        text.contains("\n128 ") && text.contains("\nL1 ") && text.contains("\nmemory "),
        "{text}"
    );
    let document = stdout_of(&["machine", "--threads", "1", "--rounds", "1", "--json"], "");
    let document: Value = serde_json::from_str(&document).unwrap();
    let positive = |level: &Value| level["read_bytes_per_second"].as_f64().unwrap() > 0.0;
    assert!(document["levels"].as_array().unwrap().iter().all(positive));
}
