//! A model goes to a file of Keras and comes back: it predicts the same, trains on, and its weights go
//! into another model.
//!
//!     cargo run --release --example 15_keras_roundtrip

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::process::ExitCode;

use brolga::prelude::*;
use ndarray::{Array1, Array2};
use shared::{Arguments, Outcome};

/// Whether points lie inside of the unit circle.
fn points(count: usize) -> (Array2<f32>, Array1<i32>) {
    // Low-discrepancy points in the square from -1.2 to 1.2.
    let place = |step: usize, root: f64| (((step as f64 * root) % 1.0) * 2.4 - 1.2) as f32;
    let x = Array2::from_shape_fn((count, 2), |(row, axis)| {
        place(row + 1, if axis == 0 { 0.754_877_666 } else { 0.569_840_291 })
    });
    let y = x.rows().into_iter().map(|p| i32::from(p.dot(&p) < 1.0)).collect();
    (x, y)
}

fn main() -> ExitCode {
    shared::run(there_and_back)
}

fn there_and_back(args: &Arguments) -> Outcome {
    let (x, y) = points(args.samples(1024));
    let folder = args.folder("15_keras_roundtrip")?;
    let epochs = args.epochs(5);

    let mut model = Sequential::new();
    model.add(Input::new([2]));
    model.add(Dense::new(16).activation("tanh").name("features"));
    model.add(BatchNormalization::new());
    model.add(Dense::new(2).activation("softmax").name("class"));
    let loss = "sparse_categorical_crossentropy";
    model.seed(args.seed)?;
    model.compile(args.compile().optimizer(Adam::new(0.02)).loss(loss).metrics(["accuracy"]))?;
    model.fit(&x, &y, Fit::new().epochs(epochs).batch_size(args.batch_size).verbose(false))?;

    // Keras 3 loads this file: keras.models.load_model("circle.keras").
    let file = folder.join("circle.keras");
    model.save(&file)?;
    let mut loaded = load_model(&file)?;
    assert_eq!(loaded.predict(&x)?, model.predict(&x)?);

    // The optimizer stands where it stood, so both go the same way.
    let again = || Fit::new().epochs(epochs).shuffle(false).verbose(false);
    let first = model.fit(&x, &y, again())?;
    let second = loaded.fit(&x, &y, again())?;
    assert_eq!(first.get("loss"), second.get("loss"));
    let accuracy = second.get("accuracy").and_then(<[f64]>::last).copied().unwrap_or_default();
    println!("accuracy after {epochs} epochs, a file, and {epochs} more: {accuracy:.3}");

    // Another head takes what fits.
    let mut other = Sequential::new();
    other.add(Input::new([2]));
    other.add(Dense::new(16).activation("tanh").name("features"));
    other.add(BatchNormalization::new());
    other.add(Dense::new(5).activation("softmax").name("quadrant"));
    let weights = folder.join("circle.h5");
    loaded.save(&weights)?;
    let taken = load_weights(&mut other, &weights, LoadWeights::new().by_name(true))?;
    println!("taken {}, kept {}", taken.taken.len(), taken.kept.join(", "));

    println!("Wrote circle.keras and circle.h5 to {}", folder.display());
    Ok(())
}
