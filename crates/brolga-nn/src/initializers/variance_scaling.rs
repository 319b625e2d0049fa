//! Values whose variance fits the number of a weight's inputs and outputs.

use brolga_ir::{Mistake, Shape};
use serde::{Deserialize, Serialize};

use super::{Draw, Initializer, Random, RandomDistribution};
use crate::config::Axis;
use crate::registry::object;

/// Which of a weight's connections are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FanMode {
    /// The inputs of an output.
    #[default]
    FanIn,
    /// The outputs of an input.
    FanOut,
    /// The average of both.
    FanAvg,
}

/// The form of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// A normal distribution cut at two standard deviations, and scaled to have the variance
    /// nevertheless.
    #[default]
    #[serde(alias = "normal")]
    TruncatedNormal,
    /// A normal distribution.
    UntruncatedNormal,
    /// A uniform distribution.
    Uniform,
}

/// Values of mean 0 and variance `scale / n`, where n is the number of connections by `mode`.
///
/// The last two axes of a weight are inputs and outputs, the axes before them a window of which
/// every position is a connection, unless `input_axes` and `output_axes` say otherwise.
///
/// Keras: `keras.initializers.VarianceScaling`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VarianceScaling {
    /// The variance times the number of connections; 1 by default.
    pub scale: f64,
    /// Which connections are counted; those of the inputs by default.
    pub mode: FanMode,
    /// The form of the distribution.
    pub distribution: Distribution,
    /// A seed of its own, instead of the model's.
    pub seed: Option<u64>,
    /// The axes of a weight's inputs and outputs.
    #[serde(flatten)]
    pub axes: FanAxes,
}

object!(VarianceScaling { scale: Positive });

impl Default for VarianceScaling {
    fn default() -> Self {
        let (mode, distribution) = (FanMode::default(), Distribution::default());
        Self { scale: 1.0, mode, distribution, seed: None, axes: FanAxes::default() }
    }
}

/// The standard deviation of a standard normal distribution cut at two standard deviations.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

/// Which axes of a weight are its inputs and outputs; both are needed, else they follow from the
/// weight's shape.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FanAxes {
    /// The axes whose extents multiply to the inputs of an output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_axes: Option<Vec<i64>>,
    /// The axes whose extents multiply to the outputs of an input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_axes: Option<Vec<i64>>,
}

impl FanAxes {
    /// The numbers of inputs of an output and of outputs of an input.
    fn fans(&self, shape: &Shape) -> Result<(f64, f64), Mistake> {
        let (Some(inputs), Some(outputs)) = (&self.input_axes, &self.output_axes) else {
            return Ok(fans(shape));
        };
        let count = |axes: &[i64]| -> Result<f64, Mistake> {
            let extents = axes.iter().map(|&axis| Ok(shape[Axis(axis).of(shape)?] as f64));
            extents.product()
        };
        Ok((count(inputs)?, count(outputs)?))
    }
}

/// [`FanAxes::fans`] of the shape alone.
fn fans(shape: &Shape) -> (f64, f64) {
    match **shape {
        [] => (1.0, 1.0),
        [extent] => (extent as f64, extent as f64),
        [ref window @ .., inputs, outputs] => {
            let positions: f64 = window.iter().map(|&extent| extent as f64).product();
            (positions * inputs as f64, positions * outputs as f64)
        }
    }
}

/// The methods of an initializer, whose field `axes` is [`FanAxes`], that set them.
macro_rules! fan_axes_setters {
    ($name:ident) => {
        impl $name {
            /// The axes whose extents multiply to the inputs of an output; they count if there are
            /// `output_axes` too. By default they follow from the weight's shape.
            #[must_use]
            pub fn input_axes(mut self, axes: impl Into<Vec<i64>>) -> Self {
                self.axes.input_axes = Some(axes.into());
                self
            }

            /// The axes whose extents multiply to the outputs of an input; they count if there are
            /// `input_axes` too. By default they follow from the weight's shape.
            #[must_use]
            pub fn output_axes(mut self, axes: impl Into<Vec<i64>>) -> Self {
                self.axes.output_axes = Some(axes.into());
                self
            }
        }
    };
}

fan_axes_setters!(VarianceScaling);

impl Initializer for VarianceScaling {
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        self.axes.fans(shape).map(drop)
    }

    fn fill(&self, shape: &Shape, random: Random, start: usize, values: &mut [f32]) {
        // `check` has found the axes.
        let (fan_in, fan_out) = self.axes.fans(shape).unwrap_or((1.0, 1.0));
        let connections = match self.mode {
            FanMode::FanIn => fan_in,
            FanMode::FanOut => fan_out,
            FanMode::FanAvg => (fan_in + fan_out) / 2.0,
        };
        let variance = self.scale / connections.max(1.0);
        let (draw, factor, divisor) = match self.distribution {
            Distribution::TruncatedNormal => {
                (Draw::TruncatedNormal, variance.sqrt(), TRUNCATED_DEVIATION)
            }
            Distribution::UntruncatedNormal => (Draw::Normal, variance.sqrt(), 1.0),
            Distribution::Uniform => (Draw::Symmetric, (3.0 * variance).sqrt(), 1.0),
        };
        // Adding −0 changes nothing.
        RandomDistribution { draw, offset: -0.0, factor, divisor }.fill(
            random.or_seed(self.seed),
            start as u64,
            values,
        );
    }
}

/// Declares [`VarianceScaling`] with fixed arguments.
macro_rules! scaling {
    ($(#[$doc:meta])* $name:ident: $scale:literal, $mode:ident, $distribution:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            /// A seed of its own, instead of the model's.
            pub seed: Option<u64>,
            /// The axes of a weight's inputs and outputs.
            #[serde(flatten)]
            pub axes: FanAxes,
        }

        object!($name);
        fan_axes_setters!($name);

        impl Initializer for $name {
            fn check(&self, shape: &Shape) -> Result<(), Mistake> {
                self.axes.fans(shape).map(drop)
            }

            fn fill(&self, shape: &Shape, random: Random, start: usize, values: &mut [f32]) {
                let (mode, distribution) = (FanMode::$mode, Distribution::$distribution);
                let (seed, axes) = (self.seed, self.axes.clone());
                let scaling = VarianceScaling { scale: $scale, mode, distribution, seed, axes };
                scaling.fill(shape, random, start, values);
            }
        }
    };
}

scaling! {
    /// Uniform with variance `2 / (inputs + outputs)`.
    ///
    /// Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    /// networks" (2010).
    ///
    /// Keras: `keras.initializers.GlorotUniform`.
    GlorotUniform: 1.0, FanAvg, Uniform
}
scaling! {
    /// Truncated normal with variance `2 / (inputs + outputs)`; see [`GlorotUniform`].
    ///
    /// Keras: `keras.initializers.GlorotNormal`.
    GlorotNormal: 1.0, FanAvg, TruncatedNormal
}
scaling! {
    /// Uniform with variance `2 / inputs`.
    ///
    /// He et al., "Delving deep into rectifiers" (2015).
    ///
    /// Keras: `keras.initializers.HeUniform`.
    HeUniform: 2.0, FanIn, Uniform
}
scaling! {
    /// Truncated normal with variance `2 / inputs`; see [`HeUniform`].
    ///
    /// Keras: `keras.initializers.HeNormal`.
    HeNormal: 2.0, FanIn, TruncatedNormal
}
scaling! {
    /// Uniform with variance `1 / inputs`.
    ///
    /// LeCun et al., "Efficient backprop" (1998).
    ///
    /// Keras: `keras.initializers.LecunUniform`.
    LecunUniform: 1.0, FanIn, Uniform
}
scaling! {
    /// Truncated normal with variance `1 / inputs`; see [`LecunUniform`].
    ///
    /// Keras: `keras.initializers.LecunNormal`.
    LecunNormal: 1.0, FanIn, TruncatedNormal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fans_count_the_window() {
        assert_eq!(fans(&[3, 3, 32, 64].into()), (288.0, 576.0));
        assert_eq!(fans(&[5, 7].into()), (5.0, 7.0));
        assert_eq!(fans(&[5].into()), (5.0, 5.0));
        assert_eq!(fans(&Shape::scalar()), (1.0, 1.0));
    }
}
