//! Windows of signals: by how much each sample of a frame counts.

use std::f64::consts::{PI, TAU};

use brolga_ir::Mistake;
use serde::{Deserialize, Serialize};

/// The window of a frame: a name of SciPy's, the weight of each sample, or none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Window {
    /// One of `scipy.signal.windows`.
    Named(String),
    /// A weight for each sample.
    Weights(Vec<f64>),
    /// All samples count the same.
    #[default]
    None,
}

impl From<&str> for Window {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl From<Vec<f64>> for Window {
    fn from(weights: Vec<f64>) -> Self {
        Self::Weights(weights)
    }
}

impl<const N: usize> From<[f64; N]> for Window {
    fn from(weights: [f64; N]) -> Self {
        Self::Weights(weights.into())
    }
}

/// What a window is divided by: √Σ window² for `"density"`, Σ |window| for `"spectrum"`, nothing for
/// `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scaling(pub Option<String>);

impl Default for Scaling {
    fn default() -> Self {
        "density".into()
    }
}

impl From<&str> for Scaling {
    fn from(name: &str) -> Self {
        Self(Some(name.to_owned()))
    }
}

impl From<Option<&str>> for Scaling {
    fn from(name: Option<&str>) -> Self {
        Self(name.map(str::to_owned))
    }
}

impl Scaling {
    /// What these weights are divided by.
    ///
    /// # Errors
    /// If there is no scaling of this name.
    pub(crate) fn of(&self, class: &str, weights: &[f32]) -> Result<f32, Mistake> {
        let wide = weights.iter().map(|&weight| f64::from(weight));
        match self.0.as_deref() {
            None => Ok(1.0),
            Some("density") => Ok(wide.map(|x| x * x).sum::<f64>().sqrt() as f32),
            Some("spectrum") => Ok(wide.map(f64::abs).sum::<f64>() as f32),
            Some(other) => Err(Mistake::new(format!("{class}: there is no scaling `{other}`"))
                .help("there are \"density\" and \"spectrum\", or none")),
        }
    }
}

/// The window "hann".
pub(crate) fn hann() -> Window {
    "hann".into()
}

/// The most samples of a frame.
const MOST_SAMPLES: usize = 1 << 24;

/// The names of windows.
const NAMES: [&str; 14] = [
    "barthann",
    "bartlett",
    "blackman",
    "blackmanharris",
    "bohman",
    "boxcar",
    "cosine",
    "flattop",
    "hamming",
    "hann",
    "lanczos",
    "nuttall",
    "parzen",
    "triang",
];

impl Window {
    /// The weight of each of so many samples; none where all count the same. A periodic window is
    /// the beginning of a longer one that is symmetric.
    ///
    /// # Errors
    /// If there is no window of this name, or there are more weights or fewer.
    pub(crate) fn weights(
        &self,
        class: &str,
        length: usize,
        periodic: bool,
    ) -> Result<Option<Vec<f64>>, Mistake> {
        if length > MOST_SAMPLES {
            let message = format!("{class}: a frame has {length} samples");
            return Err(
                Mistake::new(message).help(format!("give frames of at most {MOST_SAMPLES}"))
            );
        }
        match self {
            Self::None => Ok(None),
            Self::Weights(weights) if weights.len() == length => Ok(Some(weights.clone())),
            Self::Weights(weights) => {
                let count = weights.len();
                let message = format!(
                    "{class}: the window has {count} weights, a frame has {length} samples"
                );
                Err(Mistake::new(message).help("give a weight for each sample"))
            }
            Self::Named(name) => {
                let Some(weight) = named(name) else {
                    let message = format!("{class}: there is no window `{name}`");
                    return Err(Mistake::new(message).help(format!(
                        "there are {}, or give a list of weights",
                        NAMES.join(", ")
                    )));
                };
                if length <= 1 {
                    return Ok(Some(vec![1.0; length]));
                }
                let whole = length + usize::from(periodic);
                Ok(Some((0..length).map(|sample| weight(sample as f64, whole as f64)).collect()))
            }
        }
    }
}

/// The weight of a sample of a symmetric window of m samples, of which there are at least two.
type Weight = fn(sample: f64, m: f64) -> f64;

/// The window of this name, as SciPy defines it.
fn named(name: &str) -> Option<Weight> {
    Some(match name {
        "barthann" => |n, m| {
            let distance = (n / (m - 1.0) - 0.5).abs();
            0.62 - 0.48 * distance + 0.38 * (TAU * distance).cos()
        },
        "bartlett" => |n, m| 1.0 - (2.0 * n / (m - 1.0) - 1.0).abs(),
        "blackman" => |n, m| cosines(&[0.42, 0.5, 0.08], n, m),
        "blackmanharris" => |n, m| cosines(&[0.35875, 0.48829, 0.14128, 0.01168], n, m),
        "bohman" => |n, m| {
            let distance = (2.0 * n / (m - 1.0) - 1.0).abs();
            let weight = (1.0 - distance) * (PI * distance).cos() + (PI * distance).sin() / PI;
            if n == 0.0 || n == m - 1.0 { 0.0 } else { weight }
        },
        "boxcar" => |_, _| 1.0,
        "cosine" => |n, m| (PI / m * (n + 0.5)).sin(),
        "flattop" => {
            |n, m| cosines(&[0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368], n, m)
        }
        "hamming" => |n, m| cosines(&[0.54, 0.46], n, m),
        "hann" => |n, m| cosines(&[0.5, 0.5], n, m),
        "lanczos" => |n, m| match PI * (2.0 * n / (m - 1.0) - 1.0) {
            0.0 => 1.0,
            x => x.sin() / x,
        },
        "nuttall" => |n, m| cosines(&[0.3635819, 0.4891775, 0.1365995, 0.0106411], n, m),
        "parzen" => |n, m| {
            let place = (n - (m - 1.0) / 2.0).abs();
            let share = place / (m / 2.0);
            if place <= (m - 1.0) / 4.0 {
                1.0 - 6.0 * share.powi(2) + 6.0 * share.powi(3)
            } else {
                2.0 * (1.0 - share).powi(3)
            }
        },
        "triang" => |n, m| {
            let place = (n + 1.0).min(m - n);
            if m % 2.0 == 0.0 { (2.0 * place - 1.0) / m } else { 2.0 * place / (m + 1.0) }
        },
        _ => return None,
    })
}

/// A sum of cosines of multiples of the angle that goes once round in the window.
fn cosines(factors: &[f64], n: f64, m: f64) -> f64 {
    let angle = TAU * n / (m - 1.0) - PI;
    (0..).zip(factors).map(|(multiple, factor)| factor * (f64::from(multiple) * angle).cos()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_windows_are_symmetric_and_greatest_in_the_middle() {
        for name in NAMES {
            for length in [2, 3, 8, 9] {
                let weights = Window::from(name).weights("Class", length, false);
                let weights = weights.expect("a name").expect("weights");
                let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
                assert!(weights.iter().zip(weights.iter().rev()).all(near), "{name}: {weights:?}");
                let middle = weights[length / 2];
                assert!(
                    weights.iter().all(|&weight| weight <= middle + 1e-12),
                    "{name}: {weights:?}"
                );
                let periodic = Window::from(name).weights("Class", length - 1, true);
                let periodic = periodic.expect("a name").expect("weights");
                assert!(length == 2 || periodic == weights[..length - 1], "{name}");
            }
        }
    }
}
