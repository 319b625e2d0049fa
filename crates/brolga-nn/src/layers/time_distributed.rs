//! A layer for each step of a sequence.

use std::sync::Arc;

use brolga_ir::{Mistake, Type, Var};
use serde::{Deserialize, Serialize};

use super::{Base, Layer, WeightSpec, layer, shapes};
use crate::error::NnError;
use crate::registry::{Choice, snake_case};
use crate::trace::Call;

/// Applies a layer to each step of a sequence: `TimeDistributed::new(Dense::new(8))`.
///
/// `x: [batch, time, ..]`, `y: [batch, time, ..]`. All steps of all samples are one batch for the
/// layer; one that changes weights of its own, such as `BatchNormalization`, is called step after
/// step. The mask of the input is handed on.
///
/// Weights: those of the layer, whose names begin with its class, as `dense/kernel`.
///
/// A mistake if the input has no axis of steps, or the layer has several outputs.
///
/// Keras: <https://keras.io/api/layers/recurrent_layers/time_distributed/>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TimeDistributed {
    #[serde(flatten)]
    base: Base,
    layer: Choice<dyn Layer>,
}

layer!(TimeDistributed);

impl TimeDistributed {
    /// Applies this layer to each step.
    pub fn new(layer: impl Into<Choice<dyn Layer>>) -> Self {
        Self { base: Base::default(), layer: layer.into() }
    }

    fn inner(&self) -> Result<Arc<dyn Layer>, Mistake> {
        self.layer.resolve().map_err(NnError::into_mistake)
    }

    /// The weights of the layer for a step of the input.
    fn inner_weights(layer: &Arc<dyn Layer>, x: &Type) -> Result<Vec<WeightSpec>, Mistake> {
        layer.build(&[step(x)?])
    }

    fn distributed(&self, call: &mut Call<'_>, x: &Var) -> Result<Var, Mistake> {
        let layer = self.inner()?;
        let (mask, name) = (call.mask_if_any(x), snake_case(layer.class_name()));
        let step_shape = step(x.ty())?.shape;
        let (batch, time) = (x.shape()[0], x.shape()[1]);
        let is_updated = Self::inner_weights(&layer, x.ty())?.iter().any(|spec| !spec.trainable);
        let mut apply = |x: Var, mask: Option<Var>| {
            call.part(&name, |call| {
                let x = if mask.is_some() { call.context.with_mask(&x, mask.as_ref()) } else { x };
                <[Var; 1]>::try_from(layer.call(call, &[x])).map(|[y]| y).map_err(|outputs| {
                    let message =
                        format!("the layer of TimeDistributed has {} outputs", outputs.len());
                    Mistake::new(message).help("it takes layers of one output")
                })
            })
        };
        let rows = |extents: &[usize], shape: &[usize]| [extents, &shape[1..]].concat();
        // Masks of single samples are none.
        let mask_of = |mask: &Var| mask.shape().rank() > 2;
        if !is_updated {
            let flat = x.reshape(rows(&[batch * time], &step_shape));
            let mask = mask.filter(mask_of).map(|mask| {
                let shape = rows(&[batch * time], &mask.shape()[1..]);
                mask.reshape(shape)
            });
            let y = apply(flat, mask)?;
            let shape = rows(&[batch, time], y.shape());
            return Ok(y.reshape(shape));
        }
        let mut outputs = Vec::new();
        for index in 0..time {
            let cut = |x: &Var| {
                let (mut starts, mut limits) = (vec![0; x.shape().rank()], x.shape().to_vec());
                (starts[1], limits[1]) = (index, index + 1);
                let strides = vec![1; starts.len()];
                let shape = rows(&[batch], &x.shape()[1..]);
                x.slice(&starts, &limits, &strides).reshape(shape)
            };
            let y = apply(cut(x), mask.as_ref().filter(|mask| mask_of(mask)).map(cut))?;
            let shape = rows(&[batch, 1], y.shape());
            outputs.push(y.reshape(shape));
        }
        match outputs.split_first() {
            Some((first, others)) => Ok(first.concat(&others.iter().collect::<Vec<_>>(), 1)),
            None => Err(Mistake::new("TimeDistributed takes one step at least")),
        }
    }
}

/// The type of a step of a sequence.
fn step(x: &Type) -> Result<Type, Mistake> {
    match &x.shape[..] {
        [batch, _, rest @ ..] if !rest.is_empty() => {
            Ok(Type::new(x.dtype, [&[*batch], rest].concat()))
        }
        _ => {
            let given = shapes(std::slice::from_ref(x));
            Err(Mistake::new(format!("TimeDistributed takes (None, steps, ..), given {given}")))
        }
    }
}

impl Layer for TimeDistributed {
    fn base(&self) -> &Base {
        &self.base
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        let layer = self.inner()?;
        let Some(x) = inputs.first() else { return Ok(vec![]) };
        let name = snake_case(layer.class_name());
        let weights = Self::inner_weights(&layer, x)?.into_iter().map(|mut spec| {
            spec.name = format!("{name}/{}", spec.name);
            spec
        });
        Ok(weights.collect())
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        call.map(inputs, |call, x| {
            self.distributed(call, &x).unwrap_or_else(|mistake| call.tracer().fail(mistake))
        })
    }
}
