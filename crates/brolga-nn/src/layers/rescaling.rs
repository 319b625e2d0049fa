//! Inputs brought into another range.

use brolga_ir::{Data, Mistake, Tensor, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, WeightSpec, layer};
use crate::arguments::Numbers;
use crate::trace::Call;

/// `x · scale + offset`, in training and inference alike: `Rescaling::new(1.0 / 255.0)` brings
/// bytes into 0 to 1.
///
/// Arrays of bytes can be given to `fit` as they are: they are copied batch by batch, and rescaled
/// as a part of the program.
///
/// Keras: <https://keras.io/api/layers/preprocessing_layers/image_preprocessing/rescaling/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rescaling {
    #[serde(flatten)]
    base: Base,
    scale: PerChannel,
    #[serde(default = "zero")]
    offset: PerChannel,
}

/// One number for all channels, or one for each: the last axis counts the channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerChannel {
    /// The same for all.
    One(f64),
    /// One for each.
    Each(Vec<f64>),
}

fn zero() -> PerChannel {
    PerChannel::One(0.0)
}

impl From<f64> for PerChannel {
    fn from(number: f64) -> Self {
        Self::One(number)
    }
}

impl<const N: usize> From<[f64; N]> for PerChannel {
    fn from(numbers: [f64; N]) -> Self {
        Self::Each(numbers.into())
    }
}

impl From<Vec<f64>> for PerChannel {
    fn from(numbers: Vec<f64>) -> Self {
        Self::Each(numbers)
    }
}

impl Numbers for PerChannel {
    fn numbers(&self) -> Vec<f64> {
        match self {
            Self::One(number) => vec![*number],
            Self::Each(numbers) => numbers.clone(),
        }
    }
}

layer!(Rescaling { scale: Finite, offset: Finite });

impl Rescaling {
    /// A multiplication by this number, or by one for each channel.
    pub fn new(scale: impl Into<PerChannel>) -> Self {
        Self { base: Base::default(), scale: scale.into(), offset: zero() }
    }

    /// The number added then; 0 by default.
    pub fn offset(mut self, offset: impl Into<PerChannel>) -> Self {
        self.offset = offset.into();
        self
    }
}

impl PerChannel {
    fn check(&self, what: &str, input: &Type) -> Result<(), Mistake> {
        let channels = input.shape.get(1..).unwrap_or_default().last();
        let Self::Each(numbers) = self else { return Ok(()) };
        if channels == Some(&numbers.len()) {
            return Ok(());
        }
        let count = numbers.len();
        let message = match channels {
            Some(channels) => format!("{what} is for {count} channels, the input has {channels}"),
            None => format!("{what} is for {count} channels, the input has no axis of channels"),
        };
        Err(Mistake::new(message).help("give one number, or one for each channel of the last axis"))
    }

    fn constant(&self, x: &Var) -> Var {
        match self {
            Self::One(number) => x.constant_like(*number),
            Self::Each(numbers) => {
                let elements = Data::from_f64(x.dtype(), numbers);
                let tensor = Tensor::new([numbers.len()], elements);
                x.tracer().constant(tensor.expect("as many values as the shape has"))
            }
        }
    }
}

impl Layer for Rescaling {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        for input in inputs {
            self.scale.check("scale", input)?;
            self.offset.check("offset", input)?;
        }
        Ok(vec![])
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |_, x| {
            let scaled = &x * self.scale.constant(&x);
            if self.offset == zero() { scaled } else { scaled + self.offset.constant(&x) }
        })
    }
}
