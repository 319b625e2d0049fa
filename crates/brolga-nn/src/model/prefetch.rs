//! The batches of a dataset, made in advance on a thread of their own.

use std::any::Any;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use brolga_ir::Mistake;

use crate::dataset::{Batch, Dataset, Made, Passes};
use crate::error::NnError;

/// A dataset whose passes are made on a thread each, which ends with the pass, and at the latest
/// when this is dropped.
pub(crate) struct Prefetch<'scope, 'a> {
    scope: &'scope Scope<'scope, 'a>,
    /// How many batches wait at most.
    queue: usize,
    place: Place<'scope, 'a>,
}

/// Where the function is that makes the batches.
enum Place<'scope, 'a> {
    Here(Passes<'a>),
    Running {
        made: Receiver<Made>,
        thread: ScopedJoinHandle<'scope, Passes<'a>>,
    },
    /// It panicked.
    Lost,
}

impl<'scope, 'a> Prefetch<'scope, 'a> {
    pub(crate) fn new(scope: &'scope Scope<'scope, 'a>, dataset: Dataset<'a>) -> Self {
        let Dataset { passes, prefetch: queue, .. } = dataset;
        Self { scope, queue, place: Place::Here(passes) }
    }

    /// Begins a pass, whatever is left of the one before it; returns the bounds of its number of
    /// batches.
    pub(crate) fn begin(&mut self) -> Result<(usize, Option<usize>), NnError> {
        self.end()?;
        let Place::Here(mut passes) = std::mem::replace(&mut self.place, Place::Lost) else {
            return Err(lost("it panicked before"));
        };
        let (sender, made) = sync_channel(self.queue);
        let make = move || {
            passes(&mut |made| sender.send(made).is_ok());
            passes
        };
        let thread = Builder::new().name("dataset".to_owned()).spawn_scoped(self.scope, make);
        let thread = thread.map_err(|error| NnError::Dataset(error.into()))?;
        self.place = Place::Running { made, thread };
        match self.receive()? {
            Some(Made::Bounds(bounds)) => Ok(bounds),
            // An iterator that was read before makes no pass.
            _ => Ok((0, Some(0))),
        }
    }

    /// The next batch of the pass; `None` after the last one.
    ///
    /// # Errors
    /// That of the dataset; if it panicked.
    pub(crate) fn next(&mut self) -> Result<Option<Batch>, NnError> {
        match self.receive()? {
            Some(Made::Batch(batch)) => batch.map(Some).map_err(NnError::Dataset),
            _ => Ok(None),
        }
    }

    fn receive(&mut self) -> Result<Option<Made>, NnError> {
        let Place::Running { made, .. } = &self.place else { return Ok(None) };
        match made.recv() {
            Ok(made) => Ok(Some(made)),
            Err(_) => self.end().map(|()| None),
        }
    }

    /// Lets the thread end, whose next batch nobody takes, and waits for it.
    fn end(&mut self) -> Result<(), NnError> {
        match std::mem::replace(&mut self.place, Place::Lost) {
            Place::Running { made, thread } => {
                drop(made);
                let passes = thread.join().map_err(|panic| lost(panic_message(&*panic)))?;
                self.place = Place::Here(passes);
            }
            other => self.place = other,
        }
        Ok(())
    }
}

impl Drop for Prefetch<'_, '_> {
    fn drop(&mut self) {
        // Who drops it wants no more batches, nor their errors.
        self.end().unwrap_or_default();
    }
}

fn lost(why: &str) -> NnError {
    let message = format!("the dataset panicked: {why}");
    let help = "the function that makes batches must not panic: let it give an error as a batch, `Err(..)`";
    Mistake::new(message).help(help).into()
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
