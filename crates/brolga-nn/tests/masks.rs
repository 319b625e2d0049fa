//! Masks: where they come from, which layers hand them on, what they change, and what is said where
//! one is dropped.

use std::error::Error;

use brolga_ir::{DType, Type};
use brolga_nn::WarningKind;
use brolga_nn::layers::Base;
use brolga_nn::model::{Functional, Symbolic};
use brolga_nn::prelude::*;
use brolga_nn::trace::Call;
use ndarray::{Array2, Array3, ArrayD, array};
use serde::{Deserialize, Serialize};
use serde_json::json;

type Outcome = Result<(), Box<dyn Error>>;

fn quiet() -> Predict<'static> {
    Predict::new().verbose(false)
}

/// Token numbers of three samples, of which 0 stands for none.
fn tokens() -> Array2<i32> {
    array![[1, 2, 0, 0], [3, 0, 0, 0], [4, 3, 2, 1]]
}

/// A table whose row `i` is `[i, 10·i]`, and which masks 0.
fn table() -> Embedding {
    let rows =
        |index: &[usize], _: &[usize]| (index[0] * if index[1] == 0 { 1 } else { 10 }) as f32;
    Embedding::new(5, 2).mask_zero(true).embeddings_initializer(rows)
}

fn ids() -> Symbolic {
    Input::new([4]).dtype("int32").tensor()
}

/// What a model of token numbers gives, whose layers come between the table and an average over the
/// steps that count.
fn averaged(layers: impl Fn(Symbolic) -> Symbolic) -> Result<ArrayD<f32>, NnError> {
    let ids = ids();
    let y = GlobalAveragePooling1D::new().on(layers(table().on(&ids)));
    Model::new(&ids, &y)?.predict_with(&tokens(), quiet())
}

/// The averages over tokens that are not 0, and over all steps.
fn averages() -> [ArrayD<f32>; 2] {
    let counted = array![[1.5, 15.0], [3.0, 30.0], [2.5, 25.0]].into_dyn();
    let all = array![[0.75, 7.5], [0.75, 7.5], [2.5, 25.0]].into_dyn();
    [counted, all]
}

fn message<T>(result: Result<T, NnError>) -> String {
    let text = result.map(drop).expect_err("an error").to_string();
    let without_lines = |line: &str| match line.rsplit_once(".rs:") {
        Some((before, _)) => format!("{before}.rs:[line]"),
        None => line.to_owned(),
    };
    text.lines().map(without_lines).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_embedding_masks_zeros_and_layers_hand_the_mask_on() -> Outcome {
    let [counted, all] = averages();
    assert_eq!(averaged(|x| x)?, counted);
    assert_eq!(averaged(|x| Identity::new().on(Dropout::new(0.5).on(&x)))?, counted);
    let linear = |x| Activation::new("linear").on(Rescaling::new(1.0).on(&x));
    assert_eq!(averaged(linear)?, counted);
    let dense = |x: Symbolic| {
        let unit = |index: &[usize], _: &[usize]| f32::from(u8::from(index[0] == index[1]));
        Dense::new(2).kernel_initializer(unit).on(&x)
    };
    assert_eq!(averaged(dense)?, counted);
    let unmasked = table().mask_zero(false);
    let ids = ids();
    let y = GlobalAveragePooling1D::new().on(unmasked.on(&ids));
    assert_eq!(Model::new(&ids, &y)?.predict_with(&tokens(), quiet())?, all);
    Ok(())
}

#[test]
fn a_mask_goes_through_sequential_nested_and_shared_models() -> Outcome {
    let [counted, _] = averages();
    let mut chain = Sequential::new();
    chain.add(Input::new([4]).dtype("int32"));
    chain.add(table());
    chain.add(ReLU::new());
    chain.add(GlobalAveragePooling1D::new());
    assert_eq!(chain.predict_with(&tokens(), quiet())?, counted);
    let mut inner = Sequential::new();
    inner.add(Input::new([4, 2]));
    inner.add(ReLU::new());
    let inner = inner.into_shared()?;
    assert_eq!(averaged(|x| inner.on(inner.on(&x)))?, counted);
    let h = Input::new([4, 2]).tensor();
    let pooled = Model::new(&h, GlobalAveragePooling1D::new().on(&h))?.into_shared()?;
    let ids = ids();
    let mut model = Model::new(&ids, pooled.on(table().on(&ids)))?;
    assert_eq!(model.predict_with(&tokens(), quiet())?, counted);
    // One layer, called with a mask and without one.
    let pool = GlobalAveragePooling1D::new().shared();
    let shared = table().shared();
    let x = shared.on(&ids);
    let plain = Reshape::new([4, 2]).supports_masking(false).on(&x);
    let mut model = Model::new(&ids, [&pool.on(&x), &pool.on(&plain)])?;
    assert_eq!(model.predict_all_with(&tokens(), quiet())?, averages());
    Ok(())
}

#[test]
fn masking_leaves_out_steps_of_one_number() -> Outcome {
    let x =
        Array3::from_shape_fn((2, 3, 2), |(s, t, f)| if t > s { -1.0 } else { (s + t + f) as f32 });
    let mut model = Sequential::new();
    model.add(Input::new([3, 2]));
    model.add(Masking::new().mask_value(-1.0));
    model.add(GlobalAveragePooling1D::new());
    let expected = array![[0.0_f32, 1.0], [1.5, 2.5]];
    assert_eq!(model.predict_with(&x, quiet())?, expected.into_dyn());
    let mut masked = Sequential::new();
    masked.add(Input::new([3, 2]));
    masked.add(Masking::new().mask_value(-1.0));
    let zeros = x.mapv(|x| if x == -1.0 { 0.0 } else { x });
    assert_eq!(masked.predict_with(&x, quiet())?, zeros.into_dyn());
    Ok(())
}

/// Two inputs of token numbers, merged, and averaged over the steps that count.
fn merged(merge: impl Fn([&Symbolic; 2]) -> Symbolic) -> Result<ArrayD<f32>, NnError> {
    let (a, b) = (ids(), ids());
    let words = table().shared();
    let y = merge([&words.on(&a), &words.on(&b)]);
    let mut model = Model::new([&a, &b], GlobalAveragePooling1D::new().on(&y))?;
    let reversed = Array2::from_shape_fn((3, 4), |(s, t)| tokens()[[s, 3 - t]]);
    model.predict_with([&tokens(), &reversed], quiet())
}

#[test]
fn merging_layers_join_masks() -> Outcome {
    // A step counts that counts in one of the inputs.
    let sums = array![[1.5, 15.0], [3.0, 30.0], [5.0, 50.0]];
    assert_eq!(merged(|x| Add::new().on(x))?, sums.clone().into_dyn());
    // Steps of both, one behind the other.
    let behind = merged(|x| Concatenate::new().axis(1).on(x))?;
    assert_eq!(behind, averages()[0]);
    let beside = merged(|x| Concatenate::new().on(x))?;
    assert_eq!(
        beside,
        array![[0.75, 7.5, 0.75, 7.5], [1.5, 15.0, 1.5, 15.0], [2.5, 25.0, 2.5, 25.0]].into_dyn()
    );
    // Of an input without a mask all steps follow.
    let half = merged(|[a, b]| {
        let plain = Reshape::new([4, 2]).supports_masking(false).on(b);
        Concatenate::new().axis(1).on([a, &plain])
    })?;
    assert_eq!(half, array![[1.0, 10.0], [1.2, 12.0], [2.5, 25.0]].into_dyn());
    Ok(())
}

#[test]
fn a_mask_that_is_dropped_and_wanted_is_an_error() -> Outcome {
    let error = averaged(|x| Conv1D::new(2, 1).on(&x));
    insta::assert_snapshot!(message(error), @"
    layer `global_average_pooling1d`: the layer uses masks, but layer `conv1d` (Conv1D) before it drops that of its input
      at crates/brolga-nn/tests/masks.rs:[line]
      help: `conv1d` hands it on with `.supports_masking(true)`, if it keeps the steps; `.supports_masking(false)` says that it is meant to be dropped
    ");
    let error = averaged(|x| ReLU::new().on(Permute::new([1, 2]).on(&x)));
    insta::assert_snapshot!(message(error), @"
    layer `global_average_pooling1d`: the layer uses masks, but layer `permute` (Permute) before it drops that of its input
      at crates/brolga-nn/tests/masks.rs:[line]
      help: `permute` hands it on with `.supports_masking(true)`, if it keeps the steps; `.supports_masking(false)` says that it is meant to be dropped
    ");
    // Keras drops it without a word.
    let error =
        averaged(|x| Add::new().on([&x, &Conv1D::new(2, 1).supports_masking(false).on(&x)]));
    insta::assert_snapshot!(message(error), @"
    layer `global_average_pooling1d`: the layer uses masks, but layer `add` (Add) before it drops that of its input
      at crates/brolga-nn/tests/masks.rs:[line]
      help: `add` hands it on with `.supports_masking(true)`, if it keeps the steps; `.supports_masking(false)` says that it is meant to be dropped
    ");
    let [counted, all] = averages();
    let permute = |handed_on: bool| Permute::new([1, 2]).supports_masking(handed_on);
    assert_eq!(averaged(|x| permute(true).on(&x))?, counted);
    assert_eq!(averaged(|x| permute(false).on(&x))?, all);
    let error = averaged(|x| Cropping1D::new(1).supports_masking(true).on(&x));
    insta::assert_snapshot!(message(error), @"
    layer `cropping1d`: a mask (None, 4) does not fit (None, 2, 2)
      at crates/brolga-nn/tests/masks.rs:[line]
      help: a mask has the first axes of its tensor: a truth value for each step
    ");
    Ok(())
}

#[test]
fn a_mask_that_is_dropped_is_a_warning() -> Outcome {
    let model = |layer: Flatten| -> Result<Sequential, NnError> {
        let mut model = Sequential::new();
        model.add(Input::new([4]).dtype("int32"));
        model.add(table());
        model.add(layer);
        model.add(Dense::new(1));
        model.compile(Compile::new().optimizer("sgd").loss("mse").warnings(false))?;
        Ok(model)
    };
    let y = array![[1.0_f32], [2.0], [3.0]];
    let mut warned = model(Flatten::new())?;
    warned.fit(&tokens(), &y, Fit::new().verbose(false))?;
    let [warning] = warned.warnings() else { panic!("{:?}", warned.warnings()) };
    assert_eq!(warning.kind, WarningKind::Mask);
    insta::assert_snapshot!(warning, @"
    fit: layer `flatten` (Flatten) drops the mask of its input: behind it masked steps count as others do
      help: `.supports_masking(false)` says that it is meant; `.supports_masking(true)` hands the mask on, if the layer keeps the steps; without `mask_zero` or Masking there is no mask
    ");
    let mut silent = model(Flatten::new().supports_masking(false))?;
    silent.fit(&tokens(), &y, Fit::new().verbose(false))?;
    assert_eq!(silent.warnings(), []);
    Ok(())
}

#[test]
fn a_call_is_given_a_mask() -> Outcome {
    let (x, mask) = (Input::new([3, 1]).tensor(), Input::new([3]).tensor());
    let y = GlobalAveragePooling1D::new().on(CallArguments::of(&x).mask(&mask));
    let mut model = Model::new([&x, &mask], &y)?;
    let values = array![[[1.0_f32], [2.0], [6.0]]];
    let masks = array![[0.0_f32, 1.0, 1.0]];
    assert_eq!(model.predict_with(ndarrays(&values, &masks), quiet())?, array![[4.0]].into_dyn());
    // In place of the one that the tensor has.
    let masked = Masking::new().mask_value(2.0).on(&x);
    let y = GlobalAveragePooling1D::new().on(CallArguments::of(&masked).mask(&mask));
    let own = GlobalAveragePooling1D::new().on(&masked);
    let mut model = Model::new([&x, &mask], [&y, &own])?;
    let expected = vec![array![[3.0]].into_dyn(), array![[3.5]].into_dyn()];
    assert_eq!(model.predict_all_with(ndarrays(&values, &masks), quiet())?, expected);
    Ok(())
}

fn ndarrays<'a>(x: &'a Array3<f32>, mask: &'a Array2<f32>) -> Vec<brolga_nn::Data<'a>> {
    brolga_nn::arrays![x, mask]
}

#[test]
fn arguments_that_do_not_fit_are_errors() -> Outcome {
    let (x, mask) = (Input::new([3, 1]).tensor(), Input::new([2]).tensor());
    let of = |arguments: CallArguments| -> String {
        let y = GlobalAveragePooling1D::new().on(arguments);
        message(Model::new([&x, &mask], &y).and_then(|mut model| model.build(&[3, 1])))
    };
    insta::assert_snapshot!(of(CallArguments::of(&x).mask(&mask)), @"
    layer `global_average_pooling1d`: a mask (None, 2) does not fit (None, 3, 1)
      at crates/brolga-nn/tests/masks.rs:[line]
      help: a mask has the first axes of its tensor: a truth value for each step
    ");
    insta::assert_snapshot!(of(CallArguments::of(&x).mask([&x, &mask])), @"
    layer `global_average_pooling1d`: the call has 2 masks, and inputs: 1
      at crates/brolga-nn/tests/masks.rs:[line]
      help: give one mask for each input
    ");
    insta::assert_snapshot!(of(CallArguments::of(&x).argument("mask", true)), @"
    layer `global_average_pooling1d`: the argument `mask` of the call is true
      at crates/brolga-nn/tests/masks.rs:[line]
      help: `mask` is a tensor, or a list of them
    ");
    insta::assert_snapshot!(of(CallArguments::of(&x).argument("masc", true)), @"
    layer `global_average_pooling1d`: GlobalAveragePooling1D is called with `masc`, which it does not take
      at crates/brolga-nn/tests/masks.rs:[line]
      help: did you mean `mask`?
    ");
    insta::assert_snapshot!(of(CallArguments::of(&x).use_causal_mask(true)), @"
    layer `global_average_pooling1d`: GlobalAveragePooling1D is called with `use_causal_mask`, which it does not take
      at crates/brolga-nn/tests/masks.rs:[line]
      help: it takes mask, training
    ");
    insta::assert_snapshot!(of(CallArguments::of(&x).argument("training", 1)), @"
    layer `global_average_pooling1d`: the argument `training` of the call is no truth value
      at crates/brolga-nn/tests/masks.rs:[line]
      help: `training` is true or false
    ");
    Ok(())
}

/// `factor · x` by the argument `factor` of the call, plus the tensors `more`; every other step is
/// masked if the call says so.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Scaled {
    #[serde(flatten)]
    base: Base,
}

brolga_nn::layer!(Scaled);

impl Layer for Scaled {
    fn base(&self) -> &Base {
        &self.base
    }

    fn keywords(&self) -> &'static [&'static str] {
        &["factor", "offset", "more", "thin_out"]
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let factor = call.count("factor").unwrap_or(1) as f64;
            let y =
                call.tensor("offset").map_or_else(|| &x * factor, |offset| &x * factor + offset);
            let y = call.tensors("more").into_iter().flatten().fold(y, |y, more| y + more);
            if call.flag("thin_out") {
                let steps = Type::new(DType::I32, &x.shape()[..2]);
                let step = call.tracer().iota(steps, 1).cast(DType::F32) * 0.5;
                call.set_mask(&y, Some(&step.eq(&step.floor())));
            }
            y
        })
    }
}

#[test]
fn a_layer_of_ones_own_has_arguments_and_a_rule_for_masks() -> Outcome {
    let (x, z) = (Input::new([3, 1]).tensor(), Input::new([3, 1]).tensor());
    let arguments = CallArguments::of(&x).argument("factor", 2).argument("thin_out", true);
    let y = Scaled::default().on(arguments.tensor("offset", &z).tensors("more", [&x, &z]));
    let pooled = GlobalAveragePooling1D::new().on(&y);
    let mut model = Model::new([&x, &z], [&y, &pooled])?;
    let (a, b) = (array![[[1.0_f32], [2.0], [3.0]]], array![[[10.0_f32], [20.0], [30.0]]]);
    let expected =
        vec![array![[[23.0_f32], [46.0], [69.0]]].into_dyn(), array![[46.0_f32]].into_dyn()];
    assert_eq!(model.predict_all_with(brolga_nn::arrays![&a, &b], quiet())?, expected);
    let wrong = |arguments: CallArguments| {
        let model = Model::new([&x, &z], Scaled::default().on(arguments));
        message(model.and_then(|mut model| model.build(&[3, 1])))
    };
    insta::assert_snapshot!(wrong(CallArguments::of(&x).argument("factor", "two")), @r#"
    layer `scaled`: the argument `factor` of the call is "two"
      at crates/brolga-nn/tests/masks.rs:[line]
      help: `factor` is a whole number from 0 on, or a tensor
    "#);
    insta::assert_snapshot!(wrong(CallArguments::of(&x).tensors("offset", [&x, &z])), @"
    layer `scaled`: the argument `offset` of the call is a list of 2
      at crates/brolga-nn/tests/masks.rs:[line]
      help: `offset` is one tensor
    ");
    insta::assert_snapshot!(wrong(CallArguments::of(&x).argument("more", 1)), @"
    layer `scaled`: the argument `more` of the call is 1
      at crates/brolga-nn/tests/masks.rs:[line]
      help: `more` is one tensor or a list of them
    ");
    insta::assert_snapshot!(wrong(CallArguments::of([&x, &z])), @"
    layer `scaled`: the layer takes one input, 2 were given
      at crates/brolga-nn/tests/masks.rs:[line]
    ");
    Ok(())
}

/// A number for each step of token numbers, its own; masked where it is 0.
fn steps(compile: Compile) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([4]).dtype("int32"));
    model.add(table().trainable(false));
    let first = |index: &[usize], _: &[usize]| f32::from(u8::from(index[0] == 0));
    model.add(Dense::new(1).kernel_initializer(first));
    model.compile(compile.optimizer(SGD::new(0.0)).warnings(false))?;
    Ok(model)
}

fn evaluated(compile: Compile, options: Evaluate<'_>) -> Result<Vec<(String, f64)>, NnError> {
    let y = Array3::from_shape_fn((3, 4, 1), |(s, t, _)| (s + t) as f32);
    let scores = steps(compile)?.evaluate_with(&tokens(), &y, options.verbose(false))?;
    Ok(scores.iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

#[test]
fn masked_steps_do_not_count_in_losses_and_means() -> Outcome {
    // Errors of the steps that count: 1, 1; 2; 2, 0, −2, −4. Of the others: −2, −3; −2, −3, −4.
    let square = |errors: &[f64]| errors.iter().map(|e| e * e).sum::<f64>();
    let counted = [square(&[1.0, 1.0]), square(&[2.0]), square(&[2.0, 0.0, 2.0, 4.0])];
    let all = counted.iter().sum::<f64>() + square(&[2.0, 3.0, 2.0, 3.0, 4.0]);
    let compile = Compile::new().loss("mse").metrics(["mae", "root_mean_squared_error"]);
    let scores = evaluated(compile, Evaluate::new())?;
    let near = |given: f64, expected: f64| {
        assert!((given - expected).abs() < 1e-5, "{given}, not {expected}");
    };
    near(scores[0].1, counted.iter().sum::<f64>() / 7.0);
    near(scores[1].1, (2.0 + 2.0 + 8.0) / 7.0);
    // As in Keras, other metrics than means count all steps.
    near(scores[2].1, (all / 12.0).sqrt());
    let sum = losses::MeanSquaredError::new().reduction(losses::Reduction::Sum);
    near(evaluated(Compile::new().loss(sum), Evaluate::new())?[0].1, counted.iter().sum());
    let weights = array![1.0_f32, 0.0, 2.0];
    let compile = Compile::new().loss("mse").weighted_metrics(["mae"]);
    let scores = evaluated(compile, Evaluate::new().sample_weight(&weights))?;
    near(scores[0].1, (counted[0] + 2.0 * counted[2]) / 7.0);
    near(scores[1].1, (2.0 + 2.0 * 8.0) / (2.0 + 2.0 * 4.0));
    Ok(())
}

#[test]
fn a_mask_that_does_not_fit_the_losses_is_an_error() -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([4]).dtype("int32"));
    model.add(table());
    let of_samples = |t: &Var, y: &Var| ((t - y) * (t - y)).reduce_mean(&[1, 2], false);
    model.compile(Compile::new().optimizer("sgd").loss(of_samples).warnings(false))?;
    let y = Array3::<f32>::zeros((3, 4, 2));
    let error = model.fit(&tokens(), &y, Fit::new().verbose(false));
    insta::assert_snapshot!(message(error), @"
    layer `loss`: the mask of the output is bool[3,4], the losses are f32[3]
      at crates/brolga-nn/src/losses/mod.rs:[line]
      help: let a layer before the output drop the mask, if its steps are none of the losses: .supports_masking(false)
    ");
    Ok(())
}

/// As Keras has it: what counts is averaged, and the sums are divided by its number + 1e-7.
#[test]
fn statistics_of_a_batch_leave_masked_steps_out() -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([4]).dtype("int32"));
    model.add(table().trainable(false));
    model.add(BatchNormalization::new().momentum(0.0).scale(false).center(false));
    model.compile(Compile::new().optimizer("sgd").loss("mse").warnings(false))?;
    model.fit(&tokens(), &Array3::<f32>::zeros((3, 4, 2)), Fit::new().verbose(false))?;
    let weights = model.get_weights()?;
    let counted = [1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0_f64];
    let mean = counted.iter().sum::<f64>() / 7.0;
    let variance = counted.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 7.0;
    for (feature, factor) in [1.0, 10.0].into_iter().enumerate() {
        let [mean, variance] = [mean * factor, variance * factor * factor];
        assert!((f64::from(weights[1][feature]) - mean).abs() < 1e-5 * mean);
        assert!((f64::from(weights[2][feature]) - variance).abs() < 1e-5 * variance);
    }
    Ok(())
}

/// A mask that nothing asks for leaves no kernel.
#[test]
fn a_mask_that_nothing_asks_for_is_not_computed() -> Outcome {
    let program = |mask_zero: bool| -> Result<String, NnError> {
        let mut model = Sequential::new();
        model.add(Input::new([4]).dtype("int32"));
        model.add(table().mask_zero(mask_zero));
        model.add(Flatten::new().supports_masking(false));
        model.add(Dense::new(1));
        let mut graph = model.trace(brolga_nn::Kind::Predict, 2)?;
        brolga_passes::optimize(&mut graph)?;
        Ok(graph.to_string())
    };
    assert_eq!(program(true)?, program(false)?);
    Ok(())
}

#[test]
fn what_is_said_of_masks_survives_a_round_trip() -> Outcome {
    let rows = Array2::from_shape_fn((5, 2), |(i, j)| (i * if j == 0 { 1 } else { 10 }) as f32);
    for (handed_on, expected) in [true, false].into_iter().zip(averages()) {
        let mut model = Sequential::new();
        model.add(Input::new([4]).dtype("int32"));
        model.add(Embedding::new(5, 2).mask_zero(true));
        model.add(Permute::new([1, 2]).supports_masking(handed_on));
        model.add(GlobalAveragePooling1D::new());
        let mut again = Sequential::from_json(&model.to_json()?)?;
        again.set_weights(&[rows.clone().into_dyn()])?;
        assert_eq!(again.predict_with(&tokens(), quiet())?, expected);
    }
    Ok(())
}

/// A model as Keras 3 writes it: masks are arguments of calls, and operations compute them.
#[test]
fn masks_in_configs_of_keras_are_read() -> Outcome {
    let tensor = |layer: &str, shape: serde_json::Value, dtype: &str| {
        json!({
            "class_name": "__keras_tensor__",
            "config": { "shape": shape, "dtype": dtype, "keras_history": [layer, 0, 0] },
        })
    };
    let ids = || tensor("ids", json!([null, 4]), "int32");
    let mask = || tensor("not_equal", json!([null, 4]), "bool");
    let layer =
        |class: &str, name: &str, mut config: serde_json::Value, nodes: serde_json::Value| {
            config["name"] = json!(name);
            json!({
                "module": if class == "NotEqual" { "keras.src.ops.numpy" } else { "keras.layers" },
                "class_name": class, "config": config, "name": name, "inbound_nodes": nodes,
            })
        };
    let first = json!({ "batch_shape": [null, 4], "dtype": "int32" });
    let table = json!({ "input_dim": 5, "output_dim": 2, "mask_zero": true });
    let embedded = tensor("table", json!([null, 4, 2]), "float32");
    let config = json!({
        "class_name": "Functional",
        "config": {
            "name": "masked",
            "layers": [
                layer("InputLayer", "ids", first, json!([])),
                layer("Embedding", "table", table, json!([{ "args": [ids()], "kwargs": {} }])),
                layer("NotEqual", "not_equal", json!({}), json!([{ "args": [ids(), 0], "kwargs": {} }])),
                layer("GlobalAveragePooling1D", "pool", json!({}), json!([
                    { "args": [embedded], "kwargs": { "mask": mask() } },
                ])),
            ],
            "input_layers": [["ids", 0, 0]],
            "output_layers": [["pool", 0, 0]],
        },
    });
    let mut model = Functional::from_config(&config)?;
    let rows = Array2::from_shape_fn((5, 2), |(i, j)| (i * if j == 0 { 1 } else { 10 }) as f32);
    model.set_weights(&[rows.clone().into_dyn()])?;
    assert_eq!(model.predict_with(&tokens(), quiet())?, averages()[0]);
    let mut again = Functional::from_json(&model.to_json()?)?;
    again.set_weights(&[rows.into_dyn()])?;
    assert_eq!(again.predict_with(&tokens(), quiet())?, averages()[0]);
    Ok(())
}
