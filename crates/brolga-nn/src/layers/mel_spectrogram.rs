//! Spectrograms on the mel scale.

use brolga_ir::{DType, Data, Mistake, Tensor, Tracer, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, WeightSpec, fourier, layer, shapes};
use crate::setters::setters;
use crate::trace::Call;
use crate::windows::{Window, hann};

/// Spectrograms on the mel scale, in decibels: `x: [batch, samples]`, `y: [batch, mels, frames]`
/// with frames = samples / `sequence_stride` + 1.
///
/// A frame is `fft_length` samples around its centre; beyond both ends the signal is reflected. Its
/// middle `sequence_length` samples are weighted by the window, and `|X|^mag_exp` of its Fourier
/// transform is added up by `num_mel_bins` triangles, which lie between `min_freq` and `max_freq`
/// at equal distances on the scale `1127·ln(1 + f/700)` and are 1 at the top. With `power_to_db`
/// the sums S become `10·log₁₀(max(S, min_power)) − 10·log₁₀(max(|ref_power|, min_power))`, and what
/// is more than `top_db` below the greatest value of the batch is raised to that.
///
/// The transform is a product with two small matrices; gradients flow through all of it.
///
/// A mistake if the input is no signal, it is not longer than half a frame, or arguments are not as
/// above.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/audio_preprocessing/mel_spectrogram/>,
/// of batches alone; windows are periodic
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct MelSpectrogram {
    #[serde(flatten)]
    base: Base,
    fft_length: usize,
    sequence_stride: usize,
    sequence_length: Option<usize>,
    window: Window,
    sampling_rate: f64,
    num_mel_bins: usize,
    min_freq: f64,
    max_freq: Option<f64>,
    power_to_db: bool,
    top_db: f64,
    mag_exp: f64,
    min_power: f64,
    ref_power: f64,
}

layer!(MelSpectrogram {
    fft_length: Count,
    sequence_stride: Count,
    sequence_length: Count,
    sampling_rate: Positive,
    num_mel_bins: Count,
    min_freq: AtLeast(0.0),
    max_freq: Positive,
    top_db: AtLeast(0.0),
    mag_exp: Positive,
    min_power: Positive,
    ref_power: Finite,
});

/// The most bands.
const MOST_BINS: usize = 1 << 14;

impl Default for MelSpectrogram {
    fn default() -> Self {
        Self {
            base: Base::default(),
            fft_length: 2048,
            sequence_stride: 512,
            sequence_length: None,
            window: hann(),
            sampling_rate: 16_000.0,
            num_mel_bins: 128,
            min_freq: 20.0,
            max_freq: None,
            power_to_db: true,
            top_db: 80.0,
            mag_exp: 2.0,
            min_power: 1e-10,
            ref_power: 1.0,
        }
    }
}

impl MelSpectrogram {
    /// 128 bands of signals with 16,000 samples a second, in frames of 2,048 samples, one every
    /// 512.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The samples of a frame; 2048 by default.
        fft_length: usize,
        /// The samples from a frame to the next one; 512 by default.
        sequence_stride: usize,
        /// The samples of the window, in the middle of a frame; all of them by default.
        sequence_length: opt usize,
        /// `"hann"`, the default, `"hamming"` or another of SciPy's, a list of weights, or
        /// `Window::None`.
        window: into Window,
        /// The samples a second; 16000 by default.
        sampling_rate: into f64,
        /// How many bands there are; 128 by default.
        num_mel_bins: usize,
        /// The lower end of the lowest band in hertz; 20 by default.
        min_freq: f64,
        /// The upper end of the highest band in hertz; half of `sampling_rate` by default.
        max_freq: opt f64,
        /// Whether sums become decibels; true by default.
        power_to_db: bool,
        /// How many decibels the least value is below the greatest one at most; 80 by default.
        top_db: f64,
        /// The exponent of the magnitude: 1 for magnitudes, 2, the default, for powers.
        mag_exp: f64,
        /// The least power; 1e-10 by default.
        min_power: f64,
        /// The power of 0 decibels; 1 by default.
        ref_power: f64,
    }

    fn check(&self, inputs: &[Type]) -> Result<(), Mistake> {
        let class = "MelSpectrogram";
        let [x] = inputs else { return Ok(()) };
        let [_, samples] = *x.shape else {
            let message =
                format!("{class} takes signals (None, samples), given {}", shapes(inputs));
            return Err(Mistake::new(message).help("drop an axis of channels: Reshape::new([-1])"));
        };
        let fft = self.fft_length;
        let window = self.sequence_length.unwrap_or(fft);
        if window > fft {
            let message = format!("{class}: sequence_length is {window}, fft_length is {fft}");
            return Err(Mistake::new(message).help("a window is at most as long as a frame"));
        }
        if samples <= fft / 2 {
            let message =
                format!("{class}: a signal has {samples} samples, half a frame has {}", fft / 2);
            return Err(Mistake::new(message)
                .help("give longer signals, padded with zeros, or a smaller fft_length"));
        }
        if self.num_mel_bins > MOST_BINS {
            let message = format!("{class}: num_mel_bins is {}", self.num_mel_bins);
            return Err(Mistake::new(message).help(format!("there are at most {MOST_BINS} bands")));
        }
        let sums = (fft / 2 + 1).saturating_mul(self.num_mel_bins);
        brolga_memory::check(sums.saturating_mul(size_of::<f64>())).map_err(|reason| {
            Mistake::new(format!("{class}: the bands do not fit into memory: {reason}"))
                .help("give a smaller fft_length or num_mel_bins")
        })?;
        let (low, high) = (self.min_freq, self.highest());
        if low >= high {
            let message = format!("{class}: the bands go from {low} to {high} Hz");
            return Err(Mistake::new(message).help("min_freq is below max_freq"));
        }
        self.window.weights(class, window, true).map(drop)
    }

    fn highest(&self) -> f64 {
        self.max_freq.unwrap_or((self.sampling_rate / 2.0).floor())
    }

    /// The weight of each sample of a frame.
    fn weights(&self) -> Vec<f64> {
        let length = self.sequence_length.unwrap_or(self.fft_length);
        let weights = self.window.weights("MelSpectrogram", length, true).ok().flatten();
        let weights = weights.unwrap_or_else(|| vec![1.0; length]);
        let before = (self.fft_length - length) / 2;
        let mut all = vec![0.0; self.fft_length];
        all[before..before + length].copy_from_slice(&weights);
        all
    }

    /// How much each frequency counts in each band: `[frequencies, bands]`.
    fn bands(&self, frequencies: usize) -> Vec<f64> {
        let mel = |hertz: f64| 1127.0 * (1.0 + hertz / 700.0).ln();
        let (low, high) = (mel(self.min_freq), mel(self.highest()));
        let step = (high - low) / (self.num_mel_bins + 1) as f64;
        let nyquist = self.sampling_rate / 2.0;
        let last = (frequencies.max(2) - 1) as f64;
        let of_frequency = |frequency: usize| {
            let place = mel(nyquist * frequency as f64 / last);
            (0..self.num_mel_bins).map(move |band| {
                let edge = low + band as f64 * step;
                let (rises, falls) = ((place - edge) / step, (edge + 2.0 * step - place) / step);
                // The constant part of a signal has no pitch.
                if frequency == 0 { 0.0 } else { rises.min(falls).max(0.0) }
            })
        };
        (0..frequencies).flat_map(of_frequency).collect()
    }

    fn decibels(&self, sums: &Var) -> Var {
        let least = sums.constant_like(self.min_power);
        let of_ref = 10.0 * self.ref_power.abs().max(self.min_power).log10();
        let decibels = sums.maximum(&least).log() * (10.0 / std::f64::consts::LN_10) - of_ref;
        let axes: Vec<usize> = (0..decibels.shape().rank()).collect();
        let lowest = decibels.reduce_max(&axes, false) - self.top_db;
        decibels.maximum(&lowest)
    }
}

/// The index of each sample of each frame in all signals: `[batch, frames, columns, rows]`, where
/// the sample of a frame is row · columns + column. A frame begins half its length before its
/// centre; beyond the ends the signal is reflected.
fn samples_of_frames(
    tracer: &Tracer,
    [batch, samples]: [usize; 2],
    [frames, stride]: [usize; 2],
    [rows, columns]: [usize; 2],
) -> Var {
    let shape = [batch, frames, columns, rows];
    let fits = i32::try_from(batch * samples).is_ok();
    let dtype = if fits { DType::I32 } else { DType::I64 };
    let along = |axis: usize, step: usize| {
        let mut shape_of_axis = [1; 4];
        shape_of_axis[axis] = shape[axis];
        tracer.iota(Type::new(dtype, shape_of_axis), axis) * step as f64
    };
    let before = (rows * columns / 2) as f64;
    let last = (samples - 1) as f64;
    let place = along(1, stride) + along(2, 1) + along(3, columns) - before;
    let reflected = last - (last - place.abs()).abs();
    reflected + along(0, samples)
}

impl Layer for MelSpectrogram {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        self.check(inputs).map(|()| vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            let [batch, samples] = **x.shape() else { return x };
            if let Err(mistake) = self.check(std::slice::from_ref(x.ty())) {
                return call.tracer().fail(mistake);
            }
            let tracer = call.tracer();
            let fft = self.fft_length;
            let frames = (samples + fft / 2 * 2 - fft) / self.sequence_stride + 1;
            let [rows, columns] = fourier::factors(fft);
            let indices = samples_of_frames(
                tracer,
                [batch, samples],
                [frames, self.sequence_stride],
                [rows, columns],
            );
            let table = x.reshape([batch * samples]);
            let signals = table.gather(&indices).reshape([batch * frames, columns, rows]);
            let constant = |shape: &[usize], values: &[f64]| {
                let tensor = Tensor::new(shape, Data::from_f64(x.dtype(), values));
                tracer.constant(tensor.expect("as many values as the shape has"))
            };
            let weights = self.weights();
            let weights: Vec<f64> = (0..fft)
                .map(|element| weights[element % rows * columns + element / rows])
                .collect();
            let power = fourier::power(&(signals * constant(&[columns, rows], &weights)));
            let spectrum = match self.mag_exp {
                2.0 => power,
                exponent => power.pow(&power.constant_like(exponent / 2.0)),
            };
            let frequencies = fft / 2 + 1;
            let bands = constant(&[frequencies, self.num_mel_bins], &self.bands(frequencies));
            let sums = spectrum.matmul(&bands).reshape([batch, frames, self.num_mel_bins]);
            let y = if self.power_to_db { self.decibels(&sums) } else { sums };
            y.transpose(&[0, 2, 1])
        })
    }
}
