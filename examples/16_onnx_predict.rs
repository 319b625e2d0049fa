//! ONNX: a model that is trained here goes into a file, and one that is read from a file predicts.
//!
//! The file is what any program would give: weights, ops, an open batch. What is read predicts the
//! same, bit for bit.
//!
//!     cargo run --release --example 16_onnx_predict

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::process::ExitCode;

use brolga::data::mnist;
use brolga::nn::model::Model as Network;
use brolga::onnx::{Export, load, save};
use brolga::prelude::*;
use ndarray::Axis;
use shared::{Arguments, Outcome};

/// How many images are shown to the model that was read.
const SHOWN: usize = 1000;

fn main() -> ExitCode {
    shared::run(predict)
}

fn digits() -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([28, 28, 1]).name("image"));
    model.add(Rescaling::new(1.0 / 255.0));
    model.add(Conv2D::new(16, 3).activation("relu").name("edges"));
    model.add(MaxPooling2D::new(2));
    model.add(Conv2D::new(32, 3).activation("relu").name("shapes"));
    model.add(GlobalAveragePooling2D::new());
    model.add(Dense::new(10).activation("softmax").name("digit"));
    model
}

fn predict(args: &Arguments) -> Outcome {
    let folder = args.folder("16_onnx_predict")?;
    let ((images, labels), (test, expected)) = mnist::load_data()?;
    let count = args.samples(labels.len());
    let x = images.slice_axis(Axis(0), (..count).into()).to_owned().insert_axis(Axis(3));
    let y = labels.slice_axis(Axis(0), (..count).into()).to_owned();
    let mut model = digits();
    model.seed(args.seed)?;
    let compile = args.compile().optimizer(Adam::new(3e-3));
    model.compile(compile.loss("sparse_categorical_crossentropy").metrics(["accuracy"]))?;
    model.fit(&x, &y, Fit::new().epochs(args.epochs(2)).batch_size(args.batch_size).verbose(0))?;

    let path = folder.join("digits.onnx");
    save(&mut model, &path, &Export::new())?;
    let file = load(&path)?;
    println!("{}, opset {}, by {}", path.display(), file.opset(), file.producer());
    for (kind, ports) in [("input", file.inputs()), ("output", file.outputs())] {
        ports.iter().for_each(|port| println!("  {kind} {port}"));
    }
    for (op, count) in file.op_counts() {
        println!("  {count:3} {op}");
    }

    let test = test.slice_axis(Axis(0), (..SHOWN).into()).to_owned().insert_axis(Axis(3));
    let quiet = || Predict::new().verbose(false);
    // Pixels are numbers of the type that the file declares.
    let test = test.mapv(f32::from);
    let ours = model.predict_with(&test, quiet())?;
    let read = Network::of(file).predict_with(&test, quiet())?;
    let same = ours.iter().zip(&read).all(|(a, b)| a.to_bits() == b.to_bits());
    println!("The model that was read predicts the same bits: {same}");
    let right = read.outer_iter().zip(&expected).filter(|(shares, label)| {
        let best = shares.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        best.is_some_and(|(class, _)| class == usize::from(**label))
    });
    println!("{} of {SHOWN} digits are right", right.count());
    if same { Ok(()) } else { Err("another model was read".into()) }
}
