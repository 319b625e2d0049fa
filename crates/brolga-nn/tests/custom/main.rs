//! What users write as functions over traced tensors: closures in place of objects, training steps,
//! gradients.

mod closures;
mod gradients;
mod mistakes;
mod steps;

use brolga_nn::prelude::*;
use ndarray::{Array1, Array2, ArrayD};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Samples of three numbers, and two numbers as labels of each.
fn data() -> (Array2<f32>, Array2<f32>) {
    let x = Array2::from_shape_fn((8, 3), |(i, j)| ((3 * i + 5 * j) % 7) as f32 / 4.0 - 0.5);
    let y = Array2::from_shape_fn((8, 2), |(i, j)| ((2 * i + j) % 5) as f32 / 2.0);
    (x, y)
}

/// Class numbers of the samples.
fn classes() -> Array1<u8> {
    Array1::from_shape_fn(8, |i| (i % 2) as u8)
}

fn fit(epochs: usize) -> Fit<'static> {
    Fit::new().batch_size(4).epochs(epochs).verbose(false)
}

fn bits(weights: &[ArrayD<f32>]) -> Vec<Vec<u32>> {
    weights.iter().map(|weight| weight.iter().map(|x| x.to_bits()).collect()).collect()
}
