//! The arguments of evaluation and prediction.

use super::supply::Batches;
use crate::arrays::{Arrays, IntoArrays};
use crate::callback::Callback;
use crate::report::Verbose;

/// The arguments of [`Model::evaluate_with`](super::Model::evaluate_with), with Keras's defaults.
#[derive(Default)]
#[must_use]
pub struct Evaluate<'a> {
    pub(crate) batches: Batches,
    pub(crate) sample_weight: Option<Arrays<'a>>,
    pub(crate) callbacks: Vec<Box<dyn Callback + 'a>>,
    pub(crate) verbose: Verbose,
}

impl<'a> Evaluate<'a> {
    /// Batches of 32, all samples alike.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of samples that are computed at once; 32 by default. The last batch takes what is
    /// left. A dataset has batches of its own.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batches.size = Some(batch_size);
        self
    }

    /// The most batches that are computed; by default as many as there are. A dataset that
    /// never ends needs it.
    pub fn steps(mut self, steps: usize) -> Self {
        self.batches.steps = Some(steps);
        self
    }

    /// How much the loss of each sample counts; all the same by default.
    pub fn sample_weight(mut self, sample_weight: impl IntoArrays<'a>) -> Self {
        self.sample_weight = Some(sample_weight.into_arrays());
        self
    }

    /// Something that is called while it runs: before and after it and each of its batches. Give
    /// `&mut callback` to look at it afterwards.
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Several of them.
    pub fn callbacks(
        mut self,
        callbacks: impl IntoIterator<Item = Box<dyn Callback + 'a>>,
    ) -> Self {
        self.callbacks.extend(callbacks);
        self
    }

    /// How much is shown: 0, 1, 2, true or false; by default a bar in a terminal, a line elsewhere.
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }
}

/// The arguments of [`Model::predict_with`](super::Model::predict_with), with Keras's defaults.
#[derive(Default)]
#[must_use]
pub struct Predict<'a> {
    pub(crate) batches: Batches,
    pub(crate) callbacks: Vec<Box<dyn Callback + 'a>>,
    pub(crate) verbose: Verbose,
}

impl<'a> Predict<'a> {
    /// Batches of 32.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of samples that are computed at once; 32 by default. The last batch takes what is
    /// left. A dataset has batches of its own.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batches.size = Some(batch_size);
        self
    }

    /// The most batches that are computed; by default as many as there are. A dataset that
    /// never ends needs it.
    pub fn steps(mut self, steps: usize) -> Self {
        self.batches.steps = Some(steps);
        self
    }

    /// Something that is called while it runs: before and after it and each of its batches. Give
    /// `&mut callback` to look at it afterwards.
    pub fn callback(mut self, callback: impl Callback + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Several of them.
    pub fn callbacks(
        mut self,
        callbacks: impl IntoIterator<Item = Box<dyn Callback + 'a>>,
    ) -> Self {
        self.callbacks.extend(callbacks);
        self
    }

    /// How much is shown: 0, 1, 2, true or false; by default a bar in a terminal, a line elsewhere.
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }
}
