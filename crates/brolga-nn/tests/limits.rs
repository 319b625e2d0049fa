//! Models of any size under a limited address space: they train, or they are an error that tells
//! what needs how much. The process never ends.

use std::process::Command;

use brolga_nn::prelude::*;
use ndarray::{Array1, Array2, array};

/// 768 MiB, of which the process itself takes some 150 MiB with its threads.
const KIB: usize = 768 << 10;

/// Tells a process that it is the limited one.
const VARIABLE: &str = "BROLGA_TEST_LIMITED";

/// Runs one of the tests below in a process of its own under the limit; there it does the work.
fn limited(test: &str, work: impl Fn()) {
    if std::env::var_os(VARIABLE).is_some() {
        return work();
    }
    let script = format!("ulimit -v {KIB}; exec \"$0\" \"$@\"");
    let own = std::env::current_exe().expect("a test is a file");
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(own)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(VARIABLE, "1")
        .output()
        .expect("a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{}\n{out}\n{error}",
        output.status
    );
}

fn dense(units: usize) -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([4000]));
    model.add(Dense::new(units));
    model
}

/// One step of training: whether it was done, or what the error says.
fn step(units: usize) -> Result<(), String> {
    let compile = Compile::new().optimizer("adam").loss("mse").threads(2);
    let mut model = dense(units);
    model.compile(compile).map_err(|error| format!("compile: {error}"))?;
    let (x, y) = (Array2::<f32>::ones((1, 4000)), Array2::<f32>::zeros((1, units)));
    let fit = Fit::new().verbose(false);
    model.fit(&x, &y, fit).map(|_| ()).map_err(|error| format!("fit: {error}"))
}

#[test]
fn models_train_or_are_errors() {
    limited("models_train_or_are_errors", || {
        let sizes = [10, 1000, 2500, 4000, 6000, 8000, 12_000, 16_000, 30_000, 1 << 24];
        let results = sizes.map(step);
        assert_eq!(results[0], Ok(()));
        assert_eq!(results[1], Ok(()), "four times 16 MB");
        let refused: Vec<&String> = results.iter().filter_map(|r| r.as_ref().err()).collect();
        assert!(refused.len() >= 4, "{refused:?}");
        for error in refused {
            assert!(error.contains("the limit of the address space grants"), "{error}");
            assert!(
                error.contains("\n  help: a smaller batch and layers with fewer units"),
                "{error}"
            );
            assert!(error.contains("dense  forward"), "{error}");
        }
    });
}

#[test]
fn weights_of_any_size_are_given_or_are_errors() {
    limited("weights_of_any_size_are_given_or_are_errors", || {
        for units in [1000, 10_000, 20_000, 30_000, 40_000, 1 << 24] {
            let weights = dense(units).get_weights();
            assert!(weights.is_ok() || units > 1000);
            assert!(weights.is_err() || units < 1 << 24);
        }
        let mut model = dense(5000);
        assert!(model.session().expect("a built model").snapshot().is_ok());
        let mut largest = dense(30_000);
        assert!(largest.session().expect("a built model").snapshot().is_err());
    });
}

#[test]
fn data_of_any_size_are_read_or_are_errors() {
    limited("data_of_any_size_are_read_or_are_errors", || {
        let mut model = Sequential::new();
        model.add(Input::new([1]));
        model.add(Dense::new(100));
        let one = array![[0.5_f32]];
        for samples in [1000, 1 << 22, 1 << 28, 1 << 40] {
            let many = one.broadcast((samples, 1)).expect("one sample repeated");
            let predict = Predict::new().verbose(false).batch_size(1 << 16);
            let result = model.predict_with(&many, predict);
            assert!(result.is_ok() || samples > 1000);
            assert!(result.is_err() || samples < 1 << 22, "1.6 GB of output");
        }
        model.compile(Compile::new().loss("mse")).expect("a small model");
        let labels = array![1_u64];
        let labels = labels.broadcast(1 << 40).expect("one label repeated");
        let x = one.broadcast((1 << 40, 1)).expect("one sample repeated");
        assert!(model.fit(&x, &labels, Fit::new()).is_err());
        assert!(model.fit(&one, &Array1::<f32>::zeros(1), Fit::new().verbose(false)).is_err());
    });
}

#[test]
fn a_model_that_no_machine_holds() {
    let mut model = Sequential::new();
    model.add(Input::new([2_000_000]));
    model.add(Dense::new(1_000_000).name("wide"));
    model.add(Dense::new(10));
    let shown = |error: NnError| {
        let text = error.to_string();
        let (first, rest) = text.split_once('\n').expect("a report");
        let (need, granted) = first.split_once(", ").expect("two parts");
        let (_, amount) = granted.split_once(" grants ").expect("who grants");
        assert!(amount.ends_with("iB"), "{amount}");
        format!("{need}, the machine grants ..\n{rest}")
    };
    let built = shown(model.build(&[2_000_000]).expect_err("8 TB of weights"));
    insta::assert_snapshot!(built, @r"
    weights and optimizer need 7.3 TiB of memory, the machine grants ..

    program   memory
    states   7.3 TiB
    total    7.3 TiB

    layer  role       states
    wide   forward   7.3 TiB
    dense  forward  38.1 MiB

      help: a smaller batch and layers with fewer units need less
    ");
    let compile = Compile::new().optimizer("adam").loss("mse");
    let compiled = shown(model.compile(compile.clone()).expect_err("24 TB"));
    insta::assert_snapshot!(compiled, @r"
    weights and optimizer need 21.8 TiB of memory, the machine grants ..

    program    memory
    states   21.8 TiB
    total    21.8 TiB

    layer  role       states
    wide   forward   7.3 TiB
    dense  forward  38.1 MiB
    wide   update   14.6 TiB
    dense  update   76.3 MiB

      help: a smaller batch and layers with fewer units need less
    ");
    // It can be looked at.
    assert_eq!(model.count_params().ok(), Some(2_000_001_000_000 + 10_000_010));
    assert!(model.summarize().is_ok());
    assert!(
        model.get_weights().is_err() && model.session().expect("a built model").snapshot().is_err()
    );
}
