//! Models as networks of the frontend.

use brolga_ir::interpret;
use brolga_nn::model::Model;
use brolga_nn::prelude::{Apply, Compile, Dense, Fit, Input, NnError, Predict};
use ndarray::{Array1, Array2, ArrayD};

use super::{Written, floats, graph, input, int, ints, model, node, tensor};
use crate::proto::{NodeProto, TensorProto};
use crate::{Bindings, OnnxModel};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A network of two layers under the names that PyTorch gives.
fn written() -> Written {
    let nodes = vec![
        node("MatMul", &["x", "body.fc1.weight"], "a"),
        node("Add", &["a", "body.fc1.bias"], "b"),
        node("Relu", &["b"], "h"),
        node("MatMul", &["h", "head.weight"], "y"),
    ];
    let waves = |count: usize| -> Vec<f32> { (0..count).map(|at| (at as f32).sin()).collect() };
    let weights = vec![
        floats("body.fc1.weight", &[3, 8], &waves(24)),
        floats("body.fc1.bias", &[8], &waves(8)),
        floats("head.weight", &[8, 2], &waves(16)),
    ];
    Written::new(&model(graph(vec![input("x", &["N", "3"])], nodes, weights, "y")))
}

fn mlp() -> OnnxModel {
    written().load().expect("the model is valid")
}

fn samples() -> (Array2<f32>, Array1<u8>) {
    let x = Array2::from_shape_fn((32, 3), |(i, j)| ((i * 3 + j) as f32 * 1.3).cos());
    let y = x.rows().into_iter().map(|row| u8::from(row[0] > row[1])).collect();
    (x, y)
}

fn quiet() -> Predict<'static> {
    Predict::new().verbose(false)
}

fn compiled(model: OnnxModel) -> Result<Model<OnnxModel>, NnError> {
    let mut model = Model::of(model);
    let loss = brolga_nn::losses::SparseCategoricalCrossentropy::new().from_logits(true);
    model.compile(
        Compile::new().optimizer("adam").loss(loss).metrics(["accuracy"]).warnings(false),
    )?;
    Ok(model)
}

fn fit() -> Fit<'static> {
    Fit::new().epochs(40).batch_size(8).verbose(false)
}

#[test]
fn predictions_are_those_of_the_graph() -> Outcome {
    let imported = mlp().graph(&Bindings::new().dim("N", 32))?;
    let (x, _) = samples();
    let mut inputs = vec![tensor(&[32, 3], &x.iter().copied().collect::<Vec<_>>())];
    inputs.extend(imported.states.iter().map(|(_, tensor)| (**tensor).clone()));
    let expected = interpret(&imported.graph, &inputs)?;
    let mut model = Model::of(mlp());
    let y = model.predict_with(&x, quiet())?;
    assert_eq!(expected[0], tensor(&[32, 2], &y.iter().copied().collect::<Vec<_>>()));
    Ok(())
}

#[test]
fn training_lowers_the_loss() -> Outcome {
    let (x, y) = samples();
    let mut model = compiled(mlp())?;
    let history = model.fit(&x, &y, fit())?;
    let loss = history.get("loss").unwrap_or_default();
    assert!(loss[loss.len() - 1] < loss[0] * 0.6, "{loss:?}");
    Ok(())
}

#[test]
fn layers_are_frozen_by_name() -> Outcome {
    let (x, y) = samples();
    let onnx = mlp();
    onnx.freeze(|layer| layer.starts_with("body"));
    let mut model = compiled(onnx)?;
    let before: Vec<ArrayD<f32>> = model.get_weights()?;
    model.fit(&x, &y, fit().epochs(1))?;
    let after = model.get_weights()?;
    let same: Vec<bool> = before.iter().zip(&after).map(|(a, b)| a == b).collect();
    assert_eq!(same, [true, true, false]);
    Ok(())
}

#[test]
fn a_head_is_replaced() -> Outcome {
    let (x, y) = samples();
    let features = mlp().with_outputs(["h"])?;
    features.freeze(|_| true);
    let image = Input::new([3]).tensor();
    let features = Model::of(features).into_shared()?.on(&image);
    let class = Dense::new(2).activation("softmax").on(&features);
    let mut model = brolga_nn::prelude::Model::new(&image, &class)?;
    model.compile(Compile::new().optimizer("adam").loss("sparse_categorical_crossentropy"))?;
    let history = model.fit(&x, &y, fit())?;
    let loss = history.get("loss").unwrap_or_default();
    assert!(loss[loss.len() - 1] < loss[0], "{loss:?}");
    Ok(())
}

#[test]
fn statistics_of_normalizations_are_not_trained() -> Outcome {
    let nodes = vec![node("BatchNormalization", &["x", "bn.s", "bn.b", "bn.m", "bn.v"], "y")];
    let one = |name: &str| floats(name, &[3], &[1.0; 3]);
    let weights = vec![one("bn.s"), one("bn.b"), one("bn.m"), one("bn.v")];
    let graph = graph(vec![input("x", &["N", "3"])], nodes, weights, "y");
    let (x, y) = samples();
    let mut model = compiled(Written::new(&model(graph)).load()?)?;
    let before = model.get_weights()?;
    model.fit(&x, &y, fit().epochs(1))?;
    let after = model.get_weights()?;
    let changed = before.iter().filter(|weight| !after.contains(weight)).count();
    // Scale and offset have been equal, and are trained.
    assert_eq!((changed, after.iter().filter(|weight| before.contains(weight)).count()), (0, 2));
    Ok(())
}

#[test]
fn what_no_network_is() {
    let (file, unknown) = (written(), ["hh"]);
    let onnx = file.load().expect("the model is valid");
    let error = onnx.with_outputs(unknown).expect_err("there is no such value");
    insta::assert_snapshot!(file.message(&error), @r"
    model.onnx: no node gives a value `hh`
      help: names of values are those of the outputs of nodes
    ");
    let nodes = vec![node("Reshape", &["x", "shape"], "y")];
    let shape = vec![ints("shape", &[1, -1])];
    let fixed = graph(vec![input("x", &["1", "3"])], nodes, shape, "y");
    let written = Written::new(&model(fixed));
    let fixed = written.load().expect("the model is valid");
    let mut fixed = Model::of(fixed);
    let error = fixed.predict_with(&samples().0, quiet()).expect_err("the batch is fixed");
    let folder = written.folder.path().display().to_string();
    insta::assert_snapshot!(error.to_string().replace(&folder, "FOLDER"), @r"
    FOLDER/model.onnx: for a batch of 2 samples the model gives f32[1,6]
      help: the file holds shapes with a fixed batch; export it with an open one
    ");
}

#[test]
fn packed_attention_is_that_of_its_parts() -> Outcome {
    let weights = || {
        let waves: Vec<f32> = (0..48).map(|at| (at as f32 * 0.9).sin()).collect();
        vec![
            floats("w", &[4, 12], &waves),
            floats("b", &[12], &waves[..12]),
            TensorProto { data_type: 6, int32_data: vec![3, 2], ..floats("lengths", &[2], &[]) },
        ]
    };
    let attention = NodeProto {
        domain: "com.microsoft".to_owned(),
        attribute: vec![int("num_heads", 2)],
        ..node("Attention", &["x", "w", "b", "lengths"], "y")
    };
    // The same with ONNX's own ops.
    let mut split = node("Split", &["packed"], "q");
    split.output.extend(["k".to_owned(), "v".to_owned()]);
    split.attribute = vec![int("axis", 2), int("num_outputs", 3)];
    let mut own = node("Attention", &["q", "k", "v", "", "", "", "lengths64"], "y");
    own.attribute = vec![int("q_num_heads", 2), int("kv_num_heads", 2)];
    let mut cast = node("Cast", &["lengths"], "lengths64");
    cast.attribute = vec![int("to", 7)];
    let parts = vec![
        node("MatMul", &["x", "w"], "product"),
        node("Add", &["product", "b"], "packed"),
        split,
        cast,
        own,
    ];
    let x = Array2::from_shape_fn((6, 4), |(i, j)| ((i * 4 + j) as f32 * 1.1).cos());
    let outputs = |nodes: Vec<NodeProto>| -> Result<Vec<f64>, Box<dyn std::error::Error>> {
        let graph = graph(vec![input("x", &["2", "3", "4"])], nodes, weights(), "y");
        let imported = Written::new(&model(graph)).load()?.graph(&Bindings::new())?;
        let mut inputs = vec![tensor(&[2, 3, 4], &x.iter().copied().collect::<Vec<_>>())];
        inputs.extend(imported.states.iter().map(|(_, tensor)| (**tensor).clone()));
        Ok(interpret(&imported.graph, &inputs)?[0].data().to_f64())
    };
    let (packed, expected) = (outputs(vec![attention])?, outputs(parts)?);
    assert!(packed.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-5), "{packed:?}");
    Ok(())
}
