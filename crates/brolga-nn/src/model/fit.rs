//! The arguments of training.

use std::collections::HashMap;

use super::supply::Batches;
use crate::arrays::{Arrays, IntoArrays};
use crate::callback::Callback;
use crate::dataset::{IntoSource, Source};
use crate::report::Verbose;

/// What a user gives for validation.
pub(crate) type Validation<'a> = (Source<'a>, Arrays<'a>, Option<Arrays<'a>>);

/// The arguments of [`Model::fit`](super::Model::fit), with Keras's defaults.
#[must_use]
pub struct Fit<'a> {
    pub(crate) epochs: usize,
    pub(crate) initial_epoch: usize,
    pub(crate) batch_size: Option<usize>,
    pub(crate) sample_weight: Option<Arrays<'a>>,
    pub(crate) class_weight: HashMap<i64, f64>,
    pub(crate) validation_data: Option<Validation<'a>>,
    pub(crate) validation_split: f64,
    pub(crate) validation_freq: usize,
    pub(crate) validation_batch_size: Option<usize>,
    pub(crate) validation_steps: Option<usize>,
    pub(crate) steps_per_epoch: Option<usize>,
    pub(crate) shuffle: Option<bool>,
    pub(crate) seed: Option<u64>,
    pub(crate) callbacks: Vec<Box<dyn Callback + 'a>>,
    pub(crate) verbose: Verbose,
}

impl Default for Fit<'_> {
    fn default() -> Self {
        Self {
            epochs: 1,
            initial_epoch: 0,
            batch_size: None,
            sample_weight: None,
            class_weight: HashMap::new(),
            validation_data: None,
            validation_split: 0.0,
            validation_freq: 1,
            validation_batch_size: None,
            validation_steps: None,
            steps_per_epoch: None,
            shuffle: None,
            seed: None,
            callbacks: vec![],
            verbose: Verbose::Auto,
        }
    }
}

impl<'a> Fit<'a> {
    /// One epoch in batches of 32, shuffled, without validation.
    pub fn new() -> Self {
        Self::default()
    }

    /// After which epoch the training ends; 1 by default.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// The number of the first epoch, for a training that goes on; 0 by default.
    pub fn initial_epoch(mut self, epoch: usize) -> Self {
        self.initial_epoch = epoch;
        self
    }

    /// The number of samples of a step; 32 by default. The last step of an epoch takes what is
    /// left. A dataset has batches of its own.
    pub fn batch_size(mut self, batch_size: usize) -> Self {
        self.batch_size = Some(batch_size);
        self
    }

    /// How much the loss of each sample counts; all the same by default. Of a model of several
    /// outputs one array is for all of them; a list has one for each.
    pub fn sample_weight(mut self, sample_weight: impl IntoArrays<'a>) -> Self {
        self.sample_weight = Some(sample_weight.into_arrays());
        self
    }

    /// How much the samples of each class count: pairs of class number and weight, which multiplies
    /// that of the sample; 1 for classes that are not named.
    pub fn class_weight(mut self, weights: impl IntoIterator<Item = (i64, f64)>) -> Self {
        self.class_weight = weights.into_iter().collect();
        self
    }

    /// Samples and labels on which loss and metrics are computed after each epoch; or a
    /// [`Dataset`](crate::Dataset), and `()` in place of the labels.
    pub fn validation_data(mut self, x: impl IntoSource<'a>, y: impl IntoArrays<'a>) -> Self {
        self.validation_data = Some((x.into_source(), y.into_arrays(), None));
        self
    }

    /// As [`Fit::validation_data`], with the weights of the samples.
    pub fn weighted_validation_data(
        mut self,
        x: impl IntoArrays<'a>,
        y: impl IntoArrays<'a>,
        sample_weight: impl IntoArrays<'a>,
    ) -> Self {
        let x = Source::Arrays(x.into_arrays());
        self.validation_data = Some((x, y.into_arrays(), Some(sample_weight.into_arrays())));
        self
    }

    /// The share of the data, taken from its end before shuffling, that is kept for validation.
    /// It is for arrays, of which `validation_data` takes the place.
    pub fn validation_split(mut self, share: f64) -> Self {
        self.validation_split = share;
        self
    }

    /// After how many epochs there is a validation; 1 by default.
    pub fn validation_freq(mut self, epochs: usize) -> Self {
        self.validation_freq = epochs;
        self
    }

    /// The number of samples that a validation computes at once; by default the size of a step.
    pub fn validation_batch_size(mut self, batch_size: usize) -> Self {
        self.validation_batch_size = Some(batch_size);
        self
    }

    /// The most batches of a validation; by default as many as its samples fill.
    pub fn validation_steps(mut self, steps: usize) -> Self {
        self.validation_steps = Some(steps);
        self
    }

    /// How a validation cuts its samples.
    pub(crate) fn validation_batches(&self) -> Batches {
        let size = self.validation_batch_size.or(self.batch_size);
        Batches { size, steps: self.validation_steps }
    }

    /// The number of steps of an epoch; by default as many as the samples fill. The next epoch goes
    /// on with the samples after them, and one that comes to the end of the data ends there, with a
    /// warning; then the data begin anew. A dataset that never ends needs it.
    pub fn steps_per_epoch(mut self, steps: usize) -> Self {
        self.steps_per_epoch = Some(steps);
        self
    }

    /// Whether each pass over the samples has an order of its own; true by default. A dataset keeps
    /// its order.
    pub fn shuffle(mut self, shuffle: bool) -> Self {
        self.shuffle = Some(shuffle);
        self
    }

    /// The seed of dropout and shuffling from here on; the model's by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Something that is called while the training runs. Give `&mut callback` to look at it
    /// afterwards.
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

    /// How much is shown: 0, 1, 2, true or false; by default a bar in a terminal, a line for each
    /// epoch elsewhere.
    pub fn verbose(mut self, verbose: impl Into<Verbose>) -> Self {
        self.verbose = verbose.into();
        self
    }
}
