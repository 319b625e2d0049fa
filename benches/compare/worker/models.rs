//! The models of the comparison, each written once: the workers in Python read it as Keras's JSON.

use std::f32::consts::SQRT_2;

use brolga::nn::applications::{Architecture, densenet121, mobilenet_v2, resnet50, vgg19};
use brolga::nn::model::IntoSymbolic;
use brolga::prelude::*;

use crate::Result;

/// A model, what it is trained for, and on what.
pub(crate) struct Task {
    pub(crate) model: Model,
    pub(crate) loss: &'static str,
    pub(crate) data: Data,
    /// The factor of first kernels, with which signals keep their size on the way through many
    /// layers, so that results can be told apart.
    pub(crate) gain: f32,
    pub(crate) optimizer: Trainer,
}

/// The optimizer of a training.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trainer {
    /// Adam with a rate of 0.001.
    Adam,
    /// Plain gradient descent with a rate of 0.01, by the rows that occur where a peer can.
    Sgd,
}

/// A batch for a model.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    /// Images of MNIST and their labels.
    Digits,
    /// Images of MNIST, which are the targets too.
    Images,
    /// Numbers that follow from their places; integers below the bound for inputs, below the last
    /// number for labels.
    Noise { integers: u32, classes: u32 },
    /// The same for inputs, and labels that are sequences of some numbers from 1 to the last one, and
    /// then zeros.
    Sequences { last: u32 },
}

/// Rows of a table: columns of categories, the categories of each, columns of numbers.
const COLUMNS: usize = 26;
const CATEGORIES: usize = 1000;
const NUMBERS: usize = 13;
/// Tokens of texts.
const VOCABULARY: usize = 10_000;
/// The extents of transformers.
const WIDTH: usize = 128;
const HEADS: usize = 4;
/// Keys of a cache.
const KEYS: usize = 64;
/// Rows of the large table.
const ROWS: usize = 1_000_000;

/// The model of this name, compiled without metrics: no peer computes any.
pub(crate) fn task(name: &str, dropout: bool) -> Result<Task> {
    const CLASSES: &str = "sparse_categorical_crossentropy";
    let task = |model, loss, data| Task { model, loss, data, gain: 1.0, optimizer: Trainer::Adam };
    let digits = |model| task(model, CLASSES, Data::Digits);
    let noise = |model, loss, classes| {
        task(model, loss, Data::Noise { integers: CATEGORIES as u32, classes })
    };
    let plain = |model| Task { gain: SQRT_2, ..noise(model, CLASSES, 10) };
    Ok(match name {
        "mnist_cnn" => digits(mnist_cnn(dropout)?),
        "mlp" => digits(mlp(dropout)?),
        "lenet5" => digits(lenet5()?),
        "autoencoder" => task(autoencoder()?, "binary_crossentropy", Data::Images),
        "residual" => noise(residual()?, CLASSES, 10),
        "separable" => noise(separable()?, CLASSES, 10),
        "tabular" => noise(tabular()?, "binary_crossentropy", 2),
        "tanh" => noise(tanh()?, "mean_squared_error", 0),
        "lstm" => task(lstm()?, CLASSES, Data::Noise { integers: VOCABULARY as u32, classes: 10 }),
        "gru" => noise(gru()?, CLASSES, 10),
        "transformer" => noise(transformer(64, 0.0)?, CLASSES, 10),
        "transformer512" => noise(transformer(512, if dropout { 0.1 } else { 0.0 })?, CLASSES, 10),
        "speech_ctc" => task(speech_ctc()?, "ctc", Data::Sequences { last: 10 }),
        "two_towers" => Task {
            optimizer: Trainer::Sgd,
            ..task(
                two_towers()?,
                "mean_squared_error",
                Data::Noise { integers: ROWS as u32, classes: 0 },
            )
        },
        "generation" => task(
            generation()?,
            "mean_squared_error",
            Data::Noise { integers: KEYS as u32, classes: 0 },
        ),
        "resnet50" => noise(resnet50(Architecture::new())?, CLASSES, 10),
        "vgg19" => plain(vgg19(Architecture::new())?),
        "densenet121" => noise(densenet121(Architecture::new())?, CLASSES, 10),
        "mobilenet_v2" => plain(mobilenet_v2(Architecture::new())?),
        other => return Err(format!("there is no model `{other}`").into()),
    })
}

/// A classifier of texts: 100 tokens.
fn lstm() -> std::result::Result<Model, NnError> {
    let tokens = Input::new([100]).dtype("int32").tensor();
    let x = Embedding::new(VOCABULARY, 128).on(&tokens);
    Model::new(&tokens, probabilities(&LSTM::new(128).on(&x)))
}

/// A classifier of sequences of 200 vectors.
fn gru() -> std::result::Result<Model, NnError> {
    let x = Input::new([200, 32]).tensor();
    Model::new(&x, probabilities(&Bidirectional::new(GRU::new(64)).on(&x)))
}

/// What follows attention in a layer of a transformer.
fn fed_forward(x: &Symbolic, attended: &Symbolic) -> Symbolic {
    let x = LayerNormalization::new().on(Add::new().on([x, attended]));
    let h = Dense::new(WIDTH).on(Dense::new(4 * WIDTH).activation("relu").on(&x));
    LayerNormalization::new().on(Add::new().on([&x, &h]))
}

/// A classifier of sequences of vectors: two layers of Vaswani et al., "Attention is all you need"
/// (2017).
fn transformer(steps: usize, dropout: f64) -> std::result::Result<Model, NnError> {
    let given = Input::new([steps, WIDTH]).tensor();
    let mut x = given.clone();
    for _ in 0..2 {
        let attention = MultiHeadAttention::new(HEADS, WIDTH / HEADS).dropout(dropout);
        x = fed_forward(&x, &attention.on([&x, &x]));
    }
    Model::new(&given, probabilities(&GlobalAveragePooling1D::new().on(&x)))
}

/// One vector of a sequence through such layers, with the keys and values of those before it.
fn generation() -> std::result::Result<Model, NnError> {
    let given = Input::new([1, WIDTH]).name("vector").tensor();
    let index = Input::new([1]).dtype("int32").name("index").tensor();
    let mut inputs = vec![given.clone(), index.clone()];
    let (mut x, mut outputs) = (given, vec![]);
    for layer in 0..2 {
        let cache = Input::new([2, KEYS, HEADS, WIDTH / HEADS]).name(format!("cache{layer}"));
        let cache = cache.tensor();
        let arguments = CallArguments::of([&x, &x]).use_causal_mask(true).cache(&cache, &index);
        let attention = MultiHeadAttention::new(HEADS, WIDTH / HEADS).shared();
        let [attended, next] = attention.on_all(arguments);
        x = fed_forward(&x, &attended);
        inputs.push(cache);
        outputs.push(next);
    }
    outputs.insert(0, Dense::new(10).on(&x));
    Model::new(inputs, outputs)
}

/// Mel spectrograms of 200 frames to ten symbols and the blank.
fn speech_ctc() -> std::result::Result<Model, NnError> {
    let frames = Input::new([200, 80]).tensor();
    let convolution = Conv1D::new(128, 5).strides(2).padding("same").activation("relu");
    let x = GRU::new(128).return_sequences(true).on(convolution.on(&frames));
    Model::new(&frames, Dense::new(11).on(&x))
}

/// Scores of a user, of whom a table has a row, and an item of 32 features.
fn two_towers() -> std::result::Result<Model, NnError> {
    let user = Input::new([1]).dtype("int32").name("user").tensor();
    let item = Input::new([32]).name("item").tensor();
    let row = Flatten::new().on(Embedding::new(ROWS, 64).on(&user));
    let tower = |x: &Symbolic| Dense::new(64).on(Dense::new(64).activation("relu").on(x));
    Model::new([&user, &item], Dot::new(1).on([&tower(&row), &tower(&item)]))
}

fn probabilities(x: &Symbolic) -> Symbolic {
    Dense::new(10).activation("softmax").on(x)
}

fn mnist_cnn(dropout: bool) -> std::result::Result<Model, NnError> {
    let image = Input::new([28, 28, 1]).tensor();
    let mut x = image.clone();
    for filters in [32, 64] {
        x = Conv2D::new(filters, (3, 3)).activation("relu").on(&x);
        x = MaxPooling2D::new((2, 2)).on(&x);
    }
    x = Dense::new(128).activation("relu").on(Flatten::new().on(&x));
    if dropout {
        x = Dropout::new(0.5).on(&x);
    }
    Model::new(&image, probabilities(&x))
}

fn mlp(dropout: bool) -> std::result::Result<Model, NnError> {
    let pixels = Input::new([28 * 28]).tensor();
    let mut x = pixels.clone();
    for _ in 0..2 {
        x = Dense::new(512).activation("relu").on(&x);
        if dropout {
            x = Dropout::new(0.2).on(&x);
        }
    }
    Model::new(&pixels, probabilities(&x))
}

/// LeCun et al., "Gradient-based learning applied to document recognition" (1998), with ReLU and
/// maxima.
fn lenet5() -> std::result::Result<Model, NnError> {
    let image = Input::new([28, 28, 1]).tensor();
    let mut x = image.clone();
    for (filters, padding) in [(6, "same"), (16, "valid")] {
        x = Conv2D::new(filters, (5, 5)).padding(padding).activation("relu").on(&x);
        x = MaxPooling2D::new((2, 2)).on(&x);
    }
    x = Flatten::new().on(&x);
    for units in [120, 84] {
        x = Dense::new(units).activation("relu").on(&x);
    }
    Model::new(&image, probabilities(&x))
}

/// Keras's example "Convolutional autoencoder for image denoising".
fn autoencoder() -> std::result::Result<Model, NnError> {
    let image = Input::new([28, 28, 1]).tensor();
    let mut x = image.clone();
    for _ in 0..2 {
        x = Conv2D::new(32, (3, 3)).activation("relu").padding("same").on(&x);
        x = MaxPooling2D::new((2, 2)).padding("same").on(&x);
    }
    for _ in 0..2 {
        let wider = Conv2DTranspose::new(32, (3, 3)).strides((2, 2));
        x = wider.activation("relu").padding("same").on(&x);
    }
    let y = Conv2D::new(1, (3, 3)).activation("sigmoid").padding("same").on(&x);
    Model::new(&image, y)
}

fn convolved(x: &Symbolic, filters: usize, kernel: usize, stride: usize) -> Symbolic {
    let convolution = Conv2D::new(filters, (kernel, kernel)).strides((stride, stride));
    BatchNormalization::new().on(convolution.padding("same").use_bias(false).on(x))
}

fn relu(x: impl IntoSymbolic) -> Symbolic {
    Activation::new("relu").on(x)
}

/// Eight layers: a stem, three blocks of two convolutions, the classifier. He et al., "Deep
/// residual learning for image recognition" (2015), section 4.2.
fn residual() -> std::result::Result<Model, NnError> {
    let image = Input::new([32, 32, 3]).tensor();
    let mut x = relu(convolved(&image, 16, 3, 1));
    for (filters, stride) in [(16, 1), (32, 2), (64, 2)] {
        let y = relu(convolved(&x, filters, 3, stride));
        let y = convolved(&y, filters, 3, 1);
        let shortcut = if stride == 1 { x } else { convolved(&x, filters, 1, stride) };
        x = relu(Add::new().on([&shortcut, &y]));
    }
    Model::new(&image, probabilities(&GlobalAveragePooling2D::new().on(&x)))
}

/// Six blocks of Howard et al., "MobileNets" (2017).
fn separable() -> std::result::Result<Model, NnError> {
    let image = Input::new([32, 32, 3]).tensor();
    let mut x = relu(convolved(&image, 32, 3, 1));
    for (filters, stride) in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] {
        let depthwise = DepthwiseConv2D::new((3, 3)).strides((stride, stride));
        x = depthwise.padding("same").use_bias(false).on(&x);
        x = relu(BatchNormalization::new().on(&x));
        x = relu(convolved(&x, filters, 1, 1));
    }
    Model::new(&image, probabilities(&GlobalAveragePooling2D::new().on(&x)))
}

/// An embedding of 16 numbers for each column of categories, then two layers of 64.
fn tabular() -> std::result::Result<Model, NnError> {
    let column = |index| Input::new([1]).dtype("int32").name(format!("column{index}")).tensor();
    let mut inputs: Vec<Symbolic> = (0..COLUMNS).map(column).collect();
    let embedded = inputs.iter().map(|x| Embedding::new(CATEGORIES, 16).on(x));
    let embedded = Flatten::new().on(Concatenate::new().on(embedded.collect::<Vec<_>>()));
    let numbers = Input::new([NUMBERS]).name("numbers").tensor();
    let mut x = Concatenate::new().on([&embedded, &numbers]);
    inputs.push(numbers);
    for _ in 0..2 {
        x = Dense::new(64).activation("relu").on(&x);
    }
    Model::new(inputs, Dense::new(1).activation("sigmoid").on(&x))
}

fn tanh() -> std::result::Result<Model, NnError> {
    let row = Input::new([4]).tensor();
    let mut x = row.clone();
    for units in [32, 16] {
        x = Dense::new(units).activation("tanh").on(&x);
    }
    Model::new(&row, Dense::new(4).on(&x))
}
