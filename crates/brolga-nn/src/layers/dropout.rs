//! Random zeros against overfitting.

use brolga_ir::{DType, Mistake, Shape, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, layer};
use crate::trace::Call;

/// In training, each element is 0 with probability `rate` and multiplied by `1 / (1 − rate)`
/// otherwise; in inference nothing is changed.
///
/// Which elements are 0 follows from the seed, the step and the position in the network alone.
///
/// Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dropout {
    #[serde(flatten)]
    base: Base,
    rate: f64,
    #[serde(default)]
    noise_shape: Option<Vec<Option<usize>>>,
}

layer!(Dropout { rate: Share });

impl Dropout {
    /// Zeros with this probability, from 0 to 1.
    pub fn new(rate: f64) -> Self {
        Self { base: Base::default(), rate, noise_shape: None }
    }

    /// The shape of what is drawn, the batch included: along an axis of extent 1 all elements share
    /// their fate; `None` stands for the extent of the input. By default each element has its own.
    #[must_use]
    pub fn noise_shape(mut self, shape: impl IntoIterator<Item = Option<usize>>) -> Self {
        self.noise_shape = Some(shape.into_iter().collect());
        self
    }

    /// The shape of what is drawn for this input.
    fn drawn(&self, x: &Shape) -> Result<Shape, Mistake> {
        let Some(shape) = &self.noise_shape else { return Ok(x.clone()) };
        let drawn: Shape = shape.iter().zip(x.iter()).map(|(own, &x)| own.unwrap_or(x)).collect();
        let fits = shape.len() == x.rank() && drawn.iter().zip(x.iter()).all(|(&d, &x)| d == 1 || d == x);
        if fits {
            return Ok(drawn);
        }
        let message = format!("Dropout: a noise_shape {shape:?} does not broadcast to {x}");
        Err(Mistake::new(message).help("give for each axis 1, its extent, or None"))
    }
}

impl Layer for Dropout {
    fn base(&self) -> &Base {
        &self.base
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| match self.drawn(x.shape()) {
            Ok(shape) => dropped(call, &x, self.rate, shape),
            Err(mistake) => call.tracer().fail(mistake),
        })
    }
}

/// In training, zeros with probability `rate` and the rest multiplied by `1 / (1 − rate)`; what is
/// drawn has `shape`, which broadcasts to that of `x`.
pub(super) fn dropped(call: &mut Call<'_>, x: &Var, rate: f64, shape: Shape) -> Var {
    if !call.training() || rate == 0.0 {
        return x.clone();
    }
    let kept = 1.0 - rate;
    let mask = call.random_bernoulli(Type::new(DType::Bool, shape), kept as f32);
    // At a rate of 1 nothing is kept, and the scale does not matter.
    let scale = if kept > 0.0 { 1.0 / kept } else { 0.0 };
    mask.select(&(x * scale), &x.constant_like(0.0))
}
