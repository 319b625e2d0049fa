//! The batches of a training, an evaluation or a prediction: cut from arrays, or given by a
//! dataset.

use std::collections::HashMap;
use std::ops::Range;
use std::thread::Scope;

use brolga_ir::{Mistake, Type};
use brolga_runtime::{Executable, State};

use super::batch::{Given, Samples};
use super::cut::Cut;
use super::feed::{Feed, Stream};
use super::objective::Objective;
use crate::arrays::{Arrays, IntoArrays};
use crate::dataset::{Batch, Source};
use crate::error::NnError;
use crate::network::Built;

/// A batch: samples, and which of them.
#[derive(Clone, Copy)]
pub(crate) struct Lot<'s> {
    pub(crate) samples: &'s Samples<'s>,
    pub(crate) rows: &'s [usize],
}

impl Lot<'_> {
    pub(crate) fn len(self) -> usize {
        self.rows.len()
    }

    /// Runs a program on the batch.
    pub(crate) fn run(self, program: &mut Executable, state: &mut State) -> Result<(), NnError> {
        self.samples.run(program, state, self.rows)
    }
}

/// What a user gives, before it is known whether it fits the model: arrays, or a dataset whose
/// first batch is there.
pub(crate) enum Opened<'scope, 'a> {
    Arrays(Given<'a>),
    Dataset(Box<Stream<'scope, 'a>>),
}

/// How a method calls what it is given.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    /// The method, or `validation`.
    pub(crate) what: &'static str,
    /// The argument that says how many batches there are at most, and what it was set to.
    pub(crate) steps: (&'static str, Option<usize>),
}

impl<'scope, 'a> Opened<'scope, 'a> {
    /// # Errors
    /// If labels or weights are given beside a dataset, or it has no batch, or batches without end.
    pub(crate) fn new(
        scope: &'scope Scope<'scope, 'a>,
        (source, y, sample_weight): (Source<'a>, Arrays<'a>, Option<Arrays<'a>>),
        asked: Asked,
    ) -> Result<Self, NnError> {
        let dataset = match source {
            Source::Arrays(x) => return Ok(Self::Arrays(Given { x, y, sample_weight })),
            Source::Dataset(dataset) => dataset,
        };
        let beside = [("y", y.len() > 0), ("sample_weight", sample_weight.is_some())];
        if let Some((argument, _)) = beside.into_iter().find(|(_, given)| *given) {
            let message = format!("{}: `{argument}` was given beside a dataset", asked.what);
            let help = "it is a part of each batch: let the dataset give (x, y) or (x, y, sample_weight), and \
                        give `()` in place of y";
            return Err(Mistake::new(message).help(help).into());
        }
        Ok(Self::Dataset(Box::new(Stream::open(scope, dataset, asked)?)))
    }

    /// Whether it is a dataset.
    pub(crate) fn is_dataset(&self) -> bool {
        matches!(self, Self::Dataset(_))
    }

    /// The types of the samples, by which a model is built that does not know them.
    pub(crate) fn types(&self) -> Vec<Type> {
        let x = match self {
            Self::Arrays(given) => &given.x,
            Self::Dataset(stream) => &stream.first.x,
        };
        x.iter().map(|x| Type::f32(x.sample_shape())).collect()
    }
}

/// The model that samples must fit.
#[derive(Clone, Copy)]
pub(crate) struct Fitting<'m> {
    pub(crate) built: &'m Built,
    pub(crate) objectives: &'m [Objective],
    pub(crate) class_weight: Option<&'m HashMap<i64, f64>>,
    pub(crate) method: &'static str,
    /// The prefix of the arrays' names in messages: `""` or `"validation "`.
    pub(crate) prefix: &'static str,
}

impl<'m> Fitting<'m> {
    /// Inputs alone, whose labels, if there are any, are not looked at.
    pub(crate) fn inputs(built: &'m Built) -> Self {
        Self { built, objectives: &[], class_weight: None, method: "predict", prefix: "" }
    }

    pub(crate) fn samples<'a>(self, given: Given<'a>) -> Result<Samples<'a>, NnError> {
        let Self { built, objectives, class_weight, method, prefix } = self;
        let labels = !objectives.is_empty();
        let y = if labels { given.y } else { ().into_arrays() };
        let sample_weight = given.sample_weight.filter(|_| labels);
        let given = Given { x: given.x, y, sample_weight };
        let mut samples = Samples::new(built, objectives, given, prefix)?;
        if let Some(classes) = class_weight {
            samples.weigh_classes(objectives, &built.outputs, classes, method)?;
        }
        Ok(samples)
    }

    pub(crate) fn batch(self, batch: Batch) -> Result<Samples<'static>, NnError> {
        let Batch { x, y, sample_weight } = batch;
        self.samples(Given { x, y, sample_weight })
    }
}

/// How samples are cut into batches.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Batches {
    /// The samples of each but the last one; `None`: 32.
    pub(crate) size: Option<usize>,
    /// The most that there are in an epoch, an evaluation or a prediction.
    pub(crate) steps: Option<usize>,
}

/// Where batches come from. An epoch begins with [`Supply::begin`], and each of its batches with
/// [`Supply::advance`].
pub(crate) enum Supply<'scope, 'a, 'm> {
    Arrays(Cut<'m>),
    Dataset(Box<Feed<'scope, 'a, 'm>>),
}

impl<'scope, 'a: 'm, 'm> Supply<'scope, 'a, 'm> {
    /// # Errors
    /// If what was given does not fit the model; of a dataset its first batch is looked at.
    pub(crate) fn new(
        opened: Opened<'scope, 'a>,
        fitting: Fitting<'m>,
        batches: Batches,
    ) -> Result<Self, NnError> {
        Ok(match opened {
            Opened::Arrays(given) => Self::Arrays(Cut::new(fitting.samples(given)?, batches)),
            Opened::Dataset(stream) => Self::Dataset(Box::new(Feed::new(*stream, fitting)?)),
        })
    }

    /// Begins an epoch; returns whether there is a batch left for it. `random` is seed and step of
    /// an epoch that has an order of its own.
    pub(crate) fn begin(
        &mut self,
        epoch: usize,
        random: Option<([u32; 2], u32)>,
    ) -> Result<bool, NnError> {
        match self {
            Self::Arrays(cut) => cut.begin(epoch, random).map(|()| true),
            Self::Dataset(feed) => feed.begin(epoch),
        }
    }

    /// The number of steps of this epoch, if it is known.
    pub(crate) fn steps(&self) -> Option<usize> {
        match self {
            Self::Arrays(cut) => Some(cut.epoch.len().div_ceil(cut.size)),
            Self::Dataset(feed) => feed.steps(),
        }
    }

    /// The number of all samples, if it is known.
    pub(crate) fn samples(&self) -> Option<usize> {
        match self {
            Self::Arrays(cut) => Some(cut.samples.len()),
            Self::Dataset(_) => None,
        }
    }

    /// The number of samples of this epoch, if it is known.
    pub(crate) fn rows(&self) -> Option<usize> {
        match self {
            Self::Arrays(cut) => Some(cut.epoch.len()),
            Self::Dataset(_) => None,
        }
    }

    /// Goes on to the next batch; returns whether there is one.
    pub(crate) fn advance(&mut self) -> Result<bool, NnError> {
        match self {
            Self::Arrays(cut) => Ok(cut.advance()),
            Self::Dataset(feed) => feed.advance(),
        }
    }

    /// How many steps of this epoch are done.
    pub(crate) fn done(&self) -> usize {
        match self {
            Self::Arrays(cut) => (cut.lot.end - cut.epoch.start).div_ceil(cut.size),
            Self::Dataset(feed) => feed.done(),
        }
    }

    /// Whether it is known that this batch is the last one of the epoch.
    pub(crate) fn is_last(&self) -> bool {
        match self {
            Self::Arrays(cut) => cut.lot.end == cut.epoch.end,
            Self::Dataset(feed) => feed.steps() == Some(feed.done()),
        }
    }

    /// The batch.
    pub(crate) fn lot(&self) -> Lot<'_> {
        match self {
            Self::Arrays(cut) => cut.rows(cut.lot.clone()),
            Self::Dataset(feed) => feed.lot(feed.done().saturating_sub(1)),
        }
    }

    /// The batch of a step of this epoch that is not [forgotten](Supply::forget).
    pub(crate) fn again(&self, step: usize) -> Lot<'_> {
        match self {
            Self::Arrays(cut) => cut.rows(cut.range(step)),
            Self::Dataset(feed) => feed.lot(step),
        }
    }

    /// Lets go of the batches so far, which are not asked for again.
    pub(crate) fn forget(&mut self) {
        if let Self::Dataset(feed) = self {
            feed.forget();
        }
    }

    /// The bytes that are kept only because batches may be asked for again.
    pub(crate) fn kept_bytes(&self) -> usize {
        match self {
            Self::Arrays(_) => 0,
            Self::Dataset(feed) => feed.kept_bytes(),
        }
    }

    /// Whether the epoch ended before it had as many steps as were asked for.
    pub(crate) fn ran_out(&self) -> bool {
        match self {
            Self::Arrays(cut) => cut.steps.is_some_and(|steps| Some(steps) > self.steps()),
            Self::Dataset(feed) => feed.ran_out(),
        }
    }

    /// Whether samples have weights.
    pub(crate) fn weighted(&self) -> bool {
        match self {
            Self::Arrays(cut) => cut.samples.weighted(),
            Self::Dataset(feed) => feed.weighted(),
        }
    }

    /// The samples that are known before the first step: all of them, or the first batch.
    pub(crate) fn known(&self) -> Option<&Samples<'m>> {
        match self {
            Self::Arrays(cut) => Some(&cut.samples),
            Self::Dataset(feed) => feed.ahead(),
        }
    }

    /// The size of most batches: of a dataset, that of the first.
    pub(crate) fn batch_size(&self) -> usize {
        match self {
            Self::Arrays(cut) => cut.size,
            Self::Dataset(feed) => feed.batch_size(),
        }
    }

    /// The sizes of the batches of these epochs that are known before the first step.
    pub(crate) fn sizes(&self, epochs: Range<usize>) -> impl Iterator<Item = usize> + use<> {
        let rest = match self {
            Self::Arrays(cut) => cut.rest(epochs),
            Self::Dataset(_) => 0,
        };
        [self.batch_size(), rest].into_iter().filter(|&size| size > 0)
    }
}

/// The error of an argument that is for arrays alone.
pub(crate) fn refuse(method: &str, argument: &str, help: &str) -> NnError {
    let message = format!("{method}: `{argument}` is for arrays, a dataset was given");
    Mistake::new(message).help(help).into()
}
