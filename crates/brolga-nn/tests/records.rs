//! Models write records of what they compile.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::path::Path;
use std::process::Command;

use brolga_nn::layers::{Dense, Input};
use brolga_nn::{Compile, Fit, Kind, NnError, Sequential};
use brolga_record::{Record, VARIABLE};
use ndarray::Array2;

fn trained(compile: Compile) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(2).activation("relu"));
    model.compile(compile.optimizer("sgd").loss("mse"))?;
    let (x, y) = (Array2::<f32>::ones((6, 3)), Array2::<f32>::zeros((6, 2)));
    model.fit(&x, &y, Fit::new().epochs(1).batch_size(4).verbose(false))?;
    Ok(model)
}

/// The programs of the training above: batches of 4, and the last one of 2.
fn check(path: &Path) {
    let record = Record::read(path).unwrap();
    let programs: Vec<_> = record.programs.iter().map(|p| (p.name.as_str(), p.batch)).collect();
    assert_eq!(programs, [("train_step", Some(4)), ("train_step", Some(2))]);
    for program in &record.programs {
        let stages: Vec<&str> = program.stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(stages, ["traced", "grad", "optimized"]);
        assert!(!program.kernels.is_empty() && !program.rewrites.is_empty());
        assert!(program.functions.iter().all(|function| !function.code.is_empty()));
        assert!(program.plan.is_some() && program.compile_ns.is_some());
        // Nodes of the trace are the same in the gradient's graph.
        let [traced, grad] = ["traced", "grad"].map(|name| program.graph(name).unwrap().unwrap());
        let product = |graph: &brolga_ir::Graph| {
            let mut ids = graph.ids();
            let id = ids.find(|&id| graph.node(id).op.name() == "matmul").unwrap();
            let location = graph.node(id).origin.location.clone().unwrap();
            (graph.uid(id), location.line)
        };
        assert_eq!(product(&traced), product(&grad));
    }
}

#[test]
fn a_model_that_is_asked_writes_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.brolga");
    let mut model = trained(Compile::new().record(&path)).unwrap();
    check(&path);
    // It computes what it computes without a record.
    let weights = trained(Compile::new()).unwrap().get_weights().unwrap();
    assert_eq!(model.get_weights().unwrap(), weights);
}

#[test]
fn a_record_that_cannot_be_written_is_an_error() {
    let error = trained(Compile::new().record("/nowhere/run.brolga")).unwrap_err();
    assert!(error.to_string().starts_with("`/nowhere/run.brolga`: "), "{error}");
}

#[test]
fn one_program_is_recorded_without_running_it() {
    let mut model = brolga_nn::builtin::by_name("tiny").unwrap();
    let program = model.record(Kind::Predict, 5).unwrap();
    assert_eq!((program.name.as_str(), program.batch), ("predict", Some(5)));
    assert!(!program.functions.is_empty());
}

#[test]
fn the_variable_makes_any_program_write_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.brolga");
    let test = "a_training_for_the_variable";
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored"])
        .env(VARIABLE, &path)
        .status();
    assert!(status.unwrap().success());
    check(&path);
}

#[test]
#[ignore = "the test above runs it"]
fn a_training_for_the_variable() {
    trained(Compile::new()).unwrap();
}
