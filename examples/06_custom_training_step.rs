//! A training step of one's own: two models that play against each other (Goodfellow and others,
//! Generative Adversarial Nets, 2014). Keras users override `train_step` for it, JAX users write
//! `value_and_grad` and `jit`.
//!
//!     cargo run --release --example 06_custom_training_step -- --epochs 10 --samples 20000

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use brolga::data::mnist;
use brolga::nn::initializers::Random;
use brolga::prelude::*;
use clap::Parser;
use ndarray::{Array2, ArrayD, Axis, s};

/// Trains a generator of digits and a discriminator on the MNIST digits.
#[derive(Parser)]
struct Args {
    /// How often all training images are seen.
    #[arg(long, default_value_t = 10)]
    epochs: usize,
    /// Training images.
    #[arg(long, default_value_t = 60_000)]
    samples: usize,
    /// Images in a step.
    #[arg(long, default_value_t = 64)]
    batch_size: usize,
    /// Decides about first weights and noise.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The numbers that an image is made of.
const NOISE: usize = 32;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let ((images, _), _) = mnist::load_data()?;
    let samples = args.samples.min(images.len_of(Axis(0)));
    let images = Array2::from_shape_fn((samples, 784), |(i, p)| {
        f32::from(images[[i, p / 28, p % 28]]) / 255.0
    });

    let mut generator = Sequential::new();
    generator.seed(args.seed)?;
    generator.add(Input::new([NOISE]));
    generator.add(Dense::new(128).activation("leaky_relu"));
    generator.add(BatchNormalization::new());
    generator.add(Dense::new(784).activation("sigmoid"));

    let mut discriminator = Sequential::new();
    discriminator.seed(args.seed + 1)?;
    discriminator.add(Input::new([784]));
    discriminator.add(Dense::new(128).activation("leaky_relu"));
    discriminator.add(Dropout::new(0.3));
    discriminator.add(Dense::new(1).activation("sigmoid"));

    // One program: two models, two gradients, two optimizers.
    let mut train = TrainStep::new(|step, [generator, discriminator], [real, noise]| {
        let [one, other] = [Adam::new(2e-4).beta_1(0.5), Adam::new(2e-4).beta_1(0.5)]
            .map(|adam| step.optimizer(adam));

        // The discriminator learns to tell images from what the generator makes.
        let fake = step.call(&generator, &noise, true);
        let on_real = step.call(&discriminator, &real, true);
        let on_fake = step.call(&discriminator, &fake, true);
        let [yes, no] =
            [1.0, 0.0].map(|label| on_real.constant_like(label).broadcast(on_real.shape().clone()));
        let of_real = step.loss("binary_crossentropy", &yes, &on_real);
        let of_fake = step.loss("binary_crossentropy", &no, &on_fake);
        let caught = of_real + of_fake;
        let weights = step.trainable_weights(&discriminator);
        let gradients = step.gradients(&caught, &weights);
        step.apply_gradients(&one, &gradients, &weights);

        // The generator learns to mislead it as it is now.
        let on_fake = step.call(&discriminator, &fake, true);
        let fooled = step.loss("binary_crossentropy", &yes, &on_fake);
        let weights = step.trainable_weights(&generator);
        let gradients = step.gradients(&fooled, &weights);
        step.apply_gradients(&other, &gradients, &weights);
        [caught, fooled]
    });

    let steps = (samples / args.batch_size).max(1);
    for epoch in 0..args.epochs {
        let mut sums = [0.0; 2];
        for batch in 0..steps {
            let rows = batch * args.batch_size..((batch + 1) * args.batch_size).min(samples);
            let real = images.slice(s![rows, ..]);
            let noise = noise(real.len_of(Axis(0)), args.seed + (epoch * steps + batch) as u64);
            let losses = train
                .run([&mut generator, &mut discriminator], brolga::nn::arrays![&real, &noise])?;
            sums = [0, 1].map(|index| sums[index] + losses[index].sum());
        }
        let [caught, fooled] = sums.map(|sum| sum / steps as f32);
        println!("epoch {}: discriminator {caught:.4}, generator {fooled:.4}", epoch + 1);
    }
    // The weights are the models' own.
    show(&generator.predict(&noise(1, args.seed))?);
    Ok(())
}

/// Numbers of the normal distribution.
fn noise(samples: usize, seed: u64) -> Array2<f32> {
    let random = Random::new(seed, 0);
    Array2::from_shape_fn((samples, NOISE), |(i, j)| {
        random.normal((i * NOISE + j) as u64, 0) as f32
    })
}

/// An image in characters.
fn show(image: &ArrayD<f32>) {
    for row in 0..28 {
        let shade = |pixel: f32| [' ', '.', ':', 'o', '#'][(pixel * 4.99) as usize];
        println!(
            "{}",
            (0..28).map(|column| shade(image[[0, 28 * row + column]])).collect::<String>()
        );
    }
}
