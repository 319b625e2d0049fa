//! Callbacks, batches from an iterator, and warnings, on the MNIST digits.
//!
//!     cargo run --release --example 09_callbacks -- --epochs 5 --samples 12000

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::process::ExitCode;

use brolga::data::mnist;
use brolga::prelude::*;
use clap::Parser;
use ndarray::{Array1, Array3, Axis, s};

/// Callbacks, batches from an iterator, and warnings, on the MNIST digits.
#[derive(Parser)]
struct Args {
    /// The most epochs.
    #[arg(long, default_value_t = 5)]
    epochs: usize,
    /// How many of the 60,000 training images are used.
    #[arg(long, default_value_t = 12_000)]
    samples: usize,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A callback of one's own: prints how much of the error an epoch leaves.
#[derive(Default)]
struct Halves {
    first: Option<f64>,
}

impl Callback for Halves {
    fn on_epoch_end(
        &mut self,
        _: usize,
        logs: &mut Logs,
        _: &mut Training<'_>,
    ) -> Result<(), NnError> {
        let loss = logs.get("val_loss").unwrap_or_default();
        let first = *self.first.get_or_insert(loss);
        println!("{:.0} % of the first validation loss", 100.0 * loss / first);
        Ok(())
    }
}

fn model() -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([28, 28]));
    model.add(Flatten::new());
    model.add(Dense::new(128).activation("relu"));
    model.add(Dense::new(10).activation("softmax"));
    model.compile(
        Compile::new()
            .optimizer(Adam::new(1e-3))
            .loss("sparse_categorical_crossentropy")
            .metrics(["accuracy"]),
    )?;
    Ok(model)
}

/// Batches of 64 images between 0 and 1, moved by up to two pixels in each epoch: they are made on
/// another thread, while the model learns from those before.
fn moved<'a>(x: &'a Array3<u8>, y: &'a Array1<u8>) -> Dataset<'a> {
    let mut epoch = 0;
    Dataset::from_generator(move || {
        epoch += 1;
        let batches = x.axis_chunks_iter(Axis(0), 64).zip(y.axis_chunks_iter(Axis(0), 64));
        batches.enumerate().map(move |(number, (x, y))| {
            let (down, right) = ((number + epoch) % 3, (number / 3 + epoch) % 3);
            let mut images = Array3::<f32>::zeros(x.raw_dim());
            let mut place = images.slice_mut(s![.., down.., right..]);
            place
                .assign(&x.slice(s![.., ..28 - down, ..28 - right]).mapv(|v| f32::from(v) / 255.0));
            (images, y)
        })
    })
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let ((x, y), (x_test, y_test)) = mnist::load_data()?;
    let part = ..args.samples.clamp(1, 60_000);
    let (x, y) = (x.slice(s![part, .., ..]).to_owned(), y.slice(s![part]).to_owned());
    // Pixels from 0 to 255 go through, but are learned badly: the model says so.
    let mut unscaled = model()?;
    unscaled.fit(&x, &y, Fit::new().verbose(0))?;
    println!("{} warning for pixels from 0 to 255", unscaled.warnings().len());
    let x_test = x_test.mapv(|v| f32::from(v) / 255.0);
    let mut stopping = EarlyStopping::new().patience(2).restore_best_weights(true);
    let mut model = model()?;
    let history = model.fit(
        moved(&x, &y),
        (),
        Fit::new()
            .epochs(args.epochs)
            .validation_data(&x_test, &y_test)
            .callback(ReduceLROnPlateau::new().patience(1))
            .callback(Halves::default())
            .callback(&mut stopping),
    )?;
    println!("{} epochs, the best was epoch {}", history.epoch.len(), stopping.best_epoch() + 1);

    let mut batches = 0;
    let counts = LambdaCallback::new().on_test_batch_end(|batch, _, _| {
        batches = batch + 1;
        Ok(())
    });
    let scores = model.evaluate_with(&x_test, &y_test, Evaluate::new().callback(counts))?;
    let accuracy = 100.0 * scores.get("accuracy").unwrap_or_default();
    println!("Test accuracy: {accuracy:.2} % over {batches} batches");
    Ok(())
}
