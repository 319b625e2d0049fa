//! What a file says of a model: names, shapes, weights, options, errors.

use brolga_nn::applications::{Architecture, Pooling, resnet50};
use brolga_nn::prelude::*;

use super::{Saved, predicted, read_again, round_trip, waves};
use crate::{Export, ExportError, OnnxModel, load, save};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn classifier() -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([8, 8, 3]).name("photo"));
    model.add(Conv2D::new(4, (3, 3)).activation("relu").name("stem"));
    model.add(BatchNormalization::new().name("bn"));
    model.add(MaxPooling2D::new((2, 2)));
    model.add(Flatten::new());
    model.add(Dense::new(5).activation("softmax").name("class"));
    model
}

#[test]
fn names_shapes_and_the_batch_are_kept() -> Outcome {
    let saved = Saved::of(&mut classifier(), &Export::new())?;
    let model = load(saved.path())?;
    let lines =
        |ports: &[crate::Port]| ports.iter().map(|port| format!("{port}\n")).collect::<String>();
    let weights = model.weights().iter();
    let weights = weights.map(|weight| format!("{} {}\n", weight.name, weight.tensor.ty()));
    let text = format!(
        "{}{}{}",
        lines(model.inputs()),
        lines(model.outputs()),
        weights.collect::<String>()
    );
    insta::assert_snapshot!(text, @"
    photo: float[N, 8, 8, 3]
    class: float[N, 5]
    stem/kernel f32[3,3,3,4]
    stem/bias f32[4]
    bn/gamma f32[4]
    bn/beta f32[4]
    bn/moving_mean f32[4]
    bn/moving_variance f32[4]
    class/kernel f32[36,5]
    class/bias f32[5]
    ");
    insta::assert_snapshot!(saved.ops(), @"Add 4, Conv, Div, Exp, MatMul, MaxPool, Mul 2, Reciprocal, ReduceMax, ReduceSum, Relu, Reshape, Sqrt, Sub 2, Transpose 3, Unsqueeze 5");
    assert_eq!(
        (model.opset(), model.producer()),
        (17, concat!("brolga ", env!("CARGO_PKG_VERSION")))
    );
    Ok(())
}

#[test]
fn the_same_model_is_the_same_bytes() -> Outcome {
    let bytes = || -> Result<Vec<u8>, ExportError> {
        Ok(Saved::of(&mut classifier(), &Export::new())?.bytes())
    };
    assert_eq!(bytes()?, bytes()?);
    Ok(())
}

#[test]
fn every_opset_is_read_again() {
    let x = [waves(&[3, 8, 8, 3])];
    for opset in 17..=28 {
        let export = Export::new().opset(opset);
        let result = round_trip(&mut classifier(), &x, &export, Some(&format!("opset/{opset}")));
        assert!(result.is_ok(), "opset {opset}: {result:?}");
    }
}

#[test]
fn weights_may_stand_beside_the_model() -> Outcome {
    let mut model = classifier();
    let saved = Saved::of(&mut model, &Export::new().external_data(true))?;
    let files = std::fs::read_dir(saved.folder.path())?;
    let mut names: Vec<String> =
        files.flatten().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(names.len(), 2);
    assert!(names[1].starts_with("model.onnx.") && names[1].ends_with(".data"), "{names:?}");
    let x = [waves(&[3, 8, 8, 3])];
    let given = read_again(&saved.path(), &x)?;
    assert_eq!(super::difference(&predicted(&mut model, &x), &given), None);
    Ok(())
}

#[test]
fn training_goes_on_with_the_weights_that_are_trained() -> Outcome {
    let saved = Saved::of(&mut classifier(), &Export::new())?;
    let mut model: brolga_nn::model::Model<OnnxModel> =
        brolga_nn::model::Model::of(load(saved.path())?);
    model.compile(
        Compile::new().optimizer("adam").loss("sparse_categorical_crossentropy").warnings(false),
    )?;
    let x = ndarray::Array4::from_shape_fn((6, 8, 8, 3), |(a, b, c, d)| {
        ((a * 31 + b * 7 + c * 3 + d) as f32).sin()
    });
    let y = ndarray::Array1::from_shape_fn(6, |at| (at % 5) as u8);
    let before = model.get_weights()?;
    model.fit(&x, &y, Fit::new().verbose(false))?;
    let after = model.get_weights()?;
    let names: Vec<String> = model.session()?.weights().map(|weight| weight.path()).collect();
    let same = names.iter().zip(before.iter().zip(&after)).filter(|(_, (a, b))| a == b);
    let same: Vec<&str> = same.map(|(name, _)| name.as_str()).collect();
    assert_eq!(same, ["bn/moving_mean", "bn/moving_variance"]);
    Ok(())
}

/// Images pass through a residual network in ONNX's order: they are transposed where they come in and
/// where they are summed up.
#[test]
fn a_residual_network_is_transposed_at_its_ends() -> Outcome {
    let architecture = Architecture::new().include_top(false).input_shape([32, 32, 3]);
    let mut model = resnet50(architecture.pooling(Pooling::Average))?;
    let saved = Saved::of(&mut model, &Export::new())?;
    let graph = saved.proto().graph.unwrap_or_default();
    let weights: Vec<&str> = graph.initializer.iter().map(|weight| weight.name.as_str()).collect();
    let transposed = graph.node.iter().filter(|node| node.op_type == "Transpose");
    let transposed = transposed.filter(|node| !weights.contains(&node.input[0].as_str()));
    assert_eq!(transposed.count(), 2);
    let x = [waves(&[1, 32, 32, 3])];
    let given = read_again(&saved.path(), &x)?;
    assert_eq!(super::difference(&predicted(&mut model, &x), &given), None);
    Ok(())
}

#[test]
fn a_model_that_was_read_is_written_again() -> Outcome {
    let saved = Saved::of(&mut classifier(), &Export::new())?;
    let mut model = brolga_nn::model::Model::of(load(saved.path())?);
    let x = [waves(&[3, 8, 8, 3])];
    let again = Saved::of(&mut model, &Export::new())?;
    let given = read_again(&again.path(), &x)?;
    assert_eq!(super::difference(&predicted(&mut classifier(), &x), &given), None);
    Ok(())
}

#[test]
fn options_and_paths_are_checked() {
    let message = |export: &Export| match Saved::of(&mut classifier(), export) {
        Ok(_) => panic!("the model is written"),
        Err(error) => error.to_string(),
    };
    insta::assert_snapshot!(message(&Export::new().opset(16)), @"
    opset 16 is asked for, written are 17 to 28
      help: 17, the default, is read by most runtimes
    ");
    insta::assert_snapshot!(message(&Export::new().opset(29)), @"
    opset 29 is asked for, written are 17 to 28
      help: 17, the default, is read by most runtimes
    ");
    let folder = tempfile::tempdir().expect("a folder");
    let text = match save(&mut classifier(), folder.path(), &Export::new()) {
        Ok(()) => panic!("the model is written"),
        Err(error) => error.to_string(),
    };
    insta::assert_snapshot!(text.replace(&folder.path().display().to_string(), "FOLDER"), @"
    FOLDER: this is a folder, not a file
      help: give the path of a file
    ");
    let mut open = Sequential::new();
    open.add(Dense::new(2));
    let text =
        Saved::of(&mut open, &Export::new()).map(|_| ()).expect_err("it is refused").to_string();
    insta::assert_snapshot!(text, @"
    trace: the model is not built: it does not know the shape of its input
      help: let the first layer be `Input::new([..])`, or train the model first
    ");
}

/// A layer whose result follows the batch beyond its first axis.
#[test]
fn what_follows_the_batch_otherwise_is_refused() {
    let message = |layer: Lambda| {
        let mut model = Sequential::new();
        model.add(Input::new([4]));
        model.add(layer.name("own"));
        Saved::of(&mut model, &Export::new()).map(|_| ()).expect_err("it is refused").to_string()
    };
    let rows = Lambda::new(|x| x * (1.0 / x.shape()[0] as f64));
    insta::assert_snapshot!(message(rows), @"
    the model cannot be written with an open batch: `constant` of layer `own` has other attributes for 2 samples than for 3
      help: a layer must not depend on the batch beyond its first axis
    ");
    let odd = Lambda::new(|x| {
        let rows = x.shape()[0];
        let more = x.pad(&[rows * rows, 0], &[0, 0]);
        more.slice(&[0, 0], &[rows, 4], &[1, 1])
    });
    insta::assert_snapshot!(message(odd), @"
    the model cannot be written with an open batch: `pad` of layer `own` has other attributes for 2 samples than for 3
      help: a layer must not depend on the batch beyond its first axis
    ");
    let random = Lambda::new(|x| {
        let index = x
            .reshape([x.shape()[0], 2, 2, 1])
            .max_pool_index(brolga_ir::ops::Pooling::new([2, 2], [2, 2], [[0, 0], [0, 0]]));
        index.cast(brolga_ir::DType::F32)
    });
    insta::assert_snapshot!(message(random), @"
    ONNX has no form for ops of the model:
      max_pool_index of layer `own`
      help: compute it in inference by other ops, or leave the layer out of what is saved
    ");
}

/// The transpositions of a graph that are not of weights, after the passes that bring them together;
/// each pass keeps every bit.
fn transposed(graph: &mut brolga_ir::Graph) -> usize {
    let names = "dead_nodes,algebraic_simplification,canonical_shapes,common_subexpressions,\
                 sink_layouts,canonical_shapes";
    let passes = brolga_passes::passes_by_name(names).expect("there are such");
    let mut manager = brolga_passes::PassManager::new(passes).check_each_pass(true);
    manager.run(graph).expect("the passes keep the bits");
    let is_weight = |id| graph.is_input(graph.operands(id)[0].node);
    let transposed = graph.ids().filter(|&id| graph.node(id).op.name() == "transpose");
    transposed.filter(|&id| !is_weight(id) || graph.ty(id.into()).shape[0] == 2).count()
}

#[test]
fn a_residual_network_that_was_read_is_transposed_at_its_ends() -> Outcome {
    let architecture = Architecture::new().include_top(false).input_shape([32, 32, 3]);
    let mut model = resnet50(architecture.pooling(Pooling::Average))?;
    let saved = Saved::of(&mut model, &Export::new())?;
    let mut graph = load(saved.path())?.graph(&crate::Bindings::new().dim("N", 2))?.graph;
    let before = graph.ids().filter(|&id| graph.node(id).op.name() == "transpose").count();
    assert!(before > 150, "{before}");
    // In the file images have their channels last where they come in and at the end: so there is none.
    assert_eq!(transposed(&mut graph), 0);
    Ok(())
}

#[test]
fn layouts_are_moved_in_training_too() -> Outcome {
    let saved = Saved::of(&mut classifier(), &Export::new())?;
    let mut model = brolga_nn::model::Model::of(load(saved.path())?);
    let compile = Compile::new().optimizer("sgd").loss("sparse_categorical_crossentropy");
    model.compile(compile.warnings(false))?;
    let mut graph = model.trace(brolga_nn::Kind::Train, 2)?;
    let left = transposed(&mut graph);
    assert!(left <= 4, "{left}\n{graph}");
    Ok(())
}
