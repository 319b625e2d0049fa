//! The kernels of a Fourier transform.

use brolga_ir::{Mistake, Shape};
use serde::{Deserialize, Serialize};

use super::{Initializer, Random};
use crate::registry::object;
use crate::setters::setters;
use crate::windows::{Scaling, Window, hann};

/// `cos(−2πtk/n) · window[t] / scale`, or with `side` `"imag"` the sine: the kernel of a convolution
/// that gives the short-time Fourier transform of a signal.
///
/// The weight has the shape `[frame_length, 1, n/2 + 1]`: t is the sample of a frame, k the
/// frequency. The scale is √Σ window² with `scaling` `"density"`, Σ |window| with `"spectrum"`.
/// Without a window nothing is scaled.
///
/// Keras: `keras.initializers.STFT`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct STFT {
    side: String,
    window: Window,
    scaling: Scaling,
    periodic: bool,
}

object!(STFT);

impl Default for STFT {
    fn default() -> Self {
        let (side, scaling) = ("real".to_owned(), Scaling::default());
        Self { side, window: hann(), scaling, periodic: false }
    }
}

impl STFT {
    /// The kernel of the real side, `"real"`, or of the imaginary one, `"imag"`.
    pub fn new(side: impl Into<String>) -> Self {
        Self { side: side.into(), ..Self::default() }
    }

    setters! {
        /// A name such as `"hann"`, the default, or `"hamming"`, a list of weights, or
        /// `Window::None`.
        window: into Window,
        /// `"density"`, the default, `"spectrum"`, or `None`.
        scaling: into Scaling,
        /// Whether the window is periodic; false by default.
        periodic: bool,
    }

    /// The weights of a frame's samples, scaled; none without a window.
    pub(crate) fn scaled(&self, frame_length: usize) -> Result<Option<(Vec<f32>, f32)>, Mistake> {
        let weights = self.window.weights("STFT", frame_length, self.periodic)?;
        let single = |weights: Vec<f64>| weights.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let weights = weights.map(single);
        let scale = self.scaling.of("STFT", weights.as_deref().unwrap_or_default())?;
        Ok(weights.map(|weights| (weights, scale)))
    }
}

impl Initializer for STFT {
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        if !["real", "imag"].contains(&&*self.side) {
            return Err(Mistake::new(format!("STFT: there is no side `{}`", self.side))
                .help("there are \"real\" and \"imag\""));
        }
        match **shape {
            [frame_length, 1, frequencies] if frequencies > 0 => {
                self.scaled(frame_length).map(drop)
            }
            _ => {
                let message = format!("STFT initializes [frame_length, 1, n/2 + 1], not {shape}");
                Err(Mistake::new(message).help("give the initializer to the kernel of a Conv1D"))
            }
        }
    }

    /// Angles are products of `f32`, as Keras has them: they are off by 10⁻⁵ of a turn and more.
    fn fill(&self, shape: &Shape, _: Random, start: usize, values: &mut [f32]) {
        let [frame_length, _, frequencies] = **shape else { return };
        let window = self.scaled(frame_length).ok().flatten();
        let length = (frequencies.saturating_sub(1) * 2) as f32;
        for (index, value) in (start..).zip(values) {
            let (time, frequency) = (index / frequencies, index % frequencies);
            let share = if frequency == 0 { 0.0 } else { frequency as f32 / length };
            let angle = f64::from(-2.0 * time as f32 * share * std::f32::consts::PI);
            let wave = if self.side == "real" { angle.cos() } else { angle.sin() } as f32;
            *value = match &window {
                Some((weights, scale)) => wave * weights[time] / scale,
                None => wave,
            };
        }
    }
}
