//! Updates by the mean gradient of several steps.

use brolga_ir::{DType, Var};

use super::Common;

/// Where a step stands among those of whose gradients one update is made.
pub(super) struct Accumulation {
    steps: f64,
    /// The number of updates before this step, `i32[]`.
    updates: Var,
    /// Whether this step makes an update, `bool[]`.
    due: Var,
}

impl Accumulation {
    /// None where each step makes an update. `iterations: i32[]` counts the steps done.
    pub(super) fn new(common: &Common, iterations: &Var) -> Option<Self> {
        let steps = common.gradient_accumulation_steps? as f64;
        // In f64, which holds every number of steps.
        let periods = |count: &Var| (count / steps).floor();
        let before = iterations.cast(DType::F64);
        let after = &before + 1.0;
        let due = (periods(&after) * steps).eq(&after);
        Some(Self { steps, updates: periods(&before).cast(DType::I32), due })
    }

    pub(super) fn updates(&self) -> &Var {
        &self.updates
    }

    /// The gradient of an update: the mean of those of its steps.
    pub(super) fn mean(&self, sum: &Var, gradient: &Var) -> Var {
        (sum + gradient) / self.steps
    }

    /// The sum after this step.
    pub(super) fn next_sum(&self, sum: &Var, gradient: &Var) -> Var {
        self.due.select(&sum.constant_like(0.0), &(sum + gradient)).flush()
    }

    /// The values after this step: the next ones if it makes an update.
    pub(super) fn hold(&self, old: &[Var], next: Vec<Var>) -> Vec<Var> {
        old.iter().zip(&next).map(|(old, next)| self.due.select(next, old)).collect()
    }
}
