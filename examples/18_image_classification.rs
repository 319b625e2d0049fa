//! Clothes, as well as a small network can tell them apart: a residual network that never sees the
//! same picture twice.
//!
//! Before each step the pictures are mirrored and moved by up to two pixels; the learning rate
//! rises for an epoch and then falls along a cosine; what is tested are the averages of the weights
//! over the last steps.
//!
//!     cargo run --release --example 18_image_classification
//!     cargo run --release --example 18_image_classification -- --data mnist

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

#[path = "shared/data_set.rs"]
mod data_set;
mod shared;

use std::process::ExitCode;

use brolga::nn::losses::SparseCategoricalCrossentropy;
use brolga::nn::optimizers::schedules::CosineDecay;
use brolga::prelude::*;
use clap::Parser;
use data_set::DataSet;
use ndarray::{Axis, Slice, s};
use shared::{Arguments, Outcome};

/// Clothes, as well as a small network can tell them apart.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    shared: Arguments,
    /// The images.
    #[arg(long, value_enum, default_value = "fashion-mnist")]
    data: DataSet,
}

fn main() -> ExitCode {
    shared::run(classify)
}

fn convolution(x: &Symbolic, filters: usize, size: usize, strides: usize) -> Symbolic {
    let convolution = Conv2D::new(filters, size).strides(strides).padding("same").use_bias(false);
    let initializer = "he_normal";
    BatchNormalization::new().momentum(0.9).on(convolution.kernel_initializer(initializer).on(x))
}

/// Two convolutions, and around them a path on which nothing is lost: `relu(f(x) + x)`.
fn block(x: &Symbolic, filters: usize, strides: usize) -> Symbolic {
    let y = ReLU::new().on(convolution(x, filters, 3, strides));
    let y = convolution(&y, filters, 3, 1);
    // Where the shape changes, so must that of the path around.
    let around = match strides {
        1 => x.clone(),
        _ => convolution(x, filters, 1, strides),
    };
    ReLU::new().on(Add::new().on([&y, &around]))
}

fn network(data: DataSet) -> Result<Model, NnError> {
    let image = Input::new([28, 28, 1]).tensor();
    let mut x = Rescaling::new(1.0 / 127.5).offset(-1.0).on(&image);
    // A mirrored shoe is a shoe, a mirrored 3 is no digit.
    if data == DataSet::FashionMnist {
        x = RandomFlip::new("horizontal").on(&x);
    }
    x = RandomTranslation::new(2.0 / 28.0, 2.0 / 28.0)
        .interpolation("nearest")
        .fill_mode("constant")
        .fill_value(-1.0)
        .on(&x);
    x = ReLU::new().on(convolution(&x, 16, 3, 1));
    for (filters, strides) in [(16, 1), (48, 2), (48, 1), (96, 2), (96, 1)] {
        x = block(&x, filters, strides);
    }
    let x = Dropout::new(0.2).on(GlobalAveragePooling2D::new().on(&x));
    let class = Dense::new(10).on(&x);
    Ok(Model::new(&image, &class)?.named("image_classification"))
}

fn classify(args: &Args) -> Outcome {
    let Args { shared, data } = args;
    let folder = shared.folder("18_image_classification")?;
    let ((x_train, y_train), (x_test, y_test)) = data.load()?;
    let count = shared.samples(y_train.len());
    let (x_train, y_train) = (x_train.slice(s![..count, .., .., ..]), y_train.slice(s![..count]));

    let mut model = network(*data)?;
    model.seed(shared.seed)?;
    model.summary()?;
    let epochs = shared.epochs(12);
    let steps = count.div_ceil(shared.batch_size) as f64;
    let warm = steps.min(steps * epochs as f64 / 4.0);
    let rate = CosineDecay::new(0.0, steps * epochs as f64 - warm).warmup(0.05, warm);
    let optimizer = SGD::new(rate).momentum(0.9).nesterov(true).weight_decay(5e-4);
    let optimizer = optimizer.use_ema(true).ema_momentum(0.998);
    let loss = SparseCategoricalCrossentropy::new().from_logits(true);
    model.compile(shared.compile().optimizer(optimizer).loss(loss).metrics(["accuracy"]))?;
    let fit = Fit::new()
        .epochs(epochs)
        .batch_size(shared.batch_size)
        .validation_data(&x_test, &y_test)
        .callback(SwapEMAWeights::new());
    let history = model.fit(&x_train, &y_train, fit)?;

    let predictions = model.predict(&x_test)?;
    let matrix = ConfusionMatrix::of(&y_test, &predictions)?.class_names(data.class_names())?;
    println!("{matrix}");
    println!("Test accuracy: {:.2} %", 100.0 * matrix.accuracy());

    model.save_weights(folder.join("weights.safetensors"))?;
    history.plot().title("Clothes").save_svg(folder.join("history.svg"))?;
    matrix.save_svg(folder.join("confusion.svg"))?;
    let first = Slice::from(..24);
    let images = x_test.slice_axis(Axis(0), first);
    let (labels, predicted) =
        (y_test.slice_axis(Axis(0), first), predictions.slice_axis(Axis(0), first));
    let grid = ImageGrid::new(&images).predictions(&labels, &predicted).columns(6);
    grid.class_names(data.class_names()).save_svg(folder.join("predictions.svg"))?;
    println!("Wrote weights, history, confusion and predictions to {}", folder.display());
    Ok(())
}
