//! Finetuning a model of an ONNX file: its features stay, a new head learns new classes, and the whole
//! goes into a file again.
//!
//! The file is written by this example itself: a network that tells the digits 0 to 4. From a hundred
//! images it learns 5 to 9.
//!
//!     cargo run --release --example 17_onnx_finetune

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::path::Path;
use std::process::ExitCode;

use brolga::data::mnist;
use brolga::nn::model::Model as Network;
use brolga::onnx::{Export, load, save};
use brolga::prelude::*;
use ndarray::{Array1, Array3, Array4, Axis};
use shared::{Arguments, Outcome};

/// How many images of 5 to 9 there are to learn from.
const FEW: usize = 100;

fn main() -> ExitCode {
    shared::run(finetune)
}

/// The first images of the five digits from this one on, with values from 0 to 1 and classes that
/// count from 0.
fn five(
    (images, labels): &(Array3<u8>, Array1<u8>),
    first: u8,
    count: usize,
) -> (Array4<f32>, Array1<u8>) {
    let is_one = |label: u8| (first..first + 5).contains(&label);
    let chosen = labels.iter().enumerate().filter(|(_, label)| is_one(**label));
    let chosen: Vec<usize> = chosen.map(|(index, _)| index).take(count).collect();
    let images = images.select(Axis(0), &chosen).insert_axis(Axis(3));
    let labels = labels.select(Axis(0), &chosen).mapv(|label| label - first);
    (images.mapv(|value| f32::from(value) / 255.0), labels)
}

/// Trains a network that tells 0 to 4, and writes it to a file.
fn written(args: &Arguments, train: &(Array3<u8>, Array1<u8>), path: &Path) -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([28, 28, 1]).name("image"));
    model.add(Conv2D::new(16, 3).activation("relu").name("edges"));
    model.add(MaxPooling2D::new(2));
    model.add(Conv2D::new(32, 3).activation("relu").name("shapes"));
    model.add(MaxPooling2D::new(2));
    model.add(Flatten::new());
    model.add(Dense::new(64).activation("relu").name("hidden"));
    model.add(Dense::new(5).activation("softmax").name("head"));
    model.seed(args.seed)?;
    model.compile(compile(args))?;
    let (x, y) = five(train, 0, args.samples(train.1.len()));
    model.fit(&x, &y, fit(args, args.epochs(3)))?;
    save(&mut model, path, &Export::new())?;
    Ok(())
}

fn compile(args: &Arguments) -> Compile {
    let compile = args.compile().optimizer(Adam::new(3e-3));
    compile.loss("sparse_categorical_crossentropy").metrics(["accuracy"])
}

fn fit(args: &Arguments, epochs: usize) -> Fit<'static> {
    Fit::new().epochs(epochs).batch_size(args.batch_size).verbose(0)
}

fn finetune(args: &Arguments) -> Outcome {
    let folder = args.folder("17_onnx_finetune")?;
    let (train, test) = mnist::load_data()?;
    let path = folder.join("zero_to_four.onnx");
    written(args, &train, &path)?;

    // The output of the layer `hidden` instead of the head; convolutions keep their weights.
    let features = load(&path)?.with_outputs(["hidden/Relu"])?;
    features.freeze(|layer| layer != "hidden");
    let image = Input::new([28, 28, 1]).name("image").tensor();
    let hidden = Network::of(features).into_shared()?.on(&image);
    let class = Dense::new(5).activation("softmax").name("five_to_nine").on(&hidden);
    let mut model = Model::new(&image, &class)?;
    model.seed(args.seed)?;
    model.compile(compile(args))?;
    model.summary()?;

    let (x, y) = five(&train, 5, FEW.min(args.samples(FEW)));
    let (x_test, y_test) = five(&test, 5, usize::MAX);
    let percent = |scores: Logs| 100.0 * scores.get("accuracy").unwrap_or(f64::NAN);
    let before = percent(model.evaluate(&x_test, &y_test)?);
    model.fit(&x, &y, fit(args, 10 * args.epochs(3)))?;
    let after = percent(model.evaluate(&x_test, &y_test)?);
    println!("5 to 9, from {} images: {before:.1} % before, {after:.1} % after", y.len());

    let path = folder.join("five_to_nine.onnx");
    save(&mut model, &path, &Export::new())?;
    let mut again = Network::of(load(&path)?);
    let quiet = || Predict::new().verbose(false);
    let same = model.predict_with(&x_test, quiet())? == again.predict_with(&x_test, quiet())?;
    println!("Wrote {}, which predicts the same: {same}", path.display());
    if same { Ok(()) } else { Err("another model was read".into()) }
}
