//! The output for users of a model and of its training.

use brolga_nn::prelude::*;
use brolga_runtime::Backend;
use ndarray::{Array1, Array2};

fn model() -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(8).activation("relu"));
    model.add(Dense::new(2).activation("softmax").trainable(false));
    model
}

fn compile() -> Compile {
    let compile = Compile::new().optimizer("adam").loss("sparse_categorical_crossentropy");
    compile.metrics(["accuracy"]).backend(Backend::Interpreter)
}

fn data() -> (Array2<f32>, Array1<u8>) {
    let x = Array2::from_shape_fn((20, 3), |(i, j)| ((i * 7 + j * 5) % 11) as f32 / 11.0);
    (x, Array1::from_shape_fn(20, |i| u8::from(i % 3 == 0)))
}

#[test]
fn a_summary_shows_shapes_and_sizes() -> Result<(), NnError> {
    insta::assert_snapshot!(model().summarize()?, @r#"
    Model: "sequential"
    ┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
    ┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
    ┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
    │ dense (Dense)                   │ (None, 8)              │            32 │
    ├─────────────────────────────────┼────────────────────────┼───────────────┤
    │ dense_1 (Dense)                 │ (None, 2)              │            18 │
    └─────────────────────────────────┴────────────────────────┴───────────────┘
     Total params: 50 (200.00 B)
     Trainable params: 32 (128.00 B)
     Non-trainable params: 18 (72.00 B)
    "#);
    Ok(())
}

#[test]
fn the_optimizer_is_counted_once_it_has_been_used() -> Result<(), NnError> {
    let mut model = model();
    model.compile(compile())?;
    assert_eq!(model.summarize()?.optimizer, None);
    let (x, y) = data();
    model.fit(&x, &y, Fit::new().verbose(0))?;
    insta::assert_snapshot!(model.summarize()?.to_string().lines().skip(8).collect::<Vec<_>>().join("\n"), @"
    Total params: 116 (464.00 B)
    Trainable params: 32 (128.00 B)
    Non-trainable params: 18 (72.00 B)
    Optimizer params: 66 (264.00 B)
    ");
    Ok(())
}

#[test]
fn an_unbuilt_model_shows_its_layers() -> Result<(), NnError> {
    let mut model = Sequential::new();
    model.add(Flatten::new());
    model.add(Dense::new(8));
    model.add(Dense::new(8));
    insta::assert_snapshot!(model.summarize()?, @r#"
    Model: "sequential"
    ┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
    ┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
    ┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
    │ flatten (Flatten)               │ ?                      │   0 (unbuilt) │
    ├─────────────────────────────────┼────────────────────────┼───────────────┤
    │ dense (Dense)                   │ ?                      │   0 (unbuilt) │
    ├─────────────────────────────────┼────────────────────────┼───────────────┤
    │ dense_1 (Dense)                 │ ?                      │   0 (unbuilt) │
    └─────────────────────────────────┴────────────────────────┴───────────────┘
     Total params: 0 (0.00 B)
     Trainable params: 0 (0.00 B)
     Non-trainable params: 0 (0.00 B)
    "#);
    insta::assert_snapshot!(Sequential::new().summary().expect_err("no layers"), @"
    the model has no layers
      help: add some: model.add(Dense::new(10))
    ");
    Ok(())
}

#[test]
fn callbacks_see_a_training() -> Result<(), NnError> {
    let folder = tempfile::tempdir().expect("a folder");
    let (x, y) = data();
    let mut model = model();
    model.compile(compile())?;
    let mut stopping =
        EarlyStopping::new().monitor("val_accuracy").restore_best_weights(true).patience(2);
    let best = folder.path().join("best/{epoch}.safetensors").display().to_string();
    let mut collected = History::default();
    let fit = Fit::new().epochs(9).batch_size(8).validation_split(0.25).verbose(0);
    let fit = fit.callback(&mut stopping).callback(&mut collected);
    let fit = fit.callback(CSVLogger::new(folder.path().join("log.csv")));
    let fit = fit.callback(
        ModelCheckpoint::new(best)
            .save_weights_only(true)
            .save_best_only(true)
            .monitor("val_accuracy"),
    );
    let history = model.fit(&x, &y, fit)?;
    assert_eq!(history, collected);
    let epochs = history.epoch.len();
    assert!(stopping.stopped_epoch().is_none_or(|epoch| epoch + 1 == epochs));

    let csv = std::fs::read_to_string(folder.path().join("log.csv")).expect("the log");
    assert_eq!(csv.lines().next(), Some("epoch,accuracy,loss,val_accuracy,val_loss"));
    assert_eq!(csv.lines().count(), 1 + epochs);

    let weights = model.get_weights()?;
    let file = format!("best/{}.safetensors", stopping.best_epoch() + 1);
    model.load_weights(folder.path().join(file))?;
    assert_eq!(model.get_weights()?, weights);
    Ok(())
}

#[test]
fn what_a_callback_adds_can_be_monitored() -> Result<(), NnError> {
    struct Falling;
    impl Callback for Falling {
        fn reports(&self) -> Vec<String> {
            vec!["falling".to_owned()]
        }

        fn on_epoch_end(
            &mut self,
            epoch: usize,
            logs: &mut Logs,
            _: &mut Training<'_>,
        ) -> Result<(), NnError> {
            logs.set("falling", -(epoch as f64));
            Ok(())
        }
    }
    let (x, y) = data();
    let mut model = model();
    model.compile(compile())?;
    let mut fit = |stopping: EarlyStopping| {
        let fit = Fit::new().epochs(4).verbose(0).callback(Falling).callback(stopping);
        model.fit(&x, &y, fit)
    };
    let stopping = EarlyStopping::new().monitor("falling");
    assert_eq!(fit(stopping.clone().mode("min"))?.epoch.len(), 4);
    assert_eq!(fit(stopping.clone().mode("max"))?.epoch.len(), 2);
    insta::assert_snapshot!(fit(stopping).expect_err("a direction that is not known"), @r#"
    EarlyStopping: it is not known whether `falling` should fall or rise
      help: set mode to "min" or "max"
    "#);
    Ok(())
}

#[test]
fn histories_are_saved_and_drawn() -> Result<(), NnError> {
    let folder = tempfile::tempdir().expect("a folder");
    let (x, y) = data();
    let mut model = model();
    model.compile(compile())?;
    let history = model.fit(&x, &y, Fit::new().epochs(3).validation_split(0.25).verbose(0))?;
    let path = folder.path().join("history.json");
    history.save_json(&path)?;
    let text = std::fs::read_to_string(path).expect("the file");
    let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(read["epoch"], serde_json::json!([0, 1, 2]));
    assert_eq!(read["history"]["val_accuracy"].as_array().map(Vec::len), Some(3));
    history.save_svg(folder.path().join("history.svg"))
}

#[test]
fn batches_of_no_samples_are_an_error() -> Result<(), NnError> {
    let (x, y) = data();
    let mut model = model();
    model.compile(compile())?;
    let error = model.evaluate_with(&x, &y, Evaluate::new().batch_size(0).verbose(0));
    insta::assert_snapshot!(error.expect_err("no samples"), @"
    evaluate: `batch_size` is 0
      help: it must be a whole number from 1 on
    ");
    assert!(model.predict_with(&x, Predict::new().batch_size(0).verbose(0)).is_err());
    Ok(())
}
