//! Orthogonal matrices.

use brolga_ir::{Mistake, Shape};
use serde::{Deserialize, Serialize};

use super::{Draw, Initializer, Random, RandomDistribution};
use crate::registry::object;

/// `gain · Q`, where Q is uniformly distributed over the matrices with orthonormal columns, or with
/// orthonormal rows where there are fewer rows than columns.
///
/// The last axis of a weight counts the columns, all axes before it the rows; there must be two at
/// least. Q is made of a matrix of normally distributed numbers by Gram and Schmidt's method.
///
/// Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural
/// networks" (2014).
///
/// Keras: `keras.initializers.Orthogonal`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Orthogonal {
    /// The factor of the matrix; 1 by default.
    pub gain: f64,
    /// A seed of its own, instead of the model's.
    pub seed: Option<u64>,
}

object!(Orthogonal { gain: Finite });

impl Default for Orthogonal {
    fn default() -> Self {
        Self { gain: 1.0, seed: None }
    }
}

impl Initializer for Orthogonal {
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        if shape.rank() >= 2 {
            return Ok(());
        }
        let message = format!("Orthogonal initializes weights of two axes or more, not {shape}");
        Err(Mistake::new(message).help("use another initializer for vectors"))
    }

    fn divisible(&self) -> bool {
        false
    }

    fn fill(&self, shape: &Shape, random: Random, start: usize, values: &mut [f32]) {
        let draw = Draw::Normal;
        RandomDistribution { draw, offset: -0.0, factor: 1.0, divisor: 1.0 }.fill(
            random.or_seed(self.seed),
            start as u64,
            values,
        );
        let columns = shape.last().copied().unwrap_or(1).max(1);
        let rows = values.len() / columns;
        // The second time makes good what rounding has spoilt the first time.
        for _ in 0..2 {
            match rows < columns {
                true => orthonormal_rows(values, columns),
                false => orthonormal_columns(values, columns),
            }
        }
        values.iter_mut().for_each(|value| *value = (f64::from(*value) * self.gain) as f32);
    }
}

/// Gram and Schmidt's method on the rows: each becomes orthogonal to those before it, and of norm
/// 1.
fn orthonormal_rows(values: &mut [f32], columns: usize) {
    for row in 0..values.len() / columns {
        let (_, from) = values.split_at_mut(row * columns);
        let (unit, after) = from.split_at_mut(columns);
        let scale = inverse_norm(dot(unit, unit));
        unit.iter_mut().for_each(|x| *x = (f64::from(*x) * scale) as f32);
        for other in after.chunks_mut(columns) {
            let share = dot(unit, other) as f32;
            other.iter_mut().zip(&*unit).for_each(|(x, u)| *x -= share * u);
        }
    }
}

/// The same on the columns; it goes along the rows, in which neighbours lie side by side.
fn orthonormal_columns(values: &mut [f32], columns: usize) {
    let mut shares = vec![0.0; columns];
    for column in 0..columns {
        shares.fill(0.0);
        for row in values.chunks(columns) {
            let unit = f64::from(row[column]);
            let pairs = shares[column..].iter_mut().zip(&row[column..]);
            pairs.for_each(|(share, x)| *share += unit * f64::from(*x));
        }
        // Products with the column as it was: with the unit vector they are smaller by its norm.
        let scale = inverse_norm(shares[column]);
        for row in values.chunks_mut(columns) {
            let unit = (f64::from(row[column]) * scale) as f32;
            row[column] = unit;
            let pairs = row[column + 1..].iter_mut().zip(&shares[column + 1..]);
            pairs.for_each(|(x, share)| *x -= unit * (share * scale) as f32);
        }
    }
}

/// `1 / √square`; 0 of a vector of zeros.
fn inverse_norm(square: f64) -> f64 {
    if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 }
}

/// How many sums a product of vectors is made of, so that a compiler can use vectors of them.
const LANES: usize = 8;

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let (mut lanes, mut rest) = ([0.0; LANES], 0.0);
    let (chunks, others) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let ends = chunks.remainder().iter().zip(others.remainder());
    ends.for_each(|(a, b)| rest += f64::from(*a) * f64::from(*b));
    for (a, b) in chunks.zip(others) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += f64::from(*a) * f64::from(*b);
        }
    }
    lanes.iter().sum::<f64>() + rest
}
