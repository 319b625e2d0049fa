//! What the convolutional LSTMs of sequences of lines, images and volumes share.

use std::sync::Arc;

use brolga_ir::ops::window::Window;
use brolga_ir::{Mistake, Shape, Type, Var};
use serde::{Deserialize, Serialize};

use super::convolution::one;
use super::recurrent::{KEYWORDS, Recurrence, Steps, steps_setters};
use super::weights::{Bias, Kernel, Recurrent, bias_setters, kernel_setters, recurrent_setters};
use super::{Base, Layer, WeightSpec, dropped, yes};
use crate::activations::{Activation, Sigmoid, Tanh};
use crate::cells::{Beginning, Cell, CellStep, UnitForgetBias};
use crate::config::{Extents, Padding};
use crate::registry::Object;
use crate::setters::setters;
use crate::trace::Call;

/// [`ConvLSTM1D`](super::ConvLSTM1D), [`ConvLSTM2D`](super::ConvLSTM2D) and
/// [`ConvLSTM3D`](super::ConvLSTM3D): an LSTM over sequences of pictures with `AXES` spatial axes,
/// whose products are convolutions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConvolutionalLSTM<const AXES: usize> {
    #[serde(flatten)]
    pub(super) base: Base,
    #[serde(flatten)]
    steps: Steps,
    pub(super) filters: usize,
    pub(super) kernel_size: Extents<AXES>,
    #[serde(default = "one")]
    pub(super) strides: Extents<AXES>,
    #[serde(default)]
    padding: Padding,
    #[serde(default = "one")]
    pub(super) dilation_rate: Extents<AXES>,
    #[serde(default = "tanh")]
    activation: Activation,
    #[serde(default = "sigmoid")]
    recurrent_activation: Activation,
    #[serde(default = "yes")]
    use_bias: bool,
    #[serde(default = "yes")]
    unit_forget_bias: bool,
    #[serde(flatten)]
    kernel: Kernel,
    #[serde(flatten)]
    recurrent: Recurrent,
    #[serde(flatten)]
    bias: Bias,
    #[serde(default)]
    pub(super) dropout: f64,
    #[serde(default)]
    pub(super) recurrent_dropout: f64,
    #[serde(default)]
    seed: Option<u64>,
}

/// [`layer!`](super::layer) for a convolutional LSTM.
macro_rules! conv_lstm_layer {
    ($class:ident) => {
        $crate::layers::layer!($class {
            filters: Count,
            kernel_size: Count,
            strides: Count,
            dilation_rate: Count,
            dropout: Share,
            recurrent_dropout: Share,
        });
    };
}
pub(super) use conv_lstm_layer;

fn tanh() -> Activation {
    Tanh::default().into()
}

fn sigmoid() -> Activation {
    Sigmoid::default().into()
}

impl<const AXES: usize> ConvolutionalLSTM<AXES> {
    /// A layer whose states have so many filters, and whose windows have this size.
    pub fn new(filters: usize, kernel_size: impl Into<Extents<AXES>>) -> Self {
        Self {
            base: Base::default(),
            steps: Steps::default(),
            filters,
            kernel_size: kernel_size.into(),
            strides: one(),
            padding: Padding::Valid,
            dilation_rate: one(),
            activation: tanh(),
            recurrent_activation: sigmoid(),
            use_bias: true,
            unit_forget_bias: true,
            kernel: Kernel::default(),
            recurrent: Recurrent::default(),
            bias: Bias::default(),
            dropout: 0.0,
            recurrent_dropout: 0.0,
            seed: None,
        }
    }

    setters! {
        /// Steps between neighbouring places of the window over the input; 1 by default.
        strides: into Extents<AXES>,
        /// `"valid"`, the default, or `"same"`: of the window over the input. That over the states
        /// has `"same"`.
        padding: into Padding,
        /// Distance between neighbouring taps of the window over the input; 1 by default.
        dilation_rate: into Extents<AXES>,
        /// The function of new states; `tanh` by default.
        activation: into Activation,
        /// The function of the gates; `sigmoid` by default.
        recurrent_activation: into Activation,
        /// Whether there is a bias; true by default.
        use_bias: bool,
        /// Whether the bias of the forget gate begins at 1, whatever its initializer; true by
        /// default.
        unit_forget_bias: bool,
        /// The probability with which an element of the input is dropped in training, the same ones
        /// in all steps; 0 by default.
        dropout: f64,
        /// The same for the states.
        recurrent_dropout: f64,
        /// Kept in the config; all random numbers follow from the model's seed.
        seed: opt u64,
    }

    kernel_setters!();
    recurrent_setters!();
    bias_setters!();
    steps_setters!();

    /// How the filter moves over pictures of these extents.
    fn window(&self, extents: [usize; AXES], of_states: bool) -> Result<Window, Mistake> {
        let (padding, strides, dilation) = match of_states {
            true => (Padding::Same, one(), one()),
            false => (self.padding.clone(), self.strides, self.dilation_rate),
        };
        let amounts = padding.amounts(extents, self.kernel_size, strides, dilation)?;
        Ok(Window::new(strides, amounts, dilation))
    }

    /// The extents and the channels of a picture.
    fn picture(class: &str, step: &[usize]) -> Result<([usize; AXES], usize), Mistake> {
        let picture = step.split_last().and_then(|(&channels, extents)| {
            Some((<[usize; AXES]>::try_from(extents).ok()?, channels))
        });
        picture.ok_or_else(|| {
            let step: Shape = step.into();
            Mistake::new(format!(
                "{class} takes pictures of {AXES} axes and channels, given {step}"
            ))
        })
    }
}

/// The cell of such a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ConvLSTMCell<const AXES: usize>(ConvolutionalLSTM<AXES>);

impl<const AXES: usize> Object for ConvLSTMCell<AXES> {
    fn class_name(&self) -> &'static str {
        "ConvLSTMCell"
    }

    fn config(&self) -> Result<crate::registry::Value, crate::NnError> {
        crate::registry::to_value(self.class_name(), self)
    }
}

/// Channels of a weight along its last axis.
fn channels(weight: &Var, gate: usize, count: usize) -> Var {
    let rank = weight.shape().rank();
    let (mut starts, mut limits) = (vec![0; rank], weight.shape().to_vec());
    (starts[rank - 1], limits[rank - 1]) = (gate * count, (gate + 1) * count);
    weight.slice(&starts, &limits, &vec![1; rank])
}

impl<const AXES: usize> Cell for ConvLSTMCell<AXES> {
    fn state_sizes(&self) -> Vec<usize> {
        vec![self.0.filters; 2]
    }

    fn state_shapes(&self, input: &Type) -> Result<Vec<Vec<usize>>, Mistake> {
        let step = input.shape.get(1..).unwrap_or_default();
        let (extents, _) = ConvolutionalLSTM::<AXES>::picture(self.class_name(), step)?;
        let window = self.0.window(extents, false)?;
        let places = window.output("conv", extents, self.0.kernel_size.0)?;
        let shape: Vec<usize> = places.iter().copied().chain([self.0.filters]).collect();
        Ok(vec![shape; 2])
    }

    fn build(&self, input: &Type) -> Result<Vec<WeightSpec>, Mistake> {
        let step = input.shape.get(1..).unwrap_or_default();
        let (_, count) = ConvolutionalLSTM::<AXES>::picture(self.class_name(), step)?;
        let (filters, size) = (self.0.filters, self.0.kernel_size.0);
        let of = |channels: usize| [&size[..], &[channels, 4 * filters]].concat();
        let mut weights = vec![
            self.0.kernel.declare("kernel", of(count)),
            self.0.recurrent.declare("recurrent_kernel", of(filters)),
        ];
        if self.0.use_bias {
            let mut bias = self.0.bias.declare("bias", [4 * filters]);
            if self.0.unit_forget_bias {
                bias.initializer = UnitForgetBias::of(filters, bias.initializer).into();
            }
            weights.push(bias);
        }
        Ok(weights)
    }

    fn begin(&self, call: &mut Call<'_>, x: &Var) -> Beginning {
        let (filters, tracer) = (self.0.filters, call.tracer().clone());
        let shape = x.shape().to_vec();
        let made = || -> Result<([usize; AXES], Window), Mistake> {
            let step = shape.get(2..).unwrap_or_default();
            let (extents, _) = ConvolutionalLSTM::<AXES>::picture(self.class_name(), step)?;
            Ok((extents, self.0.window(extents, false)?))
        };
        let window = match made() {
            Ok((_, window)) => window,
            Err(mistake) => {
                let void = tracer.fail(mistake);
                return Beginning { sequences: vec![void; 4], shared: vec![] };
            }
        };
        let shares = |call: &mut Call<'_>, rate: f64, shape: &[usize]| {
            (call.training() && rate > 0.0).then(|| {
                let ones = call.tracer().full(&Type::new(x.dtype(), shape), 1.0);
                dropped(call, &ones, rate, shape.into())
            })
        };
        let kept = match shares(call, self.0.dropout, &shape[1..]) {
            Some(shares) => x * shares,
            None => x.clone(),
        };
        let (time, batch) = (shape[0], shape[1]);
        let flat = kept.reshape([&[time * batch], &shape[2..]].concat());
        let (kernel, recurrent) = (call.weight("kernel"), call.weight("recurrent_kernel"));
        let bias = self.0.use_bias.then(|| call.weight("bias"));
        let gate = |gate: usize| {
            let sum = flat.conv(&channels(&kernel, gate, filters), window, 1);
            let sum = match &bias {
                Some(bias) => sum + channels(bias, gate, filters),
                None => sum,
            };
            let shape = [&[time, batch], &sum.shape()[1..]].concat();
            sum.reshape(shape)
        };
        let sequences: Vec<Var> = (0..4).map(gate).collect();
        let mut shared: Vec<(String, Var)> = (0..4)
            .map(|gate| (format!("recurrent/{gate}"), channels(&recurrent, gate, filters)))
            .collect();
        let state = sequences[0].shape()[1..].to_vec();
        let shares = shares(call, self.0.recurrent_dropout, &state);
        shared.extend(shares.map(|shares| ("dropout".to_owned(), shares)));
        Beginning { sequences, shared }
    }

    fn step(&self, step: &CellStep<'_>) -> (Var, Vec<Var>) {
        let h = match (step.shared)("dropout") {
            Some(shares) => &step.states[0] * shares,
            None => step.states[0].clone(),
        };
        let extents = h.shape().get(1..).unwrap_or_default();
        let window = ConvolutionalLSTM::<AXES>::picture(self.class_name(), extents)
            .and_then(|(extents, _)| self.0.window(extents, true));
        let window = match window {
            Ok(window) => window,
            Err(mistake) => return (h.tracer().fail(mistake), step.states.to_vec()),
        };
        let sum = |gate: usize| {
            let recurrent = step.shared(&format!("recurrent/{gate}"));
            &step.inputs[gate] + h.conv(&recurrent, window, 1)
        };
        let gate = |gate: usize| self.0.recurrent_activation.apply(&sum(gate));
        let (i, f, new, o) = (gate(0), gate(1), self.0.activation.apply(&sum(2)), gate(3));
        let c = f * &step.states[1] + i * new;
        let h = o * self.0.activation.apply(&c);
        (h.clone(), vec![h, c])
    }

    fn returns_first_state(&self) -> bool {
        true
    }
}

impl<const AXES: usize> Layer for ConvolutionalLSTM<AXES>
where
    Self: Object,
{
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn keywords(&self) -> &'static [&'static str] {
        &KEYWORDS
    }

    fn recurrent(&self) -> Option<Recurrence<'_>> {
        let cell = Arc::new(ConvLSTMCell(self.clone()));
        Some(Recurrence { class: self.class_name(), cell, steps: &self.steps })
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        self.recurrent().map_or(Ok(vec![]), |recurrence| recurrence.build(inputs))
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        self.recurrent().map_or_else(Vec::new, |recurrence| recurrence.call(call, inputs))
    }
}
