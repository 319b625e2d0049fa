//! Images of another size.

use std::f64::consts::PI;

use brolga_ir::{Data, Mistake, Tensor, Type, Var};
use serde::{Deserialize, Serialize};

/// How pixels between the pixels of an image are computed. Pixel `i` stands in the middle between
/// `i` and `i + 1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Interpolation {
    /// The pixel that is nearest.
    Nearest,
    /// On each axis, the line between two pixels.
    Bilinear,
    /// On each axis, Keys's cubic convolution of four pixels, with a = −½.
    Bicubic,
    /// On each axis, Lanczos's kernel of radius 3.
    Lanczos3,
    /// On each axis, Lanczos's kernel of radius 5.
    Lanczos5,
    /// Another word, which is an error when the layer is built.
    Unknown(String),
}

impl From<&str> for Interpolation {
    fn from(word: &str) -> Self {
        match word {
            "nearest" => Self::Nearest,
            "bilinear" => Self::Bilinear,
            "bicubic" => Self::Bicubic,
            "lanczos3" => Self::Lanczos3,
            "lanczos5" => Self::Lanczos5,
            other => Self::Unknown(other.to_owned()),
        }
    }
}

impl From<String> for Interpolation {
    fn from(word: String) -> Self {
        word.as_str().into()
    }
}

impl From<Interpolation> for String {
    fn from(interpolation: Interpolation) -> Self {
        match interpolation {
            Interpolation::Nearest => "nearest".to_owned(),
            Interpolation::Bilinear => "bilinear".to_owned(),
            Interpolation::Bicubic => "bicubic".to_owned(),
            Interpolation::Lanczos3 => "lanczos3".to_owned(),
            Interpolation::Lanczos5 => "lanczos5".to_owned(),
            Interpolation::Unknown(word) => word,
        }
    }
}

impl Interpolation {
    /// Fails if there is none of this name.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        match self {
            Self::Unknown(word) => Err(Mistake::new(format!("there is no interpolation `{word}`"))
                .help("there are nearest, bilinear, bicubic, lanczos3, lanczos5")),
            _ => Ok(()),
        }
    }

    /// How much a pixel at this distance counts.
    fn kernel(&self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Bicubic => 0.0,
            Self::Lanczos3 => lanczos(3.0, x),
            Self::Lanczos5 => lanczos(5.0, x),
            _ => (1.0 - x).max(0.0),
        }
    }

    /// How much each of `input` pixels counts for each of `output` pixels, row-major: each row sums
    /// up to 1. With `antialias` the kernel covers all pixels that become one.
    fn weights(&self, input: usize, output: usize, antialias: bool) -> Vec<f64> {
        let scale = input as f64 / output as f64;
        let width = if antialias { scale.max(1.0) } else { 1.0 };
        let row = |place: usize| -> Vec<f64> {
            let at = (place as f64 + 0.5) * scale;
            if *self == Self::Nearest {
                return (0..input).map(|pixel| f64::from(pixel == at as usize)).collect();
            }
            let row = (0..input).map(|pixel| self.kernel((at - 0.5 - pixel as f64) / width));
            let row: Vec<f64> = row.collect();
            let sum: f64 = row.iter().sum();
            row.into_iter().map(|weight| weight / sum).collect()
        };
        (0..output).flat_map(row).collect()
    }
}

fn lanczos(radius: f64, x: f64) -> f64 {
    if x >= radius {
        0.0
    } else if x > 1e-3 {
        radius * (PI * x).sin() * (PI * x / radius).sin() / (PI * x).powi(2)
    } else {
        1.0
    }
}

/// Images `[batch, height, width, channels]` of this height and width.
pub(super) fn resampled(
    x: &Var,
    size: [usize; 2],
    interpolation: &Interpolation,
    antialias: bool,
) -> Var {
    let rows = along(x, [0, 2, 3, 1], size[0], interpolation, antialias);
    let rows = rows.transpose(&[0, 3, 1, 2]);
    along(&rows, [0, 1, 3, 2], size[1], interpolation, antialias).transpose(&[0, 1, 3, 2])
}

/// The last axis under this order of the axes, resampled.
fn along(
    x: &Var,
    order: [usize; 4],
    output: usize,
    interpolation: &Interpolation,
    antialias: bool,
) -> Var {
    let x = x.transpose(&order);
    let &[a, b, c, input] = &x.shape()[..] else { return x };
    if input == output {
        return x;
    }
    let ty = Type::new(x.dtype(), [output, input]);
    if let Err(reason) = granted(&ty) {
        let message = format!("{input} pixels cannot be resampled to {output}: {reason}");
        return x.tracer().fail(Mistake::new(message).help("make the result smaller"));
    }
    let weights = interpolation.weights(input, output, antialias);
    let weights = Tensor::new(ty.shape, Data::from_f64(ty.dtype, &weights));
    let weights = x.tracer().constant(weights.expect("a row for each output"));
    let rows = x.reshape([a * b * c, input]).matmul_with(&weights, false, true);
    rows.reshape([a, b, c, output])
}

/// Fails if there is no memory for a tensor of this type and its elements in `f64`.
fn granted(ty: &Type) -> Result<(), String> {
    ty.check()?;
    let needed = ty.bytes().saturating_add(ty.shape.elements().saturating_mul(8));
    brolga_memory::check(needed).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sum_up_to_one() {
        let words = ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"];
        for interpolation in words.map(Interpolation::from) {
            for (input, output) in [(1, 4), (3, 7), (7, 3), (5, 5), (8, 1)] {
                for antialias in [false, true] {
                    let weights = interpolation.weights(input, output, antialias);
                    for row in weights.chunks(input) {
                        let sum: f64 = row.iter().sum();
                        assert!((sum - 1.0).abs() < 1e-12, "{interpolation:?}: {row:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn lines_between_pixels() {
        assert_eq!(
            Interpolation::Bilinear.weights(2, 4, false),
            [1.0, 0.0, 0.75, 0.25, 0.25, 0.75, 0.0, 1.0]
        );
        assert_eq!(Interpolation::Nearest.weights(3, 2, false), [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(
            Interpolation::Bilinear.weights(4, 2, true)[..4],
            [3.0 / 7.0, 3.0 / 7.0, 1.0 / 7.0, 0.0]
        );
    }
}
