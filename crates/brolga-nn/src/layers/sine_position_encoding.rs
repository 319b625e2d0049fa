//! Sines and cosines of positions.

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::positions::{KEYWORDS, Positions, sequence};
use super::{Base, Layer, WeightSpec, layer};
use crate::setters::setters;
use crate::trace::Call;

/// `y[b, t, i] = sin(t · w)` for even `i` and `cos(t · w)` for odd ones, with `w = max_wavelength^
/// (−2⌊i/2⌋ / features)`: to be added to `x`.
///
/// `x: [batch, steps, features]`, of which the shape alone matters; `y` has the shape of `x`. A
/// [call](crate::model::CallArguments) may have `start_index`, the position of the first step, as a
/// number or `[batch, 1]`, or `positions: [batch, steps]`; where they are tensors,
/// `sequence_length` says below which number they are, and others give zeros. The mask of `x` is
/// handed on.
///
/// A mistake if `x` is no sequence.
///
/// Vaswani et al., "Attention is all you need" (2017). KerasHub:
/// <https://keras.io/keras_hub/api/modeling_layers/sine_position_encoding/>, which does not hand
/// masks on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SinePositionEncoding {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "ten_thousand")]
    max_wavelength: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sequence_length: Option<usize>,
}

pub(super) fn ten_thousand() -> f64 {
    10_000.0
}

layer!(SinePositionEncoding { max_wavelength: Positive, sequence_length: Count });

impl Default for SinePositionEncoding {
    fn default() -> Self {
        Self { base: Base::default(), max_wavelength: ten_thousand(), sequence_length: None }
    }
}

impl SinePositionEncoding {
    /// An encoding with a greatest wavelength of 10,000.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// The base of the wavelengths; 10,000 by default.
        max_wavelength: f64,
        /// How many positions there are, where those of a call are a tensor. KerasHub does not have
        /// it.
        sequence_length: opt usize,
    }

    /// The row of a position.
    fn row(&self, position: f64, features: usize) -> Vec<f64> {
        let element = |i: usize| {
            let exponent = (2 * (i / 2)) as f64 / features as f64;
            let angle = position * self.max_wavelength.powf(-exponent);
            if i.is_multiple_of(2) { angle.sin() } else { angle.cos() }
        };
        (0..features).map(element).collect()
    }

    fn encoding(&self, call: &Call<'_>, x: &Var) -> Result<Var, Mistake> {
        let class = "SinePositionEncoding";
        let [batch, steps, features] = sequence(class, x.ty())?;
        let positions = Positions::of(call, batch, steps)?;
        let known = (steps, self.sequence_length);
        let rows = positions.of_function(class, x, known, |p| self.row(p, features))?;
        Ok(rows.broadcast(x.shape().clone()))
    }
}

impl Layer for SinePositionEncoding {
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
        inputs.iter().try_for_each(|x| sequence("SinePositionEncoding", x).map(drop))?;
        Ok(vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            self.encoding(call, &x).unwrap_or_else(|mistake| call.tracer().fail(mistake))
        })
    }
}
