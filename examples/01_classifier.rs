//! The first model: which digit does an image show?
//!
//!     cargo run --release --example 01_classifier

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::process::ExitCode;

use brolga::data::mnist;
use brolga::prelude::*;
use ndarray::{Slice, s};
use shared::{Arguments, Outcome};

fn main() -> ExitCode {
    shared::run(classify)
}

fn classify(args: &Arguments) -> Outcome {
    let folder = args.folder("01_classifier")?;

    // Grey images of 28 × 28 pixels, 60,000 and 10,000, and the digits that they show.
    let ((x_train, y_train), (x_test, y_test)) = mnist::load_data()?;
    let count = args.samples(y_train.len());
    let (x_train, y_train) = (x_train.slice(s![..count, .., ..]), y_train.slice(s![..count]));

    let mut model = Sequential::new();
    model.seed(args.seed)?;
    model.add(Input::new([28, 28]));
    model.add(Rescaling::new(1.0 / 255.0));
    model.add(Flatten::new());
    model.add(Dense::new(128).activation("relu"));
    model.add(Dropout::new(0.2));
    model.add(Dense::new(10).activation("softmax"));
    model.summary()?;

    let compile = args.compile().optimizer("adam").loss("sparse_categorical_crossentropy");
    model.compile(compile.metrics(["accuracy"]))?;
    let fit = Fit::new()
        .epochs(args.epochs(5))
        .batch_size(args.batch_size)
        .validation_data(&x_test, &y_test);
    let history = model.fit(&x_train, &y_train, fit)?;

    // A row of ten probabilities for each image: the largest one is the prediction.
    let predictions = model.predict(&x_test)?;
    let matrix = ConfusionMatrix::of(&y_test, &predictions)?;
    println!("{matrix}");
    println!("Test accuracy: {:.2} %", 100.0 * matrix.accuracy());

    plot_model(&mut model, folder.join("model.svg"), PlotModel::new().show_shapes(true))?;
    history.plot().title("Digits").save_svg(folder.join("history.svg"))?;
    matrix.save_svg(folder.join("confusion.svg"))?;
    let images = x_test.slice(s![..40, .., ..]);
    let (labels, predicted) =
        (y_test.slice(s![..40]), predictions.slice_axis(ndarray::Axis(0), Slice::from(..40)));
    let grid = ImageGrid::new(&images).predictions(&labels, &predicted).columns(10);
    grid.save_svg(folder.join("predictions.svg"))?;
    println!("Wrote model, history, confusion and predictions (.svg) to {}", folder.display());
    Ok(())
}
