//! Pictures of models: what they show, and that it can be read.

mod parsed;

use std::path::Path;

use parsed::Parsed;

use super::*;
use crate::applications::{
    Architecture, densenet121, efficientnet_b0, mobilenet_v2, resnet50, xception,
};
use crate::prelude::{
    Add, Concatenate, Conv2D, Dense, Dropout, Embedding, Flatten, Input, MaxPooling2D, Sequential,
};
use crate::prelude::{Apply as _, BatchNormalization, Model as Functional};

/// Everything that can be shown.
fn all() -> PlotModel {
    PlotModel::new()
        .show_shapes(true)
        .show_dtype(true)
        .show_layer_names(true)
        .show_layer_activations(true)
        .show_trainable(true)
        .expand_nested(true)
}

/// What a picture shows. It is checked, and left where one can look at it.
fn picture<N: Network>(name: &str, model: &mut Model<N>, options: &PlotModel) -> Parsed {
    let svg = options.to_svg(model).expect("a model that is built");
    if let Ok(folder) = std::env::var("BROLGA_PICTURES") {
        std::fs::write(Path::new(&folder).join(format!("{name}.svg")), &svg).expect("a folder");
    }
    Parsed::of(&svg)
}

fn convolutional() -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([28, 28, 1]));
    model.add(Conv2D::new(32, (3, 3)).activation("relu"));
    model.add(MaxPooling2D::new((2, 2)));
    model.add(Flatten::new());
    model.add(Dense::new(10).activation("softmax").trainable(false));
    model
}

/// Two inputs, one of them indices; a layer that is called twice; a model inside of a model inside
/// of this one; two outputs.
fn branching() -> Functional {
    let inner = Input::new([8]).tensor();
    let inner_model =
        Functional::new(&inner, Dense::new(8).on(&inner)).expect("a model").named("inner");
    let [a, b] = [(); 2].map(|()| Input::new([8]).tensor());
    let inside = inner_model.into_shared().expect("memory").on(&a);
    let sum = Add::new().name("sum").on([&inside, &b]);
    let difference = Dense::new(3).name("difference").on(&sum);
    let outer = Functional::new([&a, &b], [&sum, &difference]).expect("a model").named("outer");
    let words = Input::new([4]).dtype("int32").name("words").tensor();
    let numbers = Input::new([8]).name("numbers").tensor();
    let found = Flatten::new().on(Embedding::new(100, 2).on(&words));
    let encoder = Dense::new(8).activation("tanh").name("encoder").shared();
    let (left, right) = (encoder.on(&found), encoder.on(&numbers));
    let [sum, difference] = outer.into_shared().expect("memory").on_all([&left, &right]);
    let both = Concatenate::new().on([&sum, &numbers]);
    let first = Dense::new(1).activation("sigmoid").name("first").on(&both);
    let second = Dropout::new(0.5).name("second").on(&difference);
    Functional::new([&words, &numbers], [&first, &second]).expect("a model")
}

#[test]
fn a_chain_has_a_box_for_each_layer() {
    insta::assert_snapshot!(picture("chain", &mut convolutional(), &all()), @"
    [input_layer (InputLayer)] output (None, 28, 28, 1); dtype float32
    [conv2d (Conv2D)] activation relu; input (None, 28, 28, 1); output (None, 26, 26, 32); dtype float32; trainable yes
    [max_pooling2d (MaxPooling2D)] input (None, 26, 26, 32); output (None, 13, 13, 32); dtype float32
    [flatten (Flatten)] input (None, 13, 13, 32); output (None, 5408); dtype float32
    [dense (Dense)] activation softmax; input (None, 5408); output (None, 10); dtype float32; trainable no
    input_layer (InputLayer) -> conv2d (Conv2D)
    conv2d (Conv2D) -> max_pooling2d (MaxPooling2D)
    max_pooling2d (MaxPooling2D) -> flatten (Flatten)
    flatten (Flatten) -> dense (Dense)
    ");
    insta::assert_snapshot!(picture("plain", &mut convolutional(), &PlotModel::new()), @"
    [InputLayer]
    [Conv2D]
    [MaxPooling2D]
    [Flatten]
    [Dense]
    InputLayer -> Conv2D
    Conv2D -> MaxPooling2D
    MaxPooling2D -> Flatten
    Flatten -> Dense
    ");
}

#[test]
fn shared_layers_and_nested_models_are_connected() {
    insta::assert_snapshot!(picture("expanded", &mut branching(), &all()), @"
    (outer (Functional))
    (inner (Functional))
    [words (InputLayer)] output (None, 4); dtype int32
    [embedding (Embedding)] input (None, 4); output (None, 4, 2); dtype float32; trainable yes
    [flatten (Flatten)] input (None, 4, 2); output (None, 8); dtype float32
    [numbers (InputLayer)] output (None, 8); dtype float32
    [encoder (Dense)] activation tanh; input (None, 8); output (None, 8); dtype float32; trainable yes
    [input_layer (InputLayer)] output (None, 8); dtype float32
    [input_layer (InputLayer)] output (None, 8); dtype float32
    [dense (Dense)] activation linear; input (None, 8); output (None, 8); dtype float32; trainable yes
    [input_layer_1 (InputLayer)] output (None, 8); dtype float32
    [sum (Add)] input [(None, 8), (None, 8)]; output (None, 8); dtype float32
    [difference (Dense)] activation linear; input (None, 8); output (None, 3); dtype float32; trainable yes
    [concatenate (Concatenate)] input [(None, 8), (None, 8)]; output (None, 16); dtype float32
    [first (Dense)] activation sigmoid; input (None, 16); output (None, 1); dtype float32; trainable yes
    [second (Dropout)] input (None, 3); output (None, 3); dtype float32
    input_layer (InputLayer) -> dense (Dense)
    input_layer (InputLayer) -> input_layer (InputLayer)
    dense (Dense) -> sum (Add)
    input_layer_1 (InputLayer) -> sum (Add)
    sum (Add) -> difference (Dense)
    words (InputLayer) -> embedding (Embedding)
    embedding (Embedding) -> flatten (Flatten)
    flatten (Flatten) -> encoder (Dense)
    numbers (InputLayer) -> encoder (Dense)
    encoder (Dense) -> input_layer (InputLayer)
    encoder (Dense) -> input_layer_1 (InputLayer)
    sum (Add) -> concatenate (Concatenate)
    numbers (InputLayer) -> concatenate (Concatenate)
    concatenate (Concatenate) -> first (Dense)
    difference (Dense) -> second (Dropout)
    ");
    let options = all().expand_nested(false).show_dtype(false).show_trainable(false);
    insta::assert_snapshot!(picture("nested", &mut branching(), &options), @"
    [words (InputLayer)] output (None, 4)
    [embedding (Embedding)] input (None, 4); output (None, 4, 2)
    [flatten (Flatten)] input (None, 4, 2); output (None, 8)
    [numbers (InputLayer)] output (None, 8)
    [encoder (Dense)] activation tanh; input (None, 8); output (None, 8)
    [outer (Functional)] input [(None, 8), (None, 8)]; output [(None, 8), (None, 3)]
    [concatenate (Concatenate)] input [(None, 8), (None, 8)]; output (None, 16)
    [first (Dense)] activation sigmoid; input (None, 16); output (None, 1)
    [second (Dropout)] input (None, 3); output (None, 3)
    words (InputLayer) -> embedding (Embedding)
    embedding (Embedding) -> flatten (Flatten)
    flatten (Flatten) -> encoder (Dense)
    numbers (InputLayer) -> encoder (Dense)
    encoder (Dense) -> outer (Functional)
    encoder (Dense) -> outer (Functional)
    outer (Functional) -> concatenate (Concatenate)
    numbers (InputLayer) -> concatenate (Concatenate)
    concatenate (Concatenate) -> first (Dense)
    outer (Functional) -> second (Dropout)
    ");
}

#[test]
fn every_direction_can_be_read() {
    for rankdir in ["TB", "BT", "LR", "RL"] {
        let parsed = picture(rankdir, &mut branching(), &all().rankdir(rankdir));
        assert_eq!((parsed.boxes.len(), parsed.frames.len(), parsed.arrows.len()), (14, 2, 15));
    }
}

#[test]
fn a_small_picture_is_this_svg() {
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(2));
    insta::assert_snapshot!(PlotModel::new().show_shapes(true).to_svg(&mut model).expect("a model"), @r##"
    <svg font-family="Helvetica, Arial, DejaVu Sans, sans-serif" height="187" viewBox="0 0 166.65 187" width="166.65" xmlns="http://www.w3.org/2000/svg">
    <title>The model sequential</title>
    <rect fill="white" height="187" width="166.65" x="0" y="0"/>
    <defs>
    <marker id="head" markerHeight="8" markerUnits="userSpaceOnUse" markerWidth="8" orient="auto" refX="8" refY="4" viewBox="0 0 8 8">
    <path d="M0,0 L8,4 L0,8 Z" fill="#1f2a3c"/>
    </marker>
    </defs>
    <path class="arrow" d="M83.33,65 L83.33,101" fill="none" marker-end="url(#head)" stroke="#1f2a3c" stroke-width="1.3"/>
    <g class="layer">
    <rect fill="#2b3f5c" height="49" rx="5" width="134.65" x="16" y="16"/>
    <text fill="white" font-size="13" text-anchor="middle" x="83.33" y="34.55">
    InputLayer
    </text>
    <path d="M17,44 H149.65 V60 Q149.65,64 145.65,64 H21 Q17,64 17,60 Z" fill="white"/>
    <text fill="#66707f" font-size="13" text-anchor="start" x="26" y="59.05">
    output
    </text>
    <text fill="#1f2a3c" font-size="13" text-anchor="start" x="79.42" y="59.05">
    (None, 4)
    </text>
    </g>
    <g class="layer">
    <rect fill="#2b3f5c" height="70" rx="5" width="134.65" x="16" y="101"/>
    <text fill="white" font-size="13" text-anchor="middle" x="83.33" y="119.55">
    Dense
    </text>
    <path d="M17,129 H149.65 V166 Q149.65,170 145.65,170 H21 Q17,170 17,166 Z" fill="white"/>
    <text fill="#66707f" font-size="13" text-anchor="start" x="26" y="144.05">
    input
    </text>
    <text fill="#1f2a3c" font-size="13" text-anchor="start" x="79.42" y="144.05">
    (None, 4)
    </text>
    <text fill="#66707f" font-size="13" text-anchor="start" x="26" y="165.05">
    output
    </text>
    <text fill="#1f2a3c" font-size="13" text-anchor="start" x="79.42" y="165.05">
    (None, 2)
    </text>
    </g>
    </svg>
    "##);
}

/// Boxes overlap nothing, texts fit, and no arrow crosses a box: `Parsed::of` sees to it.
#[test]
fn known_architectures_can_be_read() {
    let architecture = || Architecture::new().input_shape([64, 64, 3]).classes(10);
    let models = [
        ("resnet50", resnet50(architecture())),
        ("mobilenet_v2", mobilenet_v2(architecture())),
        ("densenet121", densenet121(architecture())),
        ("efficientnet_b0", efficientnet_b0(architecture())),
        ("xception", xception(Architecture::new().input_shape([96, 96, 3]))),
    ];
    for (name, model) in models {
        let mut model = model.expect("an architecture");
        let parsed =
            picture(name, &mut model, &PlotModel::new().show_shapes(true).show_layer_names(true));
        let tensors = model.to_json().expect("Keras's layers").matches("__keras_tensor__").count();
        assert_eq!((name, parsed.arrows.len()), (name, tensors));
    }
}

#[test]
fn residual_blocks_of_all_widths_can_be_read() {
    let image = Input::new([16, 16, 4]).tensor();
    let mut x = image.clone();
    for width in 0..4 {
        let mut branches = vec![x.clone()];
        for depth in 0..width {
            let mut branch = x.clone();
            for _ in 0..=depth {
                branch =
                    BatchNormalization::new().on(Conv2D::new(4, 3).padding("same").on(&branch));
            }
            branches.push(branch);
        }
        branches.push(x.clone());
        x = Add::new().on(branches);
    }
    let mut model = Functional::new(&image, &x).expect("a model");
    for rankdir in ["TB", "LR"] {
        let parsed = picture("residual", &mut model, &all().rankdir(rankdir));
        let connections = parsed.connections();
        assert!(!connections.iter().flatten().any(|&end| end == "nothing"), "{connections:?}");
    }
}

#[test]
fn what_cannot_be_drawn_is_an_error() {
    let error = |options: PlotModel, model: &mut Sequential| {
        options.to_svg(model).expect_err("no picture").to_string()
    };
    insta::assert_snapshot!(error(PlotModel::new().rankdir("LT"), &mut convolutional()), @"
    there is no rankdir `LT`
      help: there are TB, BT, LR, RL
    ");
    let mut unbuilt = Sequential::new();
    unbuilt.add(Dense::new(1));
    insta::assert_snapshot!(error(PlotModel::new(), &mut unbuilt), @"
    plot_model: the model is not built: it does not know the shape of its input
      help: let the first layer be `Input::new([..])`, or train the model first
    ");
    insta::assert_snapshot!(error(PlotModel::new(), &mut Sequential::new()), @"
    the model has no layers
      help: add some: model.add(Dense::new(10))
    ");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.svg");
    plot_model(&mut convolutional(), &path, PlotModel::new()).expect("a writable folder");
    assert!(std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with("<svg")));
    let wrong = plot_model(&mut convolutional(), path.with_extension("png"), PlotModel::new());
    insta::assert_snapshot!(wrong.expect_err("no SVG").to_string().replace(&*folder.path().to_string_lossy(), "DIR"), @"
    DIR/model.png: pictures are written as SVG
      help: let the name end with .svg; browsers show such files, and programs such as rsvg-convert and Inkscape make PNG of them
    ");
}
