//! Functional models: several inputs and outputs, shared layers, nested models, Keras's order and
//! format, and what is wrong with a graph of layers.

use std::error::Error;

use brolga_nn::model::{Apply, Functional, Network, Shared, Symbolic};
use brolga_nn::prelude::*;
use brolga_nn::{IntoArrays, arrays};
use ndarray::{Array1, Array2, ArrayD, Axis, array};

type Outcome = Result<(), Box<dyn Error>>;

fn quiet() -> Predict<'static> {
    Predict::new().verbose(false)
}

fn fit() -> Fit<'static> {
    Fit::new().batch_size(4).shuffle(false).verbose(false)
}

fn input(width: usize, name: &str) -> Symbolic {
    Input::new([width]).name(name).tensor()
}

fn dense(units: usize, name: &str) -> Dense {
    Dense::new(units).name(name).kernel_initializer("ones")
}

/// Sums of the elements, and of the elements of another input.
fn sums() -> Result<Functional, NnError> {
    let (a, b) = (input(2, "a"), input(3, "b"));
    let (left, right) = (dense(1, "left").on(&a), dense(1, "right").on(&b));
    Model::new([&a, &b], [&left, &right])
}

fn samples() -> (Array2<f32>, Array2<f32>) {
    (array![[1.0, 2.0], [3.0, 4.0]], array![[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]])
}

#[test]
fn inputs_are_given_in_order_or_by_name() -> Outcome {
    let (mut model, (a, b)) = (sums()?, samples());
    let expected = vec![array![[3.0], [7.0]].into_dyn(), array![[3.0], [6.0]].into_dyn()];
    assert_eq!(model.predict_all_with([&a, &b], quiet())?, expected);
    assert_eq!(model.predict_all_with([("b", &b), ("a", &a)], quiet())?, expected);
    let integers = b.mapv(|x| x as i64);
    assert_eq!(model.predict_all_with(arrays!["b" => &integers, "a" => &a], quiet())?, expected);
    assert_eq!(model.predict_all_with(arrays![&a, &integers], quiet())?, expected);
    Ok(())
}

#[test]
fn wrong_arrays_are_errors() -> Outcome {
    let (mut model, (a, b)) = (sums()?, samples());
    let mut error = |x: brolga_nn::Arrays<'_>| {
        model.predict_all_with(x, quiet()).map(drop).expect_err("wrong arrays").to_string()
    };
    insta::assert_snapshot!(error((&a).into_arrays()), @r"
    x: 1 array was given
      help: the model has 2 inputs: `a`, `b`; give an array for each, in this order or as pairs of name and array
    ");
    insta::assert_snapshot!(error([("a", &a), ("c", &b)].into_arrays()), @r"
    x: there is no input `c`
      help: the model has 2 inputs: `a`, `b`; give an array for each, in this order or as pairs of name and array
    ");
    insta::assert_snapshot!(error([("a", &a), ("a", &b)].into_arrays()), @r"
    x: two arrays were given for `a`
      help: the model has 2 inputs: `a`, `b`; give an array for each, in this order or as pairs of name and array
    ");
    insta::assert_snapshot!(error(vec![("a", &a)].into_arrays()), @r"
    x: no array was given for `b`
      help: the model has 2 inputs: `a`, `b`; give an array for each, in this order or as pairs of name and array
    ");
    insta::assert_snapshot!(error([&b, &a].into_arrays()), @"layer `a` expects samples of shape [2], x/a of shape [2, 3] has samples of shape [3]");
    let short = b.select(Axis(0), &[0]);
    insta::assert_snapshot!(error([&a, &short].into_arrays()), @r"
    x/a has 2 samples, but x/b has 1
      help: the first axis counts the samples; both need the same number
    ");
    let error = model.predict_with([&a, &b], quiet()).map(drop).expect_err("two outputs");
    insta::assert_snapshot!(error, @r"
    the model has 2 outputs: `left`, `right`
      help: take all of them: predict_all
    ");
    Ok(())
}

#[test]
fn each_output_has_a_loss_and_a_weight() -> Outcome {
    let (mut model, (a, b)) = (sums()?, samples());
    let compile = Compile::new()
        .optimizer(SGD::new(0.0))
        .output_loss("left", "mse")
        .output_loss("right", "mae")
        .loss_weights([("right", 0.5)])
        .metrics(["mae"]);
    model.compile(compile)?;
    let (left, right) = (array![[2.0_f32], [5.0]], array![[0.0_f32], [0.0]]);
    let history = model.fit([&a, &b], [&left, &right], fit())?;
    let last = |name: &str| history.last(name).unwrap_or(f64::NAN);
    // Errors of 1 and 2; of 3 and 6.
    assert_eq!([last("left_loss"), last("right_loss")], [2.5, 4.5]);
    assert_eq!(last("loss"), 2.5 + 0.5 * 4.5);
    assert_eq!([last("left_mae"), last("right_mae")], [1.5, 4.5]);
    let scores = model.evaluate_with(
        [&a, &b],
        [("right", &right), ("left", &left)],
        Evaluate::new().verbose(false),
    )?;
    let names: Vec<_> = scores.iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["loss", "left_loss", "right_loss", "left_mae", "right_mae"]);
    assert_eq!(scores.get("loss"), Some(4.75));
    Ok(())
}

#[test]
fn an_output_without_a_loss_needs_no_labels() -> Outcome {
    let (mut model, (a, b)) = (sums()?, samples());
    model.compile(Compile::new().optimizer("sgd").output_loss("left", "mse"))?;
    let before = model.get_weights()?;
    let labels = array![[0.0_f32], [0.0]];
    model.fit([&a, &b], &labels, fit())?;
    let after = model.get_weights()?;
    assert_ne!(before[0], after[0]);
    assert_eq!(before[2], after[2]);
    Ok(())
}

#[test]
fn what_is_compiled_must_fit_the_outputs() -> Outcome {
    let error = |compile: Compile| {
        sums().and_then(|mut m| m.compile(compile)).expect_err("a mistake").to_string()
    };
    insta::assert_snapshot!(error(Compile::new().output_loss("lefft", "mse")), @r"
    there is no output `lefft`; did you mean `left`?
      help: there are left, right
    ");
    insta::assert_snapshot!(error(Compile::new().loss("mse").loss_weights([("left", -1.0)])), @r"
    compile: `loss_weights` is -1
      help: it must be a number from 0 on that f32 can hold
    ");
    insta::assert_snapshot!(error(Compile::new().loss("sparse_categorical_crossentropy")), @r#"
    sparse_categorical_crossentropy: the output of layer `left` has one class, whose probability is always 1: nothing would be trained
      help: for answers of yes or no, use the activation "sigmoid" and the loss "binary_crossentropy"; otherwise give the last layer a unit for each class
    "#);
    insta::assert_snapshot!(error(Compile::new().loss("mse").metrics(["mae", "mae"])), @r#"
    compile: two metrics have the name `left_mae`
      help: leave one of them out, or give it a name of its own: MeanAbsoluteError::new().name("..")
    "#);
    Ok(())
}

#[test]
fn a_shared_layer_has_its_weights_once() -> Outcome {
    let (a, b) = (input(2, "a"), input(2, "b"));
    let encoder = dense(1, "encoder").use_bias(false).shared();
    let mut model = Model::new([&a, &b], [&encoder.on(&a), &encoder.on(&b)])?;
    assert_eq!(model.count_params()?, 2);
    model.compile(Compile::new().optimizer(SGD::new(0.25)).loss("mae"))?;
    let x = array![[1.0_f32, 0.0]];
    let y = array![[0.0_f32]];
    // Both losses have the gradient (1, 0).
    model.fit([&x, &x], [&y, &y], fit())?;
    assert_eq!(model.get_weights()?, [array![[0.5], [1.0]].into_dyn()]);
    Ok(())
}

#[test]
fn a_nested_model_keeps_its_weights() -> Outcome {
    let x = input(2, "x");
    let hidden = dense(3, "hidden").activation("relu").on(&x);
    let mut inner = Model::new(&x, dense(1, "sum").on(&hidden))?.named("inner");
    inner.compile(Compile::new().optimizer("sgd").loss("mse"))?;
    let (samples, labels) = (array![[1.0_f32, 2.0]], array![[1.0_f32]]);
    inner.fit(&samples, &labels, fit())?;
    let (weights, prediction) = (inner.get_weights()?, inner.predict_with(&samples, quiet())?);

    let y = input(2, "y");
    let encoder = inner.into_shared()?;
    let twice = encoder.on(&y);
    let mut outer = Model::new(&y, [&encoder.on(&y), &twice])?;
    assert_eq!(outer.get_weights()?, weights);
    assert_eq!(outer.predict_all_with(&samples, quiet())?, [prediction.clone(), prediction]);
    let paths: Vec<String> = outer.session()?.weights().map(|weight| weight.path()).collect();
    insta::assert_snapshot!(paths.join(" "), @"inner/hidden/kernel inner/hidden/bias inner/sum/kernel inner/sum/bias");
    Ok(())
}

/// The deepest layers first; of one depth in the order of a walk from the outputs. Keras 3.15 has
/// this order of `model.layers` for the same lines.
#[test]
fn layers_have_the_order_of_keras() -> Outcome {
    let (a, b) = (input(2, "a"), input(2, "b"));
    let shared = dense(2, "shared").shared();
    let early = dense(2, "early").on(&b);
    let left = shared.on(&a);
    let right = shared.on(&early);
    let top = dense(1, "top").on(&left);
    let side = dense(1, "side").on(&right);
    let model = Model::new([&a, &b], [&side, &top])?;
    let names: Vec<_> = model.layers().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["b", "early", "a", "shared", "side", "top"]);
    Ok(())
}

#[test]
fn names_are_those_of_keras() -> Outcome {
    let x = Input::new([2]).tensor();
    let first = Dense::new(2).on(&x);
    let named = Dense::new(2).name("dense_1").on(&first);
    let model = Model::new(&x, Dense::new(2).on(&named))?;
    let names: Vec<_> = model.layers().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names, ["input_layer", "dense", "dense_1", "dense_2"]);
    assert_eq!(model.get_layer("dense_1")?.class_name(), "Dense");
    insta::assert_snapshot!(model.get_layer("dence").map(drop).expect_err("a typing error"), @r"
    there is no layer `dence`; did you mean `dense`?
      help: there are input_layer, dense, dense_1, dense_2
    ");
    Ok(())
}

/// The message of a model of these ends, without this file's name.
fn refused(model: Result<Functional, NnError>) -> String {
    let message = match model.and_then(|mut model| model.summarize().map(drop)) {
        Err(error) => error.to_string(),
        Ok(()) => panic!("the model is right"),
    };
    let parts: Vec<&str> = message.split(file!()).collect();
    let digits = |c: char| c == ':' || c.is_ascii_digit();
    let rest = parts.iter().skip(1).map(|part| part.trim_start_matches(digits));
    parts.first().copied().into_iter().chain(rest).collect::<Vec<_>>().join("FILE")
}

#[test]
fn wrong_graphs_are_errors() {
    let (a, b) = (input(2, "a"), input(2, "b"));
    let y = dense(1, "y").on(&a);
    insta::assert_snapshot!(refused(Model::new(&b, &y)), @r"
    the outputs depend on Input `a` of FILE, which is not among the model's inputs
      help: give it to Model::new too, or let the outputs depend on the inputs alone
    ");
    insta::assert_snapshot!(refused(Model::new(&y, dense(1, "z").on(&y))), @r"
    an input of the model is what a layer gives: Dense `y` of FILE
      help: Model::new takes tensors of Input::new([..]).tensor() and what layers make of them
    ");
    insta::assert_snapshot!(refused(Model::new([&a, &a], &y)), @r"
    an input of the model is given twice: Input `a` of FILE
      help: Model::new takes tensors of Input::new([..]).tensor() and what layers make of them
    ");
    insta::assert_snapshot!(refused(Model::new(Vec::<Symbolic>::new(), &y)), @r"
    a model has an input and an output at least
      help: Model::new takes tensors of Input::new([..]).tensor() and what layers make of them
    ");
    insta::assert_snapshot!(refused(Model::new(&a, dense(1, "y").on(&y))), @r"
    layer `y`: another layer has this name already
      at FILE
      help: give one of them another name
    ");
    insta::assert_snapshot!(refused(Model::new(&a, Conv2D::new(1, (2, 2)).on(&a))), @r"
    layer `conv2d`: Conv2D takes images (None, height, width, channels), given (None, 2)
      at FILE
      help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    ");
    insta::assert_snapshot!(refused(Model::new([&a, &b], dense(1, "both").on([&a, &b]))), @r"
    layer `both`: Dense takes (None, .., inputs), given (None, 2), (None, 2)
      at FILE
    ");
    let [_, second] = dense(1, "one").on_all(&a);
    insta::assert_snapshot!(refused(Model::new(&a, &second)), @r"
    layer `one`: the layer gives 1 tensors, one more is used
      at FILE
    ");
}

#[test]
fn a_deep_model_needs_no_deep_stack() -> Outcome {
    let x = input(1, "x");
    let deep = (0..20_000).fold(x.clone(), |x, _| Activation::new("linear").on(&x));
    let mut model = Model::new(&x, &deep)?;
    assert_eq!(model.layers().count(), 20_001);
    assert_eq!(model.count_params()?, 0);
    Ok(())
}

#[test]
fn a_model_comes_back_from_its_config() -> Outcome {
    let (a, b) = (input(2, "a"), input(3, "b"));
    let shared = Dense::new(3).name("shared").shared();
    let joined = shared.on(&b);
    let mut inner = Sequential::new();
    inner.add(Input::new([3]));
    inner.add(Dense::new(2).name("inside"));
    let nested = inner.into_shared()?.on(&joined);
    let mut model = Model::new([&a, &b], [&Dense::new(1).name("left").on(&a), &nested])?;
    let text = model.to_json()?;
    let mut again = Functional::from_json(&text)?;
    assert_eq!(again.to_json()?, text);
    again.set_weights(&model.get_weights()?)?;
    let (x, y) = (Array2::from_elem((2, 2), 0.5_f32), Array2::from_elem((2, 3), 0.25_f32));
    let predicted = model.predict_all_with([&x, &y], quiet())?;
    assert_eq!(again.predict_all_with([&x, &y], quiet())?, predicted);
    Ok(())
}

/// Keras reads the types of tensors from the file, and computes them again for the layers.
#[test]
fn a_tensor_of_a_config_has_a_shape_and_a_type() -> Outcome {
    let index = Input::new([2]).dtype("int32").name("index").tensor();
    let x = Embedding::new(5, 3).name("table").on(&index);
    let model = Model::new(&index, Flatten::new().on([&x]))?;
    let config: serde_json::Value = serde_json::from_str(&model.to_json()?)?;
    let tensor = |layer: usize| {
        config.pointer(&format!("/config/layers/{layer}/inbound_nodes/0/args/0/config"))
    };
    insta::assert_snapshot!(tensor(1).ok_or("a tensor")?, @r#"{"dtype":"int32","keras_history":["index",0,0],"shape":[null,2]}"#);
    insta::assert_snapshot!(tensor(2).ok_or("a tensor")?, @r#"{"dtype":"float32","keras_history":["table",0,0],"shape":[null,2,3]}"#);

    // What does not fit has no types to write.
    let wrong = Model::new(&index, Conv2D::new(1, (1, 1)).name("conv").on(&index))?;
    insta::assert_snapshot!(wrong.to_json().expect_err("an error"), @"
    layer `conv`: Conv2D takes images (None, height, width, channels), given (None, 2)
      at crates/brolga-nn/tests/functional.rs:319
      help: images without a channel axis need one of extent 1: Input::new([28, 28, 1])
    ");
    Ok(())
}

#[test]
fn a_wrong_config_is_an_error() -> Outcome {
    let x = input(2, "x");
    let model = Model::new(&x, dense(1, "y").on(&x))?;
    let text = model.to_json()?;
    let error = |from: &str, to: &str| {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        Functional::from_json(&changed).map(drop).expect_err("a wrong config").to_string()
    };
    insta::assert_snapshot!(error(r#"["x",0,0]"#, r#"["z",0,0]"#), @"Functional: layer `y` takes result 0 of call 0 of `z`, which is not there");
    insta::assert_snapshot!(error(r#""Dense""#, r#""Dence""#), @r"
    there is no layer `Dence`; did you mean `Dense`?
      help: there are Activation, ActivityRegularization, AdaptiveAveragePooling1D, AdaptiveAveragePooling2D, AdaptiveAveragePooling3D, AdaptiveMaxPooling1D, AdaptiveMaxPooling2D, AdaptiveMaxPooling3D, Add, AdditiveAttention, AlphaDropout, Attention, Average, AveragePooling1D, AveragePooling2D, AveragePooling3D, BatchNormalization, Bidirectional, CategoryEncoding, CenterCrop, Concatenate, Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose, Conv3D, Conv3DTranspose, ConvLSTM1D, ConvLSTM2D, ConvLSTM3D, Cropping1D, Cropping2D, Cropping3D, Dense, DepthwiseConv1D, DepthwiseConv2D, Discretization, Dot, Dropout, ELU, EinsumDense, Embedding, Flatten, GRU, GaussianDropout, GaussianNoise, GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D, GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D, GroupNormalization, GroupQueryAttention, Identity, Input, IntegerLookup, LSTM, LayerNormalization, LeakyReLU, Masking, MaxPooling1D, MaxPooling2D, MaxPooling3D, Maximum, MelSpectrogram, Minimum, MultiHeadAttention, Multiply, Normalization, PReLU, Permute, PositionEmbedding, RMSNormalization, RNN, RandomContrast, RandomCrop, RandomFlip, RandomRotation, RandomTranslation, RandomZoom, ReLU, RepeatVector, Rescaling, Reshape, Resizing, ReversibleEmbedding, RotaryEmbedding, STFTSpectrogram, SeparableConv1D, SeparableConv2D, SimpleRNN, SinePositionEncoding, Softmax, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D, Subtract, TimeDistributed, TokenAndPositionEmbedding, UnitNormalization, UpSampling1D, UpSampling2D, UpSampling3D, ZeroPadding1D, ZeroPadding2D, ZeroPadding3D
    ");
    insta::assert_snapshot!(error(r#""Functional""#, r#""Sequential""#), @"Functional: expected the class `Functional`, given `Sequential`");
    insta::assert_snapshot!(error(r#""kwargs":{}"#, r#""kwargs":{"mask":1}"#), @"Functional: layer `y`, call 0: the argument `mask` is no tensor: 1");
    insta::assert_snapshot!(error(r#"{"#, r#"["#), @"model: the text is not JSON: expected `,` or `]` at line 1 column 14");
    Ok(())
}

/// The values of a public report about Keras: 0.7·10²/4, 10²/4, 0.7·10²/(3·0.1 + 0.7).
#[test]
fn class_weights_count_in_the_loss_and_in_weighted_metrics() -> Outcome {
    let x = input(1, "x");
    let same = Dense::new(1).kernel_initializer("ones").on(&x);
    let mut model = Model::new(&x, &same)?;
    let compile = Compile::new()
        .optimizer(SGD::new(0.0))
        .loss("mse")
        .metrics(["mse"])
        .weighted_metrics([metrics::MeanSquaredError::new().name("weighted_mse")]);
    model.compile(compile)?;
    let (x, y) = (array![[1.0_f32], [1.0], [1.0], [10.0]], Array1::from_vec(vec![1, 1, 1, 0]));
    let history = model.fit(&x, &y, fit().class_weight([(0, 0.7), (1, 0.1)]))?;
    let near = |name: &str, value: f64| {
        let given = history.last(name).unwrap_or(f64::NAN);
        assert!((given - value).abs() < 1e-5 * value, "{name}: {given}");
    };
    near("loss", 17.5);
    near("mse", 25.0);
    near("weighted_mse", 70.0);
    Ok(())
}

#[test]
fn integers_go_into_integer_inputs() -> Outcome {
    let x = Input::new([2]).dtype("int32").name("x").tensor();
    let mut model = Model::new(&x, &x)?;
    let graph = model.trace(brolga_nn::Kind::Predict, 3)?;
    assert_eq!(graph.ty(graph.outputs()[0].value).to_string(), "i32[3,2]");
    let wrong = Input::new([2]).dtype("string").tensor();
    insta::assert_snapshot!(refused(Model::new(&wrong, &wrong)), @r"
    layer `input_layer`: the input is declared as `string`
      at FILE
      help: inputs are float32 or int32; arrays of other types are converted
    ");
    Ok(())
}

/// A layer that is known by its trait alone is shared as others are.
#[test]
fn dynamic_layers_are_called_too() -> Outcome {
    let x = input(1, "x");
    let layer: std::sync::Arc<dyn Layer> = std::sync::Arc::new(dense(1, "y"));
    let mut model = Model::new(&x, Shared::of_layer(layer).on(&x))?;
    assert_eq!(model.network().layer_names().len(), 2);
    let prediction: ArrayD<f32> = model.predict_with(&array![[2.0_f32]], quiet())?;
    assert_eq!(prediction, array![[2.0]].into_dyn());
    Ok(())
}

/// Keras 3.15 prints these characters, but for the names that it counts on from model to model.
#[test]
fn a_summary_says_what_layers_are_connected_to() -> Outcome {
    let (a, b) = (input(2, "a"), input(3, "b"));
    let left = dense(4, "left").on(&a);
    let shared = dense(4, "shared").shared();
    let mut model = Model::new([&a, &b], [&shared.on(&left), &dense(1, "right").on(&b)])?;
    insta::assert_snapshot!(model.summarize()?, @r#"
    Model: "functional"
    ┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓
    ┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃ Connected to      ┃
    ┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩
    │ a (InputLayer)      │ (None, 2)         │          0 │ -                 │
    ├─────────────────────┼───────────────────┼────────────┼───────────────────┤
    │ left (Dense)        │ (None, 4)         │         12 │ a[0][0]           │
    ├─────────────────────┼───────────────────┼────────────┼───────────────────┤
    │ b (InputLayer)      │ (None, 3)         │          0 │ -                 │
    ├─────────────────────┼───────────────────┼────────────┼───────────────────┤
    │ shared (Dense)      │ (None, 4)         │         20 │ left[0][0]        │
    ├─────────────────────┼───────────────────┼────────────┼───────────────────┤
    │ right (Dense)       │ (None, 1)         │          4 │ b[0][0]           │
    └─────────────────────┴───────────────────┴────────────┴───────────────────┘
     Total params: 36 (144.00 B)
     Trainable params: 36 (144.00 B)
     Non-trainable params: 0 (0.00 B)
    "#);
    let x = input(2, "x");
    let mut chain = Model::new(&x, dense(1, "y").on(&x))?;
    insta::assert_snapshot!(chain.summarize()?, @r#"
    Model: "functional"
    ┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
    ┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
    ┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
    │ x (InputLayer)                  │ (None, 2)              │             0 │
    ├─────────────────────────────────┼────────────────────────┼───────────────┤
    │ y (Dense)                       │ (None, 1)              │             3 │
    └─────────────────────────────────┴────────────────────────┴───────────────┘
     Total params: 3 (12.00 B)
     Trainable params: 3 (12.00 B)
     Non-trainable params: 0 (0.00 B)
    "#);
    Ok(())
}
