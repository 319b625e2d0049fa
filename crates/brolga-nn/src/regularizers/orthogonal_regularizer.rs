//! The mean of products between the rows or columns of a matrix.

use brolga_ir::{DType, Mistake, Shape, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Regularizer, sum};
use crate::registry::object;

/// `factor · Σᵢ﹤ⱼ |vᵢ·vⱼ| / pairs`: the mean over all pairs of the rows, or of the columns, of a
/// matrix, each divided by its norm.
///
/// The tensor must be a matrix of two such vectors at least. A vector of zeros stays as it is.
///
/// Keras: `keras.regularizers.OrthogonalRegularizer`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OrthogonalRegularizer {
    /// The factor; 0.01 by default.
    pub factor: f64,
    /// The vectors that are to be orthogonal; rows by default.
    pub mode: Vectors,
}

/// Vectors of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vectors {
    /// Its rows.
    #[default]
    Rows,
    /// Its columns.
    Columns,
}

object!(OrthogonalRegularizer { factor: AtLeast(0.0) });

impl Default for OrthogonalRegularizer {
    fn default() -> Self {
        Self { factor: 0.01, mode: Vectors::default() }
    }
}

/// Shorter vectors are divided by this instead of by their norm, as in Keras.
const SHORTEST: f64 = 1e-7;

impl Regularizer for OrthogonalRegularizer {
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        let vectors = match (self.mode, &**shape) {
            (Vectors::Rows, &[rows, _]) => rows,
            (Vectors::Columns, &[_, columns]) => columns,
            _ => 0,
        };
        if vectors >= 2 {
            return Ok(());
        }
        let message = format!("OrthogonalRegularizer compares vectors of a matrix, not {shape}");
        Err(Mistake::new(message).help("the tensor must have two axes, and two vectors at least"))
    }

    fn penalty(&self, x: &Var) -> Var {
        if let Err(mistake) = self.check(x.shape()) {
            return x.tracer().fail(mistake);
        }
        let rows = self.mode == Vectors::Rows;
        let (along, count) = if rows { (1, x.shape()[0]) } else { (0, x.shape()[1]) };
        let square = (x * x).reduce_sum(&[along], true);
        let least = square.constant_like(SHORTEST * SHORTEST);
        let unit = x / square.maximum(&least).sqrt();
        let product = unit.matmul_with(&unit, !rows, rows).abs();
        let index = |axis| x.tracer().iota(Type::new(DType::I32, [count, count]), axis);
        let above = index(0).lt(&index(1));
        let pairs = (count * (count - 1)) as f64 / 2.0;
        sum(&above.select(&product, &product.constant_like(0.0))) * (self.factor / pairs)
    }
}
