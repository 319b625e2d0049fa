//! The copy of the state from which steps of a training are repeated.

use brolga_ir::{DType, Type};
use brolga_runtime::State;

use crate::error::NnError;
use crate::states::LEARNING_RATE;

/// How many steps may have to be repeated to explain a loss that is not finite.
const SNAPSHOT_INTERVAL: usize = 128;

/// The state and the learning rates from which the last steps of an epoch are repeated.
pub(super) struct Watch {
    /// The state before step `first`.
    snapshot: State,
    first: usize,
    /// The learning rates of the steps since, which callbacks may have changed between them.
    rates: Vec<f32>,
}

/// The first step that gives a number that is not finite.
pub(super) struct Broken {
    pub(super) step: usize,
    /// The number, such as `the loss is NaN`.
    pub(super) what: String,
    /// The state before the step.
    pub(super) before: State,
}

impl Watch {
    /// How many copies of the state it keeps.
    pub(super) const COPIES: usize = 1;

    pub(super) fn new(snapshot: State) -> Self {
        Self { snapshot, first: 0, rates: vec![] }
    }

    /// Notes that a step begins.
    pub(super) fn begins(&mut self, learning_rate: Option<f32>) {
        self.rates.extend(learning_rate);
    }

    /// Whether it is time for a new copy of the state.
    pub(super) fn is_due(&self) -> bool {
        self.rates.len() >= SNAPSHOT_INTERVAL
    }

    /// Takes a new copy of the state, before step `first`.
    pub(super) fn renew(&mut self, first: usize, state: &State) -> Result<(), NnError> {
        self.snapshot.copy_from(state)?;
        self.first = first;
        self.rates.clear();
        Ok(())
    }

    /// Repeats the steps since the snapshot up to the first that gives a number that is not finite.
    /// `repeat` makes a step from a state; it returns the loss and the next state.
    pub(super) fn find(
        self,
        mut repeat: impl FnMut(usize, &State) -> Result<(f32, State), NnError>,
    ) -> Result<Option<Broken>, NnError> {
        let mut before = self.snapshot;
        for (step, rate) in (self.first..).zip(self.rates) {
            before.slice_mut::<f32>(LEARNING_RATE)?.fill(rate);
            let (loss, after) = repeat(step, &before)?;
            let broken = non_finite(&after);
            let broken = broken.map(|name| format!("the next value of `{name}` is not finite"));
            let what = if loss.is_finite() { broken } else { Some(format!("the loss is {loss}")) };
            if let Some(what) = what {
                return Ok(Some(Broken { step, what, before }));
            }
            before = after;
        }
        Ok(None)
    }
}

/// The first state with a number that is not finite.
pub(super) fn non_finite(state: &State) -> Option<&str> {
    let broken = |(name, ty): &(&str, &Type)| {
        ty.dtype == DType::F32
            && state.slice::<f32>(name).is_ok_and(|values| values.iter().any(|x| !x.is_finite()))
    };
    state.layout().iter().find(broken).map(|(name, _)| name)
}
