//! Batch renormalization: batches are normalized nearly as in inference.

use brolga_ir::{Mistake, Shape, Var};
use serde::{Deserialize, Serialize};

use super::WeightSpec;
use crate::initializers::{Initializer, Random};
use crate::registry::Choice;
use crate::trace::Call;

/// The arguments `renorm`, `renorm_clipping` and `renorm_momentum`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Renorm {
    pub(super) renorm: bool,
    pub(super) renorm_clipping: Option<RenormClipping>,
    pub(super) renorm_momentum: f64,
}

impl Default for Renorm {
    fn default() -> Self {
        Self { renorm: false, renorm_clipping: None, renorm_momentum: 0.99 }
    }
}

/// The bounds of the corrections of batch renormalization; none by default.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RenormClipping {
    /// The greatest factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmax: Option<f64>,
    /// The least factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rmin: Option<f64>,
    /// The greatest magnitude of a summand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmax: Option<f64>,
}

/// The weights that follow the batches, beside the moving mean and variance.
const FOLLOWING: [&str; 3] = ["moving_stddev", "renorm_mean", "renorm_stddev"];

impl Renorm {
    /// Fails if the bounds contradict each other.
    pub(super) fn check(&self) -> Result<(), Mistake> {
        let RenormClipping { rmax, rmin, dmax } = self.renorm_clipping.unwrap_or_default();
        if let (Some(rmax), Some(rmin)) = (rmax, rmin)
            && rmax < rmin
        {
            let message = format!("renorm_clipping: rmax is {rmax}, below rmin, which is {rmin}");
            return Err(Mistake::new(message).help("rmax must be at least rmin"));
        }
        match dmax {
            Some(dmax) if dmax < 0.0 => {
                let message = format!("renorm_clipping: dmax is {dmax}");
                Err(Mistake::new(message).help("it must be a number from 0 on"))
            }
            _ => Ok(()),
        }
    }

    /// The weights beside the moving mean and variance.
    pub(super) fn declare(
        &self,
        shape: [usize; 1],
        mean: &Choice<dyn Initializer>,
        variance: &Choice<dyn Initializer>,
    ) -> Vec<WeightSpec> {
        if !self.renorm {
            return vec![];
        }
        let root = Choice::Object(std::sync::Arc::new(Root { of: variance.clone() }) as _);
        let firsts = [&root, mean, &root];
        let named = FOLLOWING.into_iter().zip(firsts);
        named.map(|(name, first)| WeightSpec::non_trainable(name, shape, first)).collect()
    }

    /// Factor and summand that take what the batch's statistics normalized to what the moving ones
    /// would give, with the moving statistics after it. Mean and variance are `[channels]`.
    pub(super) fn correct(
        &self,
        call: &mut Call<'_>,
        (mean, variance): (&Var, &Var),
        (momentum, epsilon): (f64, f64),
    ) -> (Var, Var) {
        let deviation = (variance + epsilon).sqrt();
        let least = mean.constant_like(epsilon.sqrt());
        let divisor = call.weight("renorm_stddev").maximum(&least);
        let factor = self.clipped(&(&deviation / &divisor));
        let summand = self.shifted(&((mean - call.weight("renorm_mean")) / &divisor));
        let mut follow = |name: &str, batch: &Var, momentum: f64| {
            let next = call.weight(name) * momentum + batch * (1.0 - momentum);
            call.update(name, &next);
            next
        };
        follow("renorm_mean", mean, self.renorm_momentum);
        follow("renorm_stddev", &deviation, self.renorm_momentum);
        follow("moving_mean", mean, momentum);
        let moving = follow("moving_stddev", &deviation, momentum);
        call.update("moving_variance", &(&moving * &moving - epsilon).relu());
        (factor.stop_gradient(), summand.stop_gradient())
    }

    fn clipped(&self, factor: &Var) -> Var {
        let RenormClipping { rmax, rmin, .. } = self.renorm_clipping.unwrap_or_default();
        let factor = match rmin {
            Some(rmin) => factor.maximum(&factor.constant_like(rmin)),
            None => factor.clone(),
        };
        match rmax {
            Some(rmax) => factor.minimum(&factor.constant_like(rmax)),
            None => factor,
        }
    }

    fn shifted(&self, summand: &Var) -> Var {
        match self.renorm_clipping.and_then(|clipping| clipping.dmax) {
            Some(dmax) => {
                let (low, high) = (summand.constant_like(-dmax), summand.constant_like(dmax));
                summand.maximum(&low).minimum(&high)
            }
            None => summand.clone(),
        }
    }
}

/// The square roots of another initializer's values.
#[derive(Debug, Serialize)]
struct Root {
    of: Choice<dyn Initializer>,
}

crate::object!(Root);

impl Initializer for Root {
    fn check(&self, shape: &Shape) -> Result<(), Mistake> {
        self.of.resolve().map_err(crate::NnError::into_mistake)?.check(shape)
    }

    fn divisible(&self) -> bool {
        self.of.resolve().is_ok_and(|of| of.divisible())
    }

    fn fill(&self, shape: &Shape, random: Random, start: usize, values: &mut [f32]) {
        // `check` has found the initializer.
        if let Ok(of) = self.of.resolve() {
            of.fill(shape, random, start, values);
        }
        values.iter_mut().for_each(|value| *value = value.sqrt());
    }
}
