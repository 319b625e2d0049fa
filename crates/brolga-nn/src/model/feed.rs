//! The batches of a dataset on their way into programs.

use std::collections::VecDeque;
use std::thread::Scope;

use brolga_ir::{Mistake, Type};

use super::batch::Samples;
use super::prefetch::Prefetch;
use super::supply::{Asked, Fitting, Lot};
use crate::dataset::{Batch, Dataset};
use crate::error::NnError;

/// A dataset whose first batch is there.
pub(crate) struct Stream<'scope, 'a> {
    batches: Prefetch<'scope, 'a>,
    /// Whether there is one pass alone.
    once: bool,
    asked: Asked,
    /// The bounds of the number of batches of this pass.
    bounds: (usize, Option<usize>),
    pub(crate) first: Batch,
}

impl<'scope, 'a> Stream<'scope, 'a> {
    /// Begins the first pass.
    pub(crate) fn open(
        scope: &'scope Scope<'scope, 'a>,
        dataset: Dataset<'a>,
        asked: Asked,
    ) -> Result<Self, NnError> {
        let once = dataset.once;
        let mut batches = Prefetch::new(scope, dataset);
        let bounds = batches.begin()?;
        let Asked { what, steps: (argument, steps) } = asked;
        if bounds.0 == usize::MAX && steps.is_none() {
            let message = format!("{what}: the dataset never ends");
            let help = format!("say how many batches are wanted: {argument}");
            return Err(Mistake::new(message).help(help).into());
        }
        let first = batches.next().map_err(|error| in_batch(what, 1, error))?;
        let first = first.ok_or_else(|| no_batches(what))?;
        Ok(Self { batches, once, asked, bounds, first })
    }

    /// Fails if the dataset is read once, but so many times asked for as many batches as there are.
    pub(crate) fn check_passes(&self, passes: usize) -> Result<(), NnError> {
        let Asked { what, steps: (argument, steps) } = self.asked;
        if !self.once || steps.is_some() || passes < 2 {
            return Ok(());
        }
        let message = format!(
            "{what}: the dataset is an iterator, which is read once, but it is needed {passes} times"
        );
        let help = format!(
            "give a function that makes the iterator, `Dataset::from_generator(|| ..)`, or say how many \
             batches are taken each time: {argument}"
        );
        Err(Mistake::new(message).help(help).into())
    }
}

/// A dataset whose batches fit the model.
pub(crate) struct Feed<'scope, 'a, 'm> {
    batches: Prefetch<'scope, 'a>,
    once: bool,
    asked: Asked,
    fitting: Fitting<'m>,
    bounds: (usize, Option<usize>),
    /// The names and types that the arrays of all batches have.
    signature: Vec<(String, Type)>,
    /// The batch that comes next, if it is known.
    ahead: Option<Samples<'static>>,
    /// How many batches of this pass have been used, and whether there are no more.
    used: usize,
    ended: bool,
    /// The number of batches of a pass, once one has come to its end.
    length: Option<usize>,
    /// The size of the first batch, and whether all have weights.
    batch_size: usize,
    weighted: bool,
    /// The epoch, from 0.
    epoch: usize,
    /// How many batches of this epoch have been used.
    done: usize,
    /// The last of them, in order.
    kept: VecDeque<Samples<'static>>,
    kept_bytes: usize,
    /// `0, 1, ..`: as many as the largest batch has samples.
    rows: Vec<usize>,
}

impl<'scope, 'a, 'm> Feed<'scope, 'a, 'm> {
    pub(crate) fn new(stream: Stream<'scope, 'a>, fitting: Fitting<'m>) -> Result<Self, NnError> {
        let Stream { batches, once, asked, bounds, first } = stream;
        let signature = first.signature();
        let first = fitting.batch(first).map_err(|error| in_batch(asked.what, 1, error))?;
        Ok(Self {
            batches,
            once,
            asked,
            fitting,
            bounds,
            signature,
            batch_size: first.len(),
            weighted: first.weighted(),
            ahead: Some(first),
            used: 0,
            ended: false,
            length: None,
            epoch: 0,
            done: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            rows: vec![],
        })
    }

    /// Begins an epoch. One without a number of steps is a pass; a training with one goes on in the
    /// pass, an evaluation always begins anew.
    pub(crate) fn begin(&mut self, epoch: usize) -> Result<bool, NnError> {
        let trains = self.asked.what == "fit";
        self.epoch = epoch;
        self.done = 0;
        self.forget();
        let anew = !trains || self.asked.steps.1.is_none();
        if (anew && self.used > 0 || self.ended) && !self.once {
            self.restart()?;
        }
        if self.look_ahead()? {
            return Ok(true);
        }
        match (self.once, trains) {
            (true, true) => return Ok(false),
            (true, false) => return Err(none_left(self.asked.what)),
            (false, _) if self.used == 0 => return Err(no_batches(self.asked.what)),
            (false, _) => {}
        }
        self.restart()?;
        if self.look_ahead()? { Ok(true) } else { Err(no_batches(self.asked.what)) }
    }

    fn restart(&mut self) -> Result<(), NnError> {
        self.ahead = None;
        (self.used, self.ended) = (0, false);
        self.bounds = self.batches.begin().map_err(|error| self.in_batch(error))?;
        Ok(())
    }

    /// Takes the next batch out of the queue, if none is there yet; returns whether there is one.
    fn look_ahead(&mut self) -> Result<bool, NnError> {
        if self.ahead.is_none() && !self.ended {
            match self.batches.next().map_err(|error| self.in_batch(error))? {
                Some(batch) => {
                    let fits = self.check(&batch).and_then(|()| self.fitting.batch(batch));
                    self.ahead = Some(fits.map_err(|error| self.in_batch(error))?);
                }
                None => {
                    self.ended = true;
                    self.length = Some(self.used).filter(|_| !self.once);
                }
            }
        }
        Ok(self.ahead.is_some())
    }

    /// Fails if the arrays are not of the same types as those of the first batch.
    fn check(&self, batch: &Batch) -> Result<(), NnError> {
        let given = batch.signature();
        if given == self.signature {
            return Ok(());
        }
        let names = |arrays: &[(String, Type)]| {
            arrays.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let differs = |(first, second): &(&(String, Type), &(String, Type))| first != second;
        let pair = self.signature.iter().zip(&given).find(differs);
        let message = match pair {
            Some(((name, first), (other, given))) if name == other => {
                format!("`{name}` has samples of {given}, in the first batch of {first}")
            }
            _ => {
                let (first, given) = (names(&self.signature), names(&given));
                format!("it has the arrays {given}, the first batch {first}")
            }
        };
        let help = "all batches have the same arrays, of the same sample shape and element type; the number of \
                    their samples may differ";
        Err(Mistake::new(message).help(help).into())
    }

    /// The number of steps of this epoch.
    pub(crate) fn steps(&self) -> Option<usize> {
        let exact = self.bounds.1.filter(|&most| most == self.bounds.0);
        let pass = exact.or(self.length);
        match self.asked.steps.1 {
            Some(steps) if self.asked.what == "fit" => Some(steps),
            Some(steps) => Some(pass.map_or(steps, |pass| pass.min(steps))),
            None => pass,
        }
    }

    pub(crate) fn advance(&mut self) -> Result<bool, NnError> {
        if self.asked.steps.1 == Some(self.done) || !self.look_ahead()? {
            return Ok(false);
        }
        let Some(samples) = self.ahead.take() else { return Ok(false) };
        let known = self.rows.len();
        self.rows.extend(known..samples.len());
        self.kept_bytes += samples.bytes();
        self.kept.push_back(samples);
        self.done += 1;
        self.used += 1;
        Ok(true)
    }

    /// How many batches of this epoch have been used.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    /// The batch of a step of this epoch, which is kept.
    pub(crate) fn lot(&self, step: usize) -> Lot<'_> {
        let samples = &self.kept[step + self.kept.len() - self.done];
        Lot { samples, rows: &self.rows[..samples.len()] }
    }

    pub(crate) fn forget(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
    }

    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    pub(crate) fn ran_out(&self) -> bool {
        self.asked.steps.1.is_some_and(|steps| self.done < steps)
    }

    /// The batch that comes next, if it is known: before the first step it is the first.
    pub(crate) fn ahead(&self) -> Option<&Samples<'static>> {
        self.ahead.as_ref()
    }

    /// The size of the first batch.
    pub(crate) fn batch_size(&self) -> usize {
        self.batch_size
    }

    pub(crate) fn weighted(&self) -> bool {
        self.weighted
    }

    /// The error, met in the batch that comes next.
    fn in_batch(&self, error: NnError) -> NnError {
        let what = match self.asked.what {
            "fit" => format!("epoch {}", self.epoch + 1),
            other => other.to_owned(),
        };
        in_batch(&what, self.done + 1, error)
    }
}

fn in_batch(what: &str, batch: usize, error: NnError) -> NnError {
    NnError::Batch { what: what.to_owned(), batch, error: Box::new(error) }
}

fn no_batches(what: &str) -> NnError {
    let message = format!("{what}: the dataset has no batches");
    Mistake::new(message).help("it must give one batch at least").into()
}

fn none_left(what: &str) -> NnError {
    let message = format!("{what}: the dataset has no batches left");
    let help = "an iterator is read once: give one with more batches, or a function that makes it, \
                `Dataset::from_generator(|| ..)`";
    Mistake::new(message).help(help).into()
}
