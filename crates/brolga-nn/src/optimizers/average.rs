//! Moving averages of weights.

use brolga_ir::{DType, Var};

use super::Common;

/// The name of the slot that holds the average of a weight.
pub(crate) const AVERAGE: &str = "average";

/// The moving averages of a step.
pub(super) struct Average {
    /// The share of the old average, `f32[]`: 0 in the first step.
    momentum: Var,
    /// Whether the weights become their averages after this step, `bool[]`.
    overwrites: Option<Var>,
}

impl Average {
    /// None where no averages are kept. `updates: i32[]` counts the updates done.
    pub(super) fn new(common: &Common, updates: &Var) -> Option<Self> {
        if !common.use_ema {
            return None;
        }
        let tracer = updates.tracer();
        let number = |x| tracer.scalar(DType::F32, x);
        let first = updates.eq(&updates.constant_like(0.0));
        let momentum = first.select(&number(0.0), &number(common.ema_momentum));
        let overwrites = common.ema_overwrite_frequency.map(|frequency| {
            let after = updates.cast(DType::F64) + 1.0;
            let periods = (&after / frequency as f64).floor();
            (periods * frequency as f64).eq(&after)
        });
        Some(Self { momentum, overwrites })
    }

    /// The average after this step.
    pub(super) fn next(&self, average: &Var, weight: &Var) -> Var {
        (average * &self.momentum + weight * (1.0 - &self.momentum)).flush()
    }

    /// The weight after this step, which may become its average.
    pub(super) fn overwritten(&self, weight: Var, average: &Var) -> Var {
        match &self.overwrites {
            Some(overwrites) => overwrites.select(average, &weight),
            None => weight,
        }
    }
}
