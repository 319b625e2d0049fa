//! Augmentation: a thousand images, and each of them differs from epoch to epoch.
//!
//! Two models learn from the same images; one of them begins with layers that move, turn, zoom and
//! mirror them at random, which they do in training alone.
//!
//!     cargo run --release --example 08_augmentation

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

#[path = "shared/data_set.rs"]
mod data_set;
mod shared;

use std::process::ExitCode;

use brolga::prelude::*;
use clap::Parser;
use data_set::DataSet;
use ndarray::s;
use shared::{Arguments, Outcome};

/// Augmentation: a thousand images, and each of them differs from epoch to epoch.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    shared: Arguments,
    /// The images.
    #[arg(long, value_enum, default_value = "mnist")]
    data: DataSet,
}

fn main() -> ExitCode {
    shared::run(augment)
}

fn network(data: DataSet, is_augmented: bool) -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([28, 28, 1]));
    model.add(Rescaling::new(1.0 / 255.0));
    if is_augmented {
        model.add(RandomTranslation::new(0.1, 0.1).fill_mode("constant"));
        model.add(RandomRotation::new(0.03).fill_mode("constant"));
        model.add(RandomZoom::new(0.1).fill_mode("constant"));
        // A mirrored shoe is a shoe, a mirrored 3 is no digit.
        if data == DataSet::FashionMnist {
            model.add(RandomFlip::new("horizontal"));
        }
    }
    model.add(Conv2D::new(16, 3).activation("relu"));
    model.add(MaxPooling2D::new(2));
    model.add(Conv2D::new(32, 3).activation("relu"));
    model.add(MaxPooling2D::new(2));
    model.add(Flatten::new());
    model.add(Dense::new(64).activation("relu"));
    model.add(Dense::new(10).activation("softmax"));
    model
}

fn augment(args: &Args) -> Outcome {
    let Args { shared, data } = args;
    let folder = shared.folder("08_augmentation")?;
    let ((x_train, y_train), (x_test, y_test)) = data.load()?;
    let count = shared.samples(1000);
    let (x_train, y_train) = (x_train.slice(s![..count, .., .., ..]), y_train.slice(s![..count]));
    let (x_test, y_test) = (x_test.slice(s![..5000, .., .., ..]), y_test.slice(s![..5000]));

    for (name, is_augmented) in [("plain", false), ("augmented", true)] {
        let mut model = network(*data, is_augmented);
        model.seed(shared.seed)?;
        let compile = shared.compile().optimizer("adam").metrics(["accuracy"]);
        model.compile(compile.loss("sparse_categorical_crossentropy"))?;
        let fit = Fit::new()
            .epochs(shared.epochs(40))
            .batch_size(shared.batch_size)
            .validation_data(&x_test, &y_test)
            .verbose(0);
        let history = model.fit(&x_train, &y_train, fit)?;
        let accuracy = |of: &str| 100.0 * history.last(of).unwrap_or(f64::NAN);
        let (training, test) = (accuracy("accuracy"), accuracy("val_accuracy"));
        println!("{name:>9}: accuracy {training:.1} % in training, {test:.1} % on other images");
        history.plot().title(name).save_svg(folder.join(format!("{name}.svg")))?;
        if is_augmented {
            plot_model(&mut model, folder.join("model.svg"), PlotModel::new().show_shapes(true))?;
            let matrix = ConfusionMatrix::of(&y_test, &model.predict(&x_test)?)?;
            matrix.class_names(data.class_names())?.save_svg(folder.join("confusion.svg"))?;
        }
    }
    println!("Wrote plain, augmented, model and confusion (.svg) to {}", folder.display());
    Ok(())
}
