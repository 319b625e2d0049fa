//! Trains Keras's convolutional network on the MNIST digits, evaluates it, and saves it.
//!
//!     cargo run --release --example mnist_cnn -- --epochs 10 --batch-size 32 --threads 2 --seed 1

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use std::path::PathBuf;
use std::process::ExitCode;

use brolga::data::mnist;
use brolga::measure;
use brolga::prelude::*;
use brolga::runtime::Options;
use clap::Parser;
use ndarray::{Array3, Array4, Axis};

/// Trains Keras's convolutional network on the MNIST digits, evaluates it, and saves it.
#[derive(Parser)]
struct Args {
    /// How often all training images are seen.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Images in a step.
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Worker threads; all cores if not given. The result does not depend on it.
    #[arg(long)]
    threads: Option<usize>,
    /// Decides about first weights, order of images and dropout.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the weights, the history and its plot are written.
    #[arg(long, default_value = "target/mnist_cnn")]
    output: PathBuf,
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

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    // A directory that cannot be created is an error before training rather than after it.
    std::fs::create_dir_all(&args.output)
        .map_err(|error| format!("--output {}: {error}", args.output.display()))?;

    let ((x_train, y_train), (x_test, y_test)) = mnist::load_data()?;
    let (x_train, x_test) = (images(x_train), images(x_test));

    let mut model = network();
    model.seed(args.seed)?;
    model.summary()?;

    let mut compile = Compile::new()
        .optimizer("adam")
        .loss("sparse_categorical_crossentropy")
        .metrics(["accuracy"]);
    if let Some(threads) = args.threads {
        compile = compile.threads(threads);
    }
    model.compile(compile)?;

    let fit = Fit::new()
        .epochs(args.epochs)
        .batch_size(args.batch_size)
        .seed(args.seed)
        .validation_data(&x_test, &y_test);
    let history = model.fit(&x_train, &y_train, fit)?;

    let scores = model.evaluate(&x_test, &y_test)?;
    println!("Test accuracy: {:.2} %", 100.0 * scores.get("accuracy").unwrap_or_default());

    let classes = model.predict(&x_test)?;
    println!("Predictions: {:?}", classes.shape());

    model.save_weights(args.output.join("mnist_cnn.safetensors"))?;
    history.save_json(args.output.join("history.json"))?;
    let mut saved = "weights and history.json";
    // Curves need an epoch.
    if !history.epoch.is_empty() {
        history.save_svg(args.output.join("history.svg"))?;
        saved = "weights, history.json and history.svg";
    }
    println!("Saved {saved} to {}", args.output.display());

    let mut options = Options::default();
    options.threads = args.threads.unwrap_or(options.threads);
    println!("\n{}", measure::train_step(&mut model, args.batch_size, &options, 11)?);
    if let Some(bytes) = measure::peak_memory() {
        println!("peak memory of this process: {} MB", bytes / 1_000_000);
    }
    Ok(())
}

fn network() -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([28, 28, 1]));
    model.add(Conv2D::new(32, (3, 3)).activation("relu"));
    model.add(MaxPooling2D::new((2, 2)));
    model.add(Conv2D::new(64, (3, 3)).activation("relu"));
    model.add(MaxPooling2D::new((2, 2)));
    model.add(Flatten::new());
    model.add(Dense::new(128).activation("relu"));
    model.add(Dropout::new(0.5));
    model.add(Dense::new(10).activation("softmax"));
    model
}

/// Pixels between 0 and 1, with an axis for the only channel.
fn images(pixels: Array3<u8>) -> Array4<f32> {
    pixels.mapv(|pixel| f32::from(pixel) / 255.0).insert_axis(Axis(3))
}
