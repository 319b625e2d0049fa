//! An autoencoder: digits as 16 numbers, and drawn again from them by transposed convolutions.
//!
//!     cargo run --release --example 03_autoencoder

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

mod shared;

use std::process::ExitCode;

use brolga::data::mnist;
use brolga::prelude::*;
use ndarray::{Array3, Array4, Axis, Ix4, concatenate, s};
use shared::{Arguments, Outcome};

fn main() -> ExitCode {
    shared::run(encode)
}

/// Pixels between 0 and 1, with an axis for the only channel.
fn images(pixels: &Array3<u8>, count: usize) -> Array4<f32> {
    let first = pixels.slice(s![..count, .., ..]);
    first.mapv(|pixel| f32::from(pixel) / 255.0).insert_axis(Axis(3))
}

fn encode(args: &Arguments) -> Outcome {
    let folder = args.folder("03_autoencoder")?;
    let ((pixels, _), (test_pixels, _)) = mnist::load_data()?;
    let x_train = images(&pixels, args.samples(pixels.len_of(Axis(0))));
    let x_test = images(&test_pixels, 1000);

    // 28 × 28 → 14 × 14 → 7 × 7 → 16 numbers, and back.
    let mut model = Sequential::new();
    model.seed(args.seed)?;
    model.add(Input::new([28, 28, 1]));
    model.add(Conv2D::new(16, 3).strides(2).padding("same").activation("relu"));
    model.add(Conv2D::new(32, 3).strides(2).padding("same").activation("relu"));
    model.add(Flatten::new());
    model.add(Dense::new(16).name("code"));
    model.add(Dense::new(7 * 7 * 32).activation("relu"));
    model.add(Reshape::new([7, 7, 32]));
    model.add(Conv2DTranspose::new(32, 3).strides(2).padding("same").activation("relu"));
    model.add(Conv2DTranspose::new(16, 3).strides(2).padding("same").activation("relu"));
    model.add(Conv2D::new(1, 3).padding("same").activation("sigmoid"));
    model.summary()?;
    model.compile(args.compile().optimizer("adam").loss("binary_crossentropy").metrics(["mae"]))?;

    // The images are their own labels.
    let fit = Fit::new()
        .epochs(args.epochs(5))
        .batch_size(args.batch_size)
        .validation_data(&x_test, &x_test);
    let history = model.fit(&x_train, &x_train, fit)?;
    let error = history.last("val_mae").unwrap_or(f64::NAN);
    println!("A pixel is wrong by {:.1} % on average", 100.0 * error);

    // Ten digits before, and the same after.
    let before = x_test.slice(s![..10, .., .., ..]);
    let after = model.predict(&before)?.into_dimensionality::<Ix4>()?;
    let both = concatenate(Axis(0), &[before, after.view()])?;
    let titles = ["before"; 10].into_iter().chain(["after"; 10]);
    ImageGrid::new(&both).titles(titles).columns(10).save_svg(folder.join("images.svg"))?;
    let options = PlotModel::new().show_shapes(true).show_layer_names(true);
    plot_model(&mut model, folder.join("model.svg"), options)?;
    history.plot().title("An autoencoder").save_svg(folder.join("history.svg"))?;
    println!("Wrote images, model and history (.svg) to {}", folder.display());
    Ok(())
}
