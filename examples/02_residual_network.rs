//! A functional model: a residual network for images of clothes.
//!
//!     cargo run --release --example 02_residual_network
//!     cargo run --release --example 02_residual_network -- --data mnist

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

#[path = "shared/data_set.rs"]
mod data_set;
mod shared;

use std::process::ExitCode;

use brolga::prelude::*;
use clap::Parser;
use data_set::DataSet;
use ndarray::{Axis, Slice, s};
use shared::{Arguments, Outcome};

/// A functional model: a residual network for images of clothes.
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

/// Two convolutions, and around them a path on which nothing is lost: `relu(f(x) + x)`.
fn block(x: &Symbolic, filters: usize, strides: usize) -> Symbolic {
    let convolution =
        |strides| Conv2D::new(filters, 3).strides(strides).padding("same").use_bias(false);
    // Mean and variance follow within some dozen steps, for short trainings too.
    let normalization = || BatchNormalization::new().momentum(0.9);
    let y = normalization().on(convolution(strides).on(x));
    let y = normalization().on(convolution(1).on(ReLU::new().on(y)));
    // Where the shape changes, so must that of the path around.
    let around = match strides {
        1 => x.clone(),
        _ => Conv2D::new(filters, 1).strides(strides).on(x),
    };
    ReLU::new().on(Add::new().on([&y, &around]))
}

fn network() -> Result<Model, NnError> {
    let image = Input::new([28, 28, 1]).tensor();
    let x = Rescaling::new(1.0 / 255.0).on(&image);
    let mut x = Conv2D::new(16, 3).padding("same").activation("relu").on(&x);
    for (filters, strides) in [(16, 1), (32, 2), (32, 1), (64, 2)] {
        x = block(&x, filters, strides);
    }
    let x = GlobalAveragePooling2D::new().on(&x);
    let class = Dense::new(10).activation("softmax").on(&x);
    Ok(Model::new(&image, &class)?.named("residual"))
}

fn classify(args: &Args) -> Outcome {
    let Args { shared, data } = args;
    let folder = shared.folder("02_residual_network")?;
    let ((x_train, y_train), (x_test, y_test)) = data.load()?;
    let count = shared.samples(y_train.len());
    let (x_train, y_train) = (x_train.slice(s![..count, .., .., ..]), y_train.slice(s![..count]));

    let mut model = network()?;
    model.seed(shared.seed)?;
    model.summary()?;
    let compile = shared.compile().optimizer(Adam::new(1e-3)).metrics(["accuracy"]);
    model.compile(compile.loss("sparse_categorical_crossentropy"))?;
    let fit = Fit::new()
        .epochs(shared.epochs(5))
        .batch_size(shared.batch_size)
        .validation_data(&x_test, &y_test);
    let history = model.fit(&x_train, &y_train, fit)?;

    let predictions = model.predict(&x_test)?;
    let matrix = ConfusionMatrix::of(&y_test, &predictions)?.class_names(data.class_names())?;
    println!("{matrix}");
    println!("Test accuracy: {:.2} %", 100.0 * matrix.accuracy());

    let options = PlotModel::new().show_shapes(true).show_layer_names(true);
    plot_model(&mut model, folder.join("model.svg"), options)?;
    history.plot().title("A residual network").save_svg(folder.join("history.svg"))?;
    matrix.save_svg(folder.join("confusion.svg"))?;
    let first = Slice::from(..24);
    let images = x_test.slice_axis(Axis(0), first);
    let (labels, predicted) =
        (y_test.slice_axis(Axis(0), first), predictions.slice_axis(Axis(0), first));
    let grid = ImageGrid::new(&images).predictions(&labels, &predicted).columns(6);
    grid.class_names(data.class_names()).save_svg(folder.join("predictions.svg"))?;
    println!("Wrote model, history, confusion and predictions (.svg) to {}", folder.display());
    Ok(())
}
