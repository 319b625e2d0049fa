//! Files by Keras 3.15 and 2.15: what they predict, how training goes on, and what is written again.

use std::error::Error;
use std::path::{Path, PathBuf};

use brolga_files::{
    AnyModel, FilesError, Load, LoadWeights, SaveModel, Taken, Tensors, load_model, load_weights,
    save_weights,
};
use brolga_ir::Data;
use brolga_nn::prelude::*;
use ndarray::{ArrayD, IxDyn};

type Outcome = Result<(), Box<dyn Error>>;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/files/keras").join(name)
}

/// An array of what Keras computed.
enum Expected {
    Floats(ArrayD<f32>),
    Integers(ArrayD<i32>),
}

fn read(tensors: &Tensors, name: &str) -> Result<Expected, Box<dyn Error>> {
    let tensor = tensors.read(name)?.to_tensor()?;
    let shape = IxDyn(tensor.shape());
    Ok(match tensor.into_data() {
        Data::F32(values) => Expected::Floats(ArrayD::from_shape_vec(shape, values)?),
        Data::I32(values) => Expected::Integers(ArrayD::from_shape_vec(shape, values)?),
        other => return Err(format!("{name}: {}", other.dtype().name()).into()),
    })
}

fn floats(tensors: &Tensors, name: &str) -> Result<ArrayD<f32>, Box<dyn Error>> {
    match read(tensors, name)? {
        Expected::Floats(array) => Ok(array),
        Expected::Integers(_) => Err(format!("{name} has integers").into()),
    }
}

fn close(what: &str, given: &ArrayD<f32>, expected: &ArrayD<f32>, tolerance: f32) -> Outcome {
    assert_eq!(given.shape(), expected.shape(), "{what}");
    for (given, expected) in given.iter().zip(expected) {
        let bound = tolerance * (1.0 + expected.abs());
        assert!((given - expected).abs() <= bound, "{what}: {given}, Keras has {expected}");
    }
    Ok(())
}

/// Predicts what Keras predicts.
fn predicts(model: &mut AnyModel, name: &str) -> Outcome {
    let expected = Tensors::open(file(&format!("{name}.npz")))?;
    let given = match (read(&expected, "x0")?, read(&expected, "x1").ok()) {
        (Expected::Floats(x), None) => model.predict_all(&x)?,
        (Expected::Integers(x), None) => model.predict_all(&x)?,
        (Expected::Integers(a), Some(Expected::Floats(b))) => {
            model.predict_all(brolga_nn::arrays![&a, &b])?
        }
        _ => return Err("inputs that no test has".into()),
    };
    for (number, given) in given.iter().enumerate() {
        close(
            &format!("{name}, output {number}"),
            given,
            &floats(&expected, &format!("y{number}"))?,
            1e-5,
        )?;
    }
    Ok(())
}

/// Makes the step of training that Keras makes.
fn goes_on(model: &mut AnyModel, name: &str) -> Outcome {
    let expected = Tensors::open(file(&format!("{name}.npz")))?;
    let x = floats(&expected, "tx0")?;
    match (read(&expected, "ty0")?, read(&expected, "ty1").ok()) {
        (Expected::Floats(y), None) => drop(model.train_on_batch(&x, &y)?),
        (Expected::Integers(y), None) => drop(model.train_on_batch(&x, &y)?),
        (Expected::Floats(a), Some(Expected::Floats(b))) => {
            drop(model.train_on_batch(&x, [&a, &b])?);
        }
        _ => return Err("labels that no test has".into()),
    }
    let paths: Vec<String> =
        model.session()?.weights().map(brolga_nn::model::Weight::path).collect();
    let mut after = vec![];
    for number in 0..paths.len() {
        after.push(floats(&expected, &format!("after/{number}"))?);
    }
    for ((path, given), expected) in paths.iter().zip(model.get_weights()?).zip(&after) {
        close(&format!("{name}: {path} after a step"), &given, expected, 1e-4)?;
    }
    Ok(())
}

const COMPILED: [&str; 11] = [
    "mlp",
    "outputs",
    "images",
    "old_sequential",
    "old_functional",
    "optimizer_adam",
    "optimizer_adafactor",
    "optimizer_nadam",
    "optimizer_sgd",
    "optimizer_ftrl",
    "optimizer_adadelta",
];

#[test]
fn models_of_keras_predict_the_same() -> Outcome {
    for name in COMPILED.iter().chain(&["layers"]) {
        predicts(&mut load_model(file(&format!("{name}.keras")))?, name)?;
    }
    for name in ["mlp", "old_sequential", "old_functional"] {
        predicts(&mut load_model(file(&format!("{name}.h5")))?, name)?;
    }
    Ok(())
}

#[test]
fn training_goes_on_where_keras_stood() -> Outcome {
    for name in COMPILED {
        let mut model = load_model(file(&format!("{name}.keras")))?;
        goes_on(&mut model, name).map_err(|error| format!("{name}: {error}"))?;
    }
    for name in ["mlp", "old_sequential", "old_functional"] {
        let mut model = load_model(file(&format!("{name}.h5")))?;
        goes_on(&mut model, name).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

#[test]
fn what_is_written_is_read_with_the_same_bits() -> Outcome {
    let folder = tempfile::tempdir()?;
    for name in COMPILED.iter().chain(&["layers"]) {
        let mut model = load_model(file(&format!("{name}.keras")))?;
        for ending in ["keras", "h5"] {
            let path = folder.path().join(format!("{name}.{ending}"));
            model.save(&path)?;
            let first = std::fs::read(&path)?;
            let mut again = load_model(&path).map_err(|error| format!("{name}: {error}"))?;
            assert_eq!(again.get_weights()?, model.get_weights()?, "{name}");
            again.save(&path)?;
            assert!(std::fs::read(&path)? == first, "{name}.{ending}: other bytes");
            predicts(&mut again, name)?;
            if *name != "layers" {
                goes_on(&mut again, name)?;
            }
        }
    }
    Ok(())
}

/// The model `mlp` without values.
fn mlp(units: usize, names: [&str; 3]) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(5).activation("relu").name(names[0]));
    model.add(BatchNormalization::new().name(names[1]));
    model.add(Dense::new(units).activation("softmax").name(names[2]));
    Ok(model)
}

#[test]
fn weights_are_read_from_files_of_every_kind() -> Outcome {
    let expected = load_model(file("mlp.keras"))?.get_weights()?;
    for name in ["mlp.keras", "mlp.h5", "mlp.weights.h5", "mlp.weights.json"] {
        let mut model = mlp(3, ["a", "b", "c"])?;
        let Taken { taken, kept } = load_weights(&mut model, file(name), LoadWeights::new())?;
        assert_eq!((taken.len(), kept.len()), (8, 0), "{name}");
        assert_eq!(model.get_weights()?, expected, "{name}");
    }
    let mut old = Sequential::new();
    old.add(Input::new([4]));
    old.add(Dense::new(5).activation("relu"));
    old.add(BatchNormalization::new());
    old.add(LeakyReLU::new().negative_slope(0.2));
    old.add(Dense::new(2).activation("softmax"));
    load_weights(&mut old, file("old_sequential_weights.h5"), LoadWeights::new())?;
    assert_eq!(old.get_weights()?, load_model(file("old_sequential.keras"))?.get_weights()?);

    let folder = tempfile::tempdir()?;
    let mut model = load_model(file("mlp.keras"))?;
    for ending in ["weights.h5", "safetensors", "npz"] {
        let path = folder.path().join(format!("own.{ending}"));
        save_weights(&mut model, &path)?;
        let mut again = mlp(3, ["dense", "batch_normalization", "dense_1"])?;
        load_weights(&mut again, &path, LoadWeights::new())?;
        assert_eq!(again.get_weights()?, expected, "{ending}");
    }
    Ok(())
}

/// The message, without the folder.
fn message<T>(result: Result<T, FilesError>) -> String {
    let message = result.err().map_or_else(|| "no error".to_owned(), |error| error.to_string());
    let folder = file("").display().to_string();
    message.replace(&folder, "")
}

#[test]
fn what_does_not_fit_is_a_table() -> Outcome {
    let how = LoadWeights::new;
    let names = ["dense", "batch_normalization", "dense_1"];
    insta::assert_snapshot!(message(load_weights(&mut mlp(2, names)?, file("mlp.weights.h5"), how())), @"
    mlp.weights.h5: 2 weights of the model do not fit
      in the file            is            weight of the model           nearest match
      layers/dense_1/vars/0  float32[5,3]  dense_1/kernel: float32[5,2]  -
      layers/dense_1/vars/1  float32[3]    dense_1/bias: float32[2]      -
      help: load a file of the same layers, or what fits: by_name, skip_mismatch
    ");
    insta::assert_snapshot!(message(load_weights(&mut mlp(2, names)?, file("mlp.h5"), how())), @"
    mlp.h5: 2 weights of the model do not fit
      in the file                               is            weight of the model           nearest match
      model_weights/dense_1/mlp/dense_1/kernel  float32[5,3]  dense_1/kernel: float32[5,2]  -
      model_weights/dense_1/mlp/dense_1/bias    float32[3]    dense_1/bias: float32[2]      -
      help: load a file of the same layers, or what fits: by_name, skip_mismatch
    ");
    let mut other = Sequential::new();
    other.add(Input::new([4]));
    other.add(Dense::new(5).name("first"));
    insta::assert_snapshot!(message(load_weights(&mut other, file("mlp.weights.h5"), how())), @"
    mlp.weights.h5: 0 weights of the model do not fit, 6 tensors of the file belong to no weight
      in the file                        is            weight of the model  nearest match
      layers/batch_normalization/vars/0  float32[5]    -                    -
      layers/batch_normalization/vars/1  float32[5]    -                    -
      layers/batch_normalization/vars/2  float32[5]    -                    -
      layers/batch_normalization/vars/3  float32[5]    -                    -
      layers/dense_1/vars/0              float32[5,3]  -                    -
      layers/dense_1/vars/1              float32[3]    -                    -
      help: load a file of the same layers, or what fits: by_name, skip_mismatch
    ");
    insta::assert_snapshot!(message(load_weights(&mut other, file("mlp.h5"), how())), @"
    mlp.h5: 0 weights of the model do not fit, 6 tensors of the file belong to no weight
      in the file                                                                is            weight of the model  nearest match
      model_weights/batch_normalization/mlp/batch_normalization/gamma            float32[5]    -                    -
      model_weights/batch_normalization/mlp/batch_normalization/beta             float32[5]    -                    -
      model_weights/batch_normalization/mlp/batch_normalization/moving_mean      float32[5]    -                    -
      model_weights/batch_normalization/mlp/batch_normalization/moving_variance  float32[5]    -                    -
      model_weights/dense_1/mlp/dense_1/kernel                                   float32[5,3]  -                    -
      model_weights/dense_1/mlp/dense_1/bias                                     float32[3]    -                    -
      help: load a file of the same layers, or what fits: by_name, skip_mismatch
    ");
    Ok(())
}

#[test]
fn what_fits_is_taken_by_name() -> Outcome {
    let names = ["dense", "batch_normalization", "head"];
    for name in ["mlp.h5", "mlp.weights.h5"] {
        let mut model = mlp(2, names)?;
        let before = model.get_weights()?;
        let how = LoadWeights::new().by_name(true).skip_mismatch(true);
        let Taken { taken, kept } = load_weights(&mut model, file(name), how)?;
        assert_eq!(
            (taken.len(), kept),
            (6, vec!["head/kernel".into(), "head/bias".into()]),
            "{name}"
        );
        let (after, of_keras) =
            (model.get_weights()?, load_model(file("mlp.keras"))?.get_weights()?);
        assert_eq!((&after[..6], &after[6..]), (&of_keras[..6], &before[6..]), "{name}");

        let mut same = mlp(2, ["dense", "batch_normalization", "dense_1"])?;
        let how = LoadWeights::new().skip_mismatch(true);
        let Taken { kept, .. } = load_weights(&mut same, file(name), how)?;
        assert_eq!(kept, ["dense_1/kernel", "dense_1/bias"], "{name}");
    }
    Ok(())
}

#[test]
fn a_model_of_a_file_is_compiled_or_not() -> Outcome {
    assert!(load_model(file("mlp.keras"))?.compiled().is_some());
    assert!(Load::new().compile(false).open(file("mlp.keras"))?.compiled().is_none());
    assert!(load_model(file("layers.keras"))?.compiled().is_none());
    let outputs = load_model(file("outputs.keras"))?;
    let compiled = outputs.compiled().ok_or("a compiled model")?;
    let losses: Vec<_> = compiled
        .losses
        .iter()
        .map(|(output, loss)| (output.as_deref(), loss.class_name()))
        .collect();
    assert_eq!(losses, [(Some("a"), "BinaryCrossentropy"), (Some("b"), "MeanAbsoluteError")]);
    let metrics: Vec<_> = compiled
        .metrics
        .iter()
        .map(|metric| (metric.output.as_deref(), metric.name.as_str()))
        .collect();
    assert_eq!(metrics, [(Some("a"), "accuracy"), (Some("b"), "squared")]);
    Ok(())
}

#[test]
fn frozen_layers_stay_frozen() -> Outcome {
    let mut model = load_model(file("layers.keras"))?;
    let session = model.session()?;
    let mut frozen = session.weights().filter(|weight| weight.layer == "frozen");
    assert!(frozen.all(|weight| !weight.trainable));
    assert!(session.weights().any(|weight| weight.trainable));
    Ok(())
}
