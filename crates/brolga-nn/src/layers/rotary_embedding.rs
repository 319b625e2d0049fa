//! Rotations by positions.

use std::f64::consts::PI;

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::axes::{axis, last};
use super::positions::{KEYWORDS, Positions};
use super::sine_position_encoding::ten_thousand;
use super::{Base, Layer, WeightSpec, layer, yes};
use crate::setters::setters;
use crate::trace::Call;

/// Each pair of features `(x₁, x₂)`, of the first half and of the second, is rotated by an angle of
/// its position: `(x₁ cos tw − x₂ sin tw, x₂ cos tw + x₁ sin tw)`, with `w = max_wavelength^(−2i /
/// features)` for the pair `i`.
///
/// `x: [batch, steps, .., features]`; `y` has its shape. `rope_type` says how `scaling_factor`
/// lengthens the wavelengths: `"linear"` divides all `w`, `"dynamic"` divides by its power,
/// `"yarn"` those of few rotations over `original_max_position_embeddings`. A
/// [call](crate::model::CallArguments) may have `start_index`, the position of the first step, as a
/// number or `[batch, 1]`, or `positions: [batch, steps]`; where they are tensors,
/// `sequence_length` says below which number they are, and others give zeros. The mask of `x` is
/// handed on.
///
/// A mistake if the number of features is odd, or the axes are not two of the input's.
///
/// Su et al., "RoFormer" (2021); Peng et al., "YaRN" (2023). KerasHub:
/// <https://keras.io/keras_hub/api/modeling_layers/rotary_embedding/>, which does not hand masks on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RotaryEmbedding {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "ten_thousand")]
    max_wavelength: f64,
    #[serde(default = "one")]
    scaling_factor: f64,
    #[serde(default = "linear")]
    rope_type: String,
    #[serde(default = "thirty_two")]
    beta_fast: f64,
    #[serde(default = "one")]
    beta_slow: f64,
    #[serde(default = "four_thousand")]
    original_max_position_embeddings: usize,
    #[serde(default = "yes")]
    truncate: bool,
    #[serde(default = "first")]
    sequence_axis: isize,
    #[serde(default = "last")]
    feature_axis: isize,
    #[serde(default)]
    denominator_dim: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence_length: Option<usize>,
}

fn one() -> f64 {
    1.0
}

fn thirty_two() -> f64 {
    32.0
}

fn four_thousand() -> usize {
    4096
}

fn linear() -> String {
    "linear".to_owned()
}

fn first() -> isize {
    1
}

layer!(RotaryEmbedding {
    max_wavelength: Positive,
    scaling_factor: Positive,
    beta_fast: Positive,
    beta_slow: Positive,
    original_max_position_embeddings: Count,
    denominator_dim: Count,
    sequence_length: Count,
});

impl Default for RotaryEmbedding {
    fn default() -> Self {
        Self {
            base: Base::default(),
            max_wavelength: ten_thousand(),
            scaling_factor: one(),
            rope_type: linear(),
            beta_fast: thirty_two(),
            beta_slow: one(),
            original_max_position_embeddings: four_thousand(),
            truncate: true,
            sequence_axis: first(),
            feature_axis: last(),
            denominator_dim: None,
            sequence_length: None,
        }
    }
}

impl RotaryEmbedding {
    /// Rotations with a greatest wavelength of 10,000.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The base of the wavelengths; 10,000 by default.
        max_wavelength: f64,
        /// By how much wavelengths become longer; 1 by default.
        scaling_factor: f64,
        /// `"linear"`, the default, `"dynamic"` or `"yarn"`.
        rope_type: into String,
        /// From how many rotations on YaRN keeps a wavelength; 32 by default.
        beta_fast: f64,
        /// Up to how many rotations YaRN lengthens a wavelength by the whole factor; 1 by default.
        beta_slow: f64,
        /// The length for which YaRN counts rotations; 4096 by default.
        original_max_position_embeddings: usize,
        /// Whether YaRN rounds the bounds of its range to pairs; true by default.
        truncate: bool,
        /// The axis of the steps; 1 by default.
        sequence_axis: isize,
        /// The axis of the features; −1, the last one, by default.
        feature_axis: isize,
        /// What divides the exponents of the wavelengths; the number of features by default.
        denominator_dim: opt usize,
        /// How many positions there are, where those of a call are a tensor. KerasHub does not have
        /// it.
        sequence_length: opt usize,
    }

    /// The axes of steps and features.
    fn axes(&self, x: &Type) -> Result<(usize, usize), Mistake> {
        let (steps, features) = (axis(self.sequence_axis, x)?, axis(self.feature_axis, x)?);
        let count = x.shape[features];
        if steps == features {
            let message = "RotaryEmbedding: sequence_axis and feature_axis are the same";
            return Err(
                Mistake::new(message).help("name the axis of the steps and that of the features")
            );
        }
        if !count.is_multiple_of(2) {
            let message = format!("RotaryEmbedding rotates pairs of features, given {count}");
            return Err(Mistake::new(message).help("make the number of features even"));
        }
        Ok((steps, features))
    }

    /// The angle of a step for each pair of features.
    fn frequencies(&self, features: usize) -> Result<Vec<f64>, Mistake> {
        let denominator = self.denominator_dim.unwrap_or(features) as f64;
        let factor = match self.rope_type.as_str() {
            "linear" => self.scaling_factor,
            "dynamic" => {
                let exponent = features as f64 / features.saturating_sub(2).max(1) as f64;
                self.scaling_factor.powf(exponent)
            }
            "yarn" => return Ok(self.yarn(features)),
            other => {
                let message = format!("there is no rope_type `{other}`");
                return Err(
                    Mistake::new(message).help("rope_type is \"linear\", \"dynamic\" or \"yarn\"")
                );
            }
        };
        let of =
            |pair: usize| self.max_wavelength.powf(-((2 * pair) as f64) / denominator) / factor;
        Ok((0..features / 2).map(of).collect())
    }

    /// The same where only slow rotations are slowed down.
    fn yarn(&self, features: usize) -> Vec<f64> {
        let (count, length) = (features as f64, self.original_max_position_embeddings as f64);
        let bound = |rotations: f64| {
            count * (length / (rotations * 2.0 * PI)).ln() / (2.0 * self.max_wavelength.ln())
        };
        let (mut low, mut high) = (bound(self.beta_fast), bound(self.beta_slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        let (low, high) = (low.max(0.0), high.min(count - 1.0));
        let of = |pair: usize| {
            let kept = self.max_wavelength.powf(-((2 * pair) as f64) / count);
            let ramp = ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
            kept / self.scaling_factor * ramp + kept * (1.0 - ramp)
        };
        (0..features / 2).map(of).collect()
    }

    fn rotated(&self, call: &Call<'_>, x: &Var) -> Result<Var, Mistake> {
        let (steps_at, features_at) = self.axes(x.ty())?;
        let (batch, steps, features) = (x.shape()[0], x.shape()[steps_at], x.shape()[features_at]);
        let frequencies = self.frequencies(features)?;
        let scale =
            if self.rope_type == "yarn" { 0.1 * self.scaling_factor.ln() + 1.0 } else { 1.0 };
        let positions = Positions::of(call, batch, steps)?;
        let table = |function: fn(f64) -> f64| {
            let row = |position: f64| -> Vec<f64> {
                let half = frequencies.iter().map(|w| function(position * w) * scale);
                half.clone().chain(half).collect()
            };
            let known = (steps, self.sequence_length);
            let rows = positions.of_function("RotaryEmbedding", x, known, row)?;
            Ok::<_, Mistake>(spread(&rows, x, steps_at, features_at))
        };
        let half = |from: usize, to: usize| {
            let (mut starts, mut limits) = (vec![0; x.shape().rank()], x.shape().to_vec());
            (starts[features_at], limits[features_at]) = (from, to);
            x.slice(&starts, &limits, &vec![1; starts.len()])
        };
        let turned = (-half(features / 2, features)).concat(&[&half(0, features / 2)], features_at);
        Ok(x * table(f64::cos)? + turned * table(f64::sin)?)
    }
}

/// Rows `[steps, features]` or `[batch, steps, features]` in the shape in which they broadcast to
/// `x`.
fn spread(rows: &Var, x: &Var, steps: usize, features: usize) -> Var {
    let mut shape = vec![1; x.shape().rank()];
    let ordered = if steps < features {
        rows.clone()
    } else {
        let rank = rows.shape().rank();
        let order: Vec<usize> = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
        rows.transpose(&order)
    };
    shape[0] = if rows.shape().rank() == 3 { x.shape()[0] } else { 1 };
    (shape[steps], shape[features]) = (x.shape()[steps], x.shape()[features]);
    ordered.reshape(shape)
}

impl Layer for RotaryEmbedding {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn keywords(&self) -> &'static [&'static str] {
        &KEYWORDS
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        for x in inputs {
            let (_, features) = self.axes(x)?;
            self.frequencies(x.shape[features])?;
        }
        Ok(vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            self.rotated(call, &x).unwrap_or_else(|mistake| call.tracer().fail(mistake))
        })
    }
}
