//! Trainings with invented numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ndarray::ArrayD;

use crate::callback::{Callback, Course, Training, TrainingPlan};
use crate::error::NnError;
use crate::history::Logs;
use crate::layers::{Dense, Input};
use crate::metrics::Direction;
use crate::model::Sequential;

/// The outcome of a training.
#[derive(Debug, PartialEq)]
pub(crate) struct Run {
    /// How many epochs it had.
    pub(crate) epochs: usize,
    /// The weight, which each epoch sets to its number.
    pub(crate) weight: f32,
}

/// A plan of two steps an epoch that reports these quantities; `loss` falls, `accuracy` rises, of
/// others it is not known.
pub(crate) fn plan(reported: &[&str]) -> TrainingPlan {
    let known = [("loss", Direction::Min), ("accuracy", Direction::Max)];
    TrainingPlan {
        epochs: 9,
        steps: Some(2),
        samples: Some(2),
        batch_size: 1,
        compile_time: Duration::ZERO,
        reported: reported.iter().map(|&name| name.to_owned()).collect(),
        directions: BTreeMap::from(known.map(|(name, direction)| (name.to_owned(), direction))),
    }
}

/// Calls a callback as a training does whose epochs report these values. An epoch may leave out the
/// last quantities.
pub(crate) fn train(
    callback: &mut dyn Callback,
    reported: &[&str],
    epochs: &[Vec<f64>],
) -> Result<Run, NnError> {
    let mut model = one_weight();
    let (session, plan) = (model.session()?, plan(reported));
    let mut course = Course::default();
    let mut training = Training { plan: &plan, session, course: &mut course };
    callback.on_train_begin(&mut training)?;
    let mut done = 0;
    for (epoch, values) in epochs.iter().enumerate() {
        callback.on_epoch_begin(epoch, &mut training)?;
        set_weight(&mut training, epoch as f32)?;
        let mut logs = Logs::new();
        reported.iter().zip(values).for_each(|(&name, &value)| logs.set(name, value));
        for batch in 0..plan.steps.unwrap_or_default() {
            callback.on_batch_end(batch, &logs, &mut training)?;
        }
        callback.on_epoch_end(epoch, &mut logs, &mut training)?;
        done += 1;
        if training.stopping() {
            break;
        }
    }
    callback.on_train_end(&mut training)?;
    Ok(Run { epochs: done, weight: weight(&mut model)? })
}

fn one_weight() -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1).use_bias(false));
    model
}

fn set_weight(training: &mut Training<'_>, value: f32) -> Result<(), NnError> {
    training.session.set_weights(&[ArrayD::from_elem(vec![1, 1], value)])
}

fn weight(model: &mut Sequential) -> Result<f32, NnError> {
    Ok(model.get_weights()?[0][[0, 0]])
}

/// The weight in a file.
pub(crate) fn weight_in(path: &Path) -> f32 {
    let mut model = one_weight();
    model.load_weights(path).and_then(|()| weight(&mut model)).expect("a file of the rig's weights")
}
