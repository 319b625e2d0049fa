//! A layer of one's own with weights, and functions where Keras takes functions.
//!
//!     cargo run --release --example 05_custom_layer -- --epochs 3 --samples 20000

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use brolga::data::mnist;
use brolga::ir::{Mistake, Type};
use brolga::nn::layers::{Base, WeightSpec};
use brolga::nn::metrics::MeanMetricWrapper;
use brolga::nn::registry::{Choice, Registry, to_config};
use brolga::nn::trace::Call;
use brolga::nn::{class, layer};
use brolga::prelude::*;
use clap::Parser;
use initializers::{GlorotUniform, Initializer};
use ndarray::{Array2, Array3, Axis, s};
use serde::{Deserialize, Serialize};

/// Trains a network with a layer of its own on the MNIST digits.
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

/// The greatest of several linear maps, for each unit: `max_j (x·kernel_j)`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Maxout {
    #[serde(flatten)]
    base: Base,
    units: usize,
    pieces: usize,
    #[serde(default = "glorot")]
    kernel_initializer: Choice<dyn Initializer>,
}

// Its name, its config, and which numbers the arguments may be.
layer!(Maxout { units: Count, pieces: Count });

fn glorot() -> Choice<dyn Initializer> {
    GlorotUniform::default().into()
}

impl Maxout {
    fn new(units: usize, pieces: usize) -> Self {
        Self { base: Base::default(), units, pieces, kernel_initializer: glorot() }
    }
}

impl Layer for Maxout {
    fn base(&self) -> &Base {
        &self.base
    }

    /// The weights, once the type of the input is known.
    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let [x] = inputs else { return Err(Mistake::new("Maxout takes one input")) };
        let [_, width] = x.shape[..] else {
            return Err(Mistake::new(format!("Maxout takes (batch, width), not {x}")));
        };
        let kernel = [width, self.units * self.pieces];
        Ok(vec![WeightSpec::trainable("kernel", kernel, &self.kernel_initializer)])
    }

    /// What it computes. Shapes are those of a batch; the gradient follows from the ops.
    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let kernel = call.weight("kernel");
        call.map(inputs, |_, x| {
            let batch = x.shape()[0];
            x.matmul(&kernel).reshape([batch, self.units, self.pieces]).reduce_max(&[2], false)
        })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let ((x_train, y_train), (x_test, y_test)) = mnist::load_data()?;
    let samples = args.samples.min(x_train.len_of(Axis(0)));
    let (x_train, x_test) = (images(&x_train, samples), images(&x_test, 10_000));
    let y_train = y_train.slice(s![..samples]);

    let mut model = Sequential::new();
    model.add(Input::new([784]));
    // A function without weights is a Lambda.
    model.add(Lambda::new(|x| x * 2.0 - 1.0).name("centred"));
    model.add(Maxout::new(64, 4));
    // An activation can be one too; the parameters of a closure have their types written out here.
    model.add(Dense::new(64).activation(|x: &Var| x * x.sigmoid()));
    model.add(Dense::new(10).activation("softmax"));
    let sure = MeanMetricWrapper::new(|_, y| y.reduce_max(&[1], false)).name("sure");
    model.compile(
        Compile::new()
            .optimizer("adam")
            .loss("sparse_categorical_crossentropy")
            .metrics([Choice::from("accuracy"), sure.into()]),
    )?;
    model.fit(&x_train, &y_train, Fit::new().epochs(args.epochs).batch_size(args.batch_size))?;
    let scores = model.evaluate(&x_test, &y_test)?;
    println!("Test accuracy: {:.2} %", 100.0 * scores.get("accuracy").unwrap_or_default());

    // A class has a config, which a registry with the class reads; functions have none.
    let mut registry = Registry::default();
    registry.add::<dyn Layer>(class!(Maxout));
    let read = registry.object::<dyn Layer>(&to_config(&Maxout::new(8, 2))?)?;
    println!("Read back: {}", read.config()?);
    Ok(())
}

/// Pixels between 0 and 1, an image in a row.
fn images(pixels: &Array3<u8>, samples: usize) -> Array2<f32> {
    Array2::from_shape_fn((samples, 784), |(i, p)| f32::from(pixels[[i, p / 28, p % 28]]) / 255.0)
}
