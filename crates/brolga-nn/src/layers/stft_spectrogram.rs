//! The short-time Fourier transform of signals.

use brolga_ir::ops::window::{self, Spatial};
use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::images::{images, images_of};
use super::{Base, Layer, WeightSpec, layer};
use crate::config::Padding;
use crate::initializers::STFT;
use crate::registry::Choice;
use crate::setters::setters;
use crate::trace::Call;
use crate::windows::{Scaling, Window, hann};

/// Spectrograms: each frame of `frame_length` samples of a signal, one every `frame_step`, becomes
/// its Fourier transform at n/2 + 1 frequencies, n = `fft_length`.
///
/// `x: [batch, samples, channels]`, `y: [batch, frames, channels · frequencies]`, with `expand_dims`
/// `[batch, frames, frequencies, channels]`. It is the convolution of each channel with two trained
/// kernels `[frame_length, 1, n/2 + 1]`, which begin as windowed cosines and sines
/// ([`STFT`]).
///
/// | `mode` | y of re + i·im |
/// |---|---|
/// | `"log"`, the default | `ln(max(√max(re² + im², 1e-7), 1e-7))` |
/// | `"magnitude"` | `√max(re² + im², 1e-7)` |
/// | `"psd"` | `re² + im²`, twice that but for the first and the last frequency |
/// | `"real"`, `"imag"` | re, im |
/// | `"angle"` | the angle of re + i·im, from −π to π |
/// | `"stft"` | re for all frequencies, then im |
///
/// Weights: `real_kernel` unless the mode is `"imag"`, `imag_kernel` unless it is `"real"`.
///
/// A mistake if the input is no signal, it is shorter than a frame, or arguments are not as above.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/audio_preprocessing/stft_spectrogram/>
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct STFTSpectrogram {
    #[serde(flatten)]
    base: Base,
    mode: String,
    frame_length: usize,
    frame_step: Option<usize>,
    fft_length: Option<usize>,
    window: Window,
    periodic: bool,
    scaling: Scaling,
    padding: Padding,
    expand_dims: bool,
}

layer!(STFTSpectrogram { frame_length: Count, frame_step: Count, fft_length: Count });

/// What magnitudes and their squares are at least.
const EPSILON: f64 = 1e-7;

const MODES: [&str; 7] = ["log", "magnitude", "psd", "real", "imag", "angle", "stft"];

impl Default for STFTSpectrogram {
    fn default() -> Self {
        Self {
            base: Base::default(),
            mode: "log".to_owned(),
            frame_length: 256,
            frame_step: None,
            fft_length: None,
            window: hann(),
            periodic: false,
            scaling: Scaling::default(),
            padding: Padding::Valid,
            expand_dims: false,
        }
    }
}

impl STFTSpectrogram {
    /// Logarithms of magnitudes, of frames of 256 samples, one every 128.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// `"log"`, the default, `"magnitude"`, `"psd"`, `"real"`, `"imag"`, `"angle"` or `"stft"`.
        mode: into String,
        /// The samples of a frame; 256 by default.
        frame_length: usize,
        /// The samples from a frame to the next one; half a frame by default.
        frame_step: opt usize,
        /// The length of the transform, at least that of a frame; the next power of two by default.
        fft_length: opt usize,
        /// A name such as `"hann"`, the default, or `"hamming"`, a list of weights, or
        /// `Window::None`.
        window: into Window,
        /// Whether the window is periodic; false by default.
        periodic: bool,
        /// `"density"`, the default, `"spectrum"`, or `None`.
        scaling: into Scaling,
        /// `"valid"`, the default, or `"same"`.
        padding: into Padding,
        /// Whether channels have an axis of their own; false by default.
        expand_dims: bool,
    }

    fn step(&self) -> usize {
        self.frame_step.unwrap_or(self.frame_length / 2)
    }

    fn frequencies(&self) -> usize {
        let next = self.frame_length.checked_next_power_of_two().unwrap_or(self.frame_length);
        self.fft_length.unwrap_or(next) / 2 + 1
    }

    fn check(&self) -> Result<(), Mistake> {
        let class = "STFTSpectrogram";
        if !MODES.contains(&&*self.mode) {
            return Err(Mistake::new(format!("{class}: there is no mode `{}`", self.mode))
                .help(format!("there are {}", MODES.join(", "))));
        }
        let (length, step) = (self.frame_length, self.step());
        if step == 0 || step > length {
            let message = format!("{class}: frame_step is {step}, frame_length is {length}");
            return Err(Mistake::new(message).help("a step is from 1 up to the length of a frame"));
        }
        match self.fft_length {
            Some(fft) if fft < length => {
                let message = format!("{class}: fft_length is {fft}, frame_length is {length}");
                Err(Mistake::new(message).help("a transform is at least as long as a frame"))
            }
            _ => Ok(()),
        }
    }

    /// The initializer of a kernel.
    fn initializer(&self, side: &str) -> STFT {
        let (window, scaling) = (self.window.clone(), self.scaling.clone());
        STFT::new(side).window(window).scaling(scaling).periodic(self.periodic)
    }

    /// The names of the kernels that there are.
    fn kernels(&self) -> Vec<&'static str> {
        match &*self.mode {
            "real" => vec!["real_kernel"],
            "imag" => vec!["imag_kernel"],
            _ => vec!["real_kernel", "imag_kernel"],
        }
    }

    /// The convolution with all kernels side by side: `[batch, channels, frames, frequencies]`.
    fn transformed(&self, call: &Call<'_>, x: &Var) -> Result<Var, Mistake> {
        let (samples, channels) = images_of::<1>("STFTSpectrogram", x)?;
        let kernels: Vec<Var> =
            self.kernels().into_iter().map(|name| call.weight(name).cast(x.dtype())).collect();
        let kernel = match &kernels[..] {
            [first, rest @ ..] => first.concat(&rest.iter().collect::<Vec<_>>(), 2),
            [] => return Err(Mistake::new("STFTSpectrogram has no kernel")),
        };
        let one = |extent: usize| -> Spatial<usize> { Spatial::splat(1, extent) };
        let padding =
            self.padding.amounts(samples, one(self.frame_length), one(self.step()), one(1))?;
        let window = window::Window::new(one(self.step()), padding, one(1));
        let batch = x.shape()[0];
        let signals = x.transpose(&[0, 2, 1]).reshape([batch * channels, samples[0], 1]);
        let y = signals.conv(&kernel, window, 1);
        let frames = y.shape().get(1).copied().unwrap_or(0);
        Ok(y.reshape([batch, channels, frames, kernels.len() * self.frequencies()]))
    }

    /// What the mode makes of the transform.
    fn output(&self, y: &Var) -> Var {
        let [batch, channels, frames, _] = **y.shape() else { return y.clone() };
        let frequencies = self.frequencies();
        let part = |of: &Var, from: usize, to: usize| {
            of.slice(&[0, 0, 0, from], &[batch, channels, frames, to], &[1; 4])
        };
        if ["real", "imag", "stft"].contains(&&*self.mode) {
            return y.clone();
        }
        let (re, im) = (part(y, 0, frequencies), part(y, frequencies, 2 * frequencies));
        if self.mode == "angle" {
            return angle(&im, &re);
        }
        let power = &re * &re + &im * &im;
        if self.mode == "psd" && frequencies > 2 {
            let inner = part(&power, 1, frequencies - 1);
            return &power + inner.pad(&[0, 0, 0, 1], &[0, 0, 0, 1]);
        } else if self.mode == "psd" {
            return power;
        }
        let least = power.constant_like(EPSILON);
        let magnitude = power.maximum(&least).sqrt();
        if self.mode == "magnitude" { magnitude } else { magnitude.maximum(&least).log() }
    }
}

/// The angle of x + i·y, from −π to π.
fn angle(y: &Var, x: &Var) -> Var {
    let zero = x.constant_like(0.0);
    let (height, width) = (y.abs(), x.abs());
    let largest = height.maximum(&width).maximum(&x.constant_like(f64::from(f32::MIN_POSITIVE)));
    let share = height.minimum(&width) / largest;
    // The angle of a share above tan(π/8) is π/4 and that of what is left.
    let is_large = share.gt(&share.constant_like(std::f64::consts::SQRT_2 - 1.0));
    let rest = (&share - 1.0) / (&share + 1.0);
    let rest = is_large.select(&rest, &share);
    let square = &rest * &rest;
    // The polynomial of Cephes's atanf.
    let polynomial = [-1.387_768_560_32e-1, 1.997_771_064_78e-1, -3.333_294_915_39e-1]
        .iter()
        .fold(square.constant_like(8.053_744_495_38e-2), |sum, &factor| sum * &square + factor);
    let angle = &rest + &rest * &square * polynomial;
    let angle = is_large.select(&(&angle + std::f64::consts::FRAC_PI_4), &angle);
    let angle = height.gt(&width).select(&(std::f64::consts::FRAC_PI_2 - &angle), &angle);
    let angle = x.lt(&zero).select(&(std::f64::consts::PI - &angle), &angle);
    y.lt(&zero).select(&-&angle, &angle)
}

impl Layer for STFTSpectrogram {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        images::<1>("STFTSpectrogram", inputs)?;
        self.check()?;
        let shape = [self.frame_length, 1, self.frequencies()];
        let kernel = |name: &str| {
            let initializer = self.initializer(&name[..4]);
            initializer.scaled(self.frame_length)?;
            Ok(WeightSpec::trainable(name, shape, &Choice::from(initializer)))
        };
        self.kernels().into_iter().map(kernel).collect()
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.transformed(call, &x) {
            Ok(transformed) => {
                let y = self.output(&transformed);
                let [batch, channels, frames, frequencies] = **y.shape() else { return y };
                if self.expand_dims {
                    return y.transpose(&[0, 2, 3, 1]);
                }
                y.transpose(&[0, 2, 1, 3]).reshape([batch, frames, channels * frequencies])
            }
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}
