//! A gradient of one's own: a network whose hidden units are −1 or 1 (Courbariaux and others,
//! Binarized Neural Networks, 2016). The derivative of such a step is 0 everywhere, so nothing
//! could be trained; its gradient is said to be that of a ramp.
//!
//!     cargo run --release --example 07_own_gradient -- --epochs 3 --samples 20000

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use brolga::data::mnist;
use brolga::prelude::*;
use clap::Parser;
use ndarray::{Array2, Array3, Axis, array, s};

/// Trains a network of binary units on the MNIST digits.
#[derive(Parser)]
struct Args {
    /// How often all training images are seen.
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    /// Training images.
    #[arg(long, default_value_t = 60_000)]
    samples: usize,
    /// Images in a step.
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
}

/// −1 or 1. The gradient passes where |x| ≤ 1, as if the function were x there.
fn binary(x: &Var) -> Var {
    let one = |x: &Var| x.constant_like(1.0).broadcast(x.shape().clone());
    let results = custom_gradient(
        [x],
        |x| vec![x[0].lt(&x[0].constant_like(0.0)).select(&-one(&x[0]), &one(&x[0]))],
        // The inputs, the results, and the cotangents: the gradients of the loss by the results.
        |x, _y, dy| {
            let passes = x[0].abs().le(&x[0].constant_like(1.0));
            vec![passes.select(&dy[0], &dy[0].constant_like(0.0))]
        },
    );
    results[0].clone()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();

    // The value is that of the step, the gradient that of the ramp: also in a function of arrays.
    let mut f = value_and_grad(|[x]| (binary(x).reduce_sum(&[0], false), [binary(x)]), [0]);
    let (_, [y], [dx]) = f.run(&array![-2.0_f32, -0.5, 0.25, 3.0])?;
    println!("binary {y}, gradient {dx}");

    let ((x_train, y_train), (x_test, y_test)) = mnist::load_data()?;
    let samples = args.samples.min(x_train.len_of(Axis(0)));
    let (x_train, x_test) = (images(&x_train, samples), images(&x_test, 10_000));
    let y_train = y_train.slice(s![..samples]);

    let mut model = Sequential::new();
    model.add(Input::new([784]));
    model.add(Dense::new(256));
    model.add(BatchNormalization::new());
    model.add(Activation::new(binary));
    model.add(Dense::new(10).activation("softmax"));
    model.compile(
        Compile::new()
            .optimizer("adam")
            .loss("sparse_categorical_crossentropy")
            .metrics(["accuracy"]),
    )?;
    model.fit(&x_train, &y_train, Fit::new().epochs(args.epochs).batch_size(args.batch_size))?;
    let scores = model.evaluate(&x_test, &y_test)?;
    println!("Test accuracy: {:.2} %", 100.0 * scores.get("accuracy").unwrap_or_default());
    Ok(())
}

/// Pixels between 0 and 1, an image in a row.
fn images(pixels: &Array3<u8>, samples: usize) -> Array2<f32> {
    Array2::from_shape_fn((samples, 784), |(i, p)| f32::from(pixels[[i, p / 28, p % 28]]) / 255.0)
}
