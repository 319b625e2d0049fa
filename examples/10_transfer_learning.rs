//! Transfer learning: what a network has learned of the digits 0 to 4 helps it with 5 to 9.
//!
//! The first model learns from many images of 0 to 4. The second one takes its features, which
//! stay as they are, and trains a new head on few images of 5 to 9.
//!
//!     cargo run --release --example 10_transfer_learning

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::process::ExitCode;

use brolga::data::mnist;
use brolga::prelude::*;
use ndarray::{Array1, Array3, Axis};
use shared::{Arguments, Outcome};

/// How many images of 5 to 9 there are to learn from.
const FEW: usize = 100;

/// The layers that find features.
const FEATURES: [&str; 2] = ["edges", "shapes"];

fn main() -> ExitCode {
    shared::run(transfer)
}

/// Convolutions that find features, and layers that tell five classes by them.
fn network(name: &str) -> Result<Model, NnError> {
    let convolution = |filters, name| Conv2D::new(filters, 3).activation("relu").name(name);
    let image = Input::new([28, 28, 1]).tensor();
    let x = Rescaling::new(1.0 / 255.0).on(&image);
    let x = MaxPooling2D::new(2).on(convolution(16, FEATURES[0]).on(&x));
    let x = MaxPooling2D::new(2).on(convolution(32, FEATURES[1]).on(&x));
    let x = Flatten::new().on(&x);
    let x = Dense::new(64).activation("relu").name("hidden").on(&x);
    let class = Dense::new(5).activation("softmax").name("head").on(&x);
    Ok(Model::new(&image, &class)?.named(name))
}

/// The first images of the five digits from this one on, whose classes count from 0.
fn five(
    (images, labels): &(Array3<u8>, Array1<u8>),
    first: u8,
    count: usize,
) -> (ndarray::Array4<u8>, Array1<u8>) {
    let is_one = |label: u8| (first..first + 5).contains(&label);
    let chosen = labels.iter().enumerate().filter(|(_, label)| is_one(**label));
    let chosen: Vec<usize> = chosen.map(|(index, _)| index).take(count).collect();
    let images = images.select(Axis(0), &chosen).insert_axis(Axis(3));
    (images, labels.select(Axis(0), &chosen).mapv(|label| label - first))
}

fn transfer(args: &Arguments) -> Outcome {
    let folder = args.folder("10_transfer_learning")?;
    let (train, test) = mnist::load_data()?;
    let compile = || {
        let compile =
            args.compile().optimizer(Adam::new(3e-3)).loss("sparse_categorical_crossentropy");
        compile.metrics(["accuracy"])
    };
    let fit = |epochs| Fit::new().epochs(epochs).batch_size(args.batch_size).verbose(0);

    let (x, y) = five(&train, 0, args.samples(train.1.len()));
    let mut first = network("zero_to_four")?;
    first.seed(args.seed)?;
    first.compile(compile())?;
    first.fit(&x, &y, fit(args.epochs(3)))?;
    let (x_test, y_test) = five(&test, 0, usize::MAX);
    let scores = first.evaluate(&x_test, &y_test)?;
    let percent = |scores: &Logs| 100.0 * scores.get("accuracy").unwrap_or(f64::NAN);
    println!("0 to 4, from {} images: {:.1} %", y.len(), percent(&scores));

    let (x, y) = five(&train, 5, FEW.min(args.samples(FEW)));
    let (x_test, y_test) = five(&test, 5, usize::MAX);
    let mut results = vec![];
    for (name, is_transferred) in [("from nothing", false), ("with frozen features", true)] {
        let mut model = network("five_to_nine")?;
        model.seed(args.seed + 1)?;
        model.compile(compile())?;
        if is_transferred {
            // Kernels and biases of the two convolutions.
            let mut weights = model.get_weights()?;
            weights[..4].clone_from_slice(&first.get_weights()?[..4]);
            model.set_weights(&weights)?;
            for name in FEATURES {
                model.get_layer(name)?.set_trainable(false);
            }
            model.compile(compile())?;
            model.summary()?;
        }
        model.fit(&x, &y, fit(10 * args.epochs(3)))?;
        let accuracy = percent(&model.evaluate(&x_test, &y_test)?);
        results.push(format!("5 to 9, from {} images, {name}: {accuracy:.1} %", y.len()));
        if is_transferred {
            let options = PlotModel::new().show_layer_names(true).show_trainable(true);
            plot_model(&mut model, folder.join("model.svg"), options)?;
            let names = ["5", "6", "7", "8", "9"];
            let matrix = ConfusionMatrix::of(&y_test, &model.predict(&x_test)?)?;
            matrix.class_names(names)?.save_svg(folder.join("confusion.svg"))?;
        }
    }
    println!("{}", results.join("\n"));
    println!("Wrote model and confusion (.svg) to {}", folder.display());
    Ok(())
}
