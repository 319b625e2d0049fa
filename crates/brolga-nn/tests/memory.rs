//! Data that are larger than the memory that a training takes. One test, since the peak is that of
//! the whole process.

#![cfg(target_os = "linux")]

use brolga_nn::prelude::*;
use ndarray::{Array1, Array2};

/// The most memory that the process has had, in MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the line");
    line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") / 1024
}

/// 256 batches of 2 MiB, for the training and for the validation.
#[test]
fn batches_are_dropped_once_they_are_used() -> Result<(), NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([8192]));
    model.add(Dense::new(1));
    model.compile(Compile::new().optimizer(SGD::new(1e-6)).loss("mse").threads(1))?;
    let batch = |number: usize| {
        (Array2::from_elem((64, 8192), 1.0 / number as f32), Array1::<f32>::ones(64))
    };
    let dataset = || Dataset::from_generator(|| (1..=256).map(batch));
    model.fit(
        dataset(),
        (),
        Fit::new().steps_per_epoch(2).validation_data(dataset(), ()).validation_steps(2).verbose(0),
    )?;
    let before = peak();
    let history = model.fit(dataset(), (), Fit::new().validation_data(dataset(), ()).verbose(0))?;
    assert!(history.last("val_loss").is_some_and(f64::is_finite));
    model.evaluate_with(dataset(), (), Evaluate::new().verbose(0))?;
    model.predict_with(dataset(), Predict::new().verbose(0))?;
    let grown = peak() - before;
    assert!(grown < 32, "{grown} MiB of 512");
    Ok(())
}
