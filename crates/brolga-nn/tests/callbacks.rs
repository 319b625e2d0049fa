//! Callbacks in real trainings.

use std::error::Error;

use brolga_nn::callbacks::{
    BackupAndRestore, LambdaCallback, LearningRateScheduler, ReduceLROnPlateau, SaveFreq,
    TensorBoard, TerminateOnNaN,
};
use brolga_nn::prelude::*;
use ndarray::{Array2, array};

type Outcome = Result<(), Box<dyn Error>>;

fn model(rate: f64) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1).use_bias(false).kernel_initializer("zeros"));
    model.compile(Compile::new().optimizer(SGD::new(rate)).loss("mae").threads(1))?;
    Ok(model)
}

fn fit(epochs: usize) -> Fit<'static> {
    Fit::new().epochs(epochs).batch_size(2).verbose(false)
}

fn samples() -> (Array2<f32>, Array2<f32>) {
    let x = Array2::from_shape_fn((6, 1), |(i, _)| i as f32);
    let y = x.mapv(|x| 2.0 * x + 1.0);
    (x, y)
}

/// The case of a public report about Keras: a rate of 0.1 falls after two epochs each.
#[test]
fn a_plateau_lowers_the_rate() -> Outcome {
    let mut model = model(0.1)?;
    let (x, y) = (array![[0.0_f32]], array![[1.0_f32]]);
    let plateau = ReduceLROnPlateau::new().monitor("loss").factor(0.1).patience(2);
    let history = model.fit(&x, &y, fit(7).callback(plateau))?;
    let rates = history.get("learning_rate").unwrap_or_default();
    let expected = [0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001];
    assert_eq!(rates.len(), expected.len());
    rates.iter().zip(expected).for_each(|(x, e)| assert!((x - e).abs() < 1e-6 * e, "{rates:?}"));
    Ok(())
}

#[test]
fn a_plateau_waits_while_it_cools_and_stops_at_the_least_rate() -> Outcome {
    let mut model = model(1.0)?;
    let (x, y) = (array![[0.0_f32]], array![[1.0_f32]]);
    let plateau = ReduceLROnPlateau::new().monitor("loss").factor(0.5).patience(1).cooldown(2);
    let history = model.fit(&x, &y, fit(8).callback(plateau.min_lr(0.25)))?;
    let rates = history.get("learning_rate").unwrap_or_default();
    assert_eq!(rates, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]);
    Ok(())
}

#[test]
fn a_schedule_sets_the_rate_of_each_epoch() -> Outcome {
    let (mut model, (x, y)) = (model(1.0)?, samples());
    let schedule =
        LearningRateScheduler::new(|epoch, rate| if epoch == 0 { rate } else { rate * 0.5 });
    let history = model.fit(&x, &y, fit(3).callback(schedule))?;
    assert_eq!(history.get("learning_rate"), Some([1.0, 0.5, 0.25].as_slice()));
    let wrong = LearningRateScheduler::new(|_, _| -1.0);
    let error = model.fit(&x, &y, fit(1).callback(wrong)).map(drop).expect_err("a negative rate");
    insta::assert_snapshot!(error, @r"
    set_learning_rate: `learning_rate` is -1
      help: it must be a number from 0 on that f32 can hold
    ");
    let wrong = ReduceLROnPlateau::new().monitor("loss").factor(1.0);
    let error = model.fit(&x, &y, fit(1).callback(wrong)).map(drop).expect_err("no fall");
    insta::assert_snapshot!(error, @r"
    ReduceLROnPlateau: `factor` is 1
      help: it must be a number from 0 up to, but not including, 1
    ");
    Ok(())
}

#[test]
fn closures_are_called_in_order() -> Outcome {
    let (mut model, (x, y)) = (model(0.1)?, samples());
    let calls = std::cell::RefCell::new(String::new());
    let note = |what: String| {
        calls.borrow_mut().push_str(&what);
        Ok(())
    };
    let callback = LambdaCallback::new()
        .on_train_begin(|_| note("begin".to_owned()))
        .on_epoch_begin(|epoch, _| note(format!(" {epoch}:")))
        .on_batch_end(|batch, logs, _| note(format!("{batch}{}", u8::from(logs.loss() > 0.0))))
        .on_epoch_end(|epoch, _, training| {
            if epoch == 1 {
                training.stop();
            }
            Ok(())
        })
        .on_train_end(|_| note(" end".to_owned()));
    model.fit(&x, &y, fit(5).steps_per_epoch(2).callback(callback))?;
    assert_eq!(calls.into_inner(), "begin 0:0111 1:0111 end");
    Ok(())
}

#[test]
fn a_validation_is_made_after_so_many_epochs() -> Outcome {
    let (mut model, (x, y)) = (model(0.1)?, samples());
    let history = model.fit(&x, &y, fit(5).validation_freq(2).validation_data(&x, &y))?;
    assert_eq!(history.get("loss").map(<[f64]>::len), Some(5));
    let validated = history.get("val_loss").unwrap_or_default();
    let there: Vec<bool> = validated.iter().map(|loss| loss.is_finite()).collect();
    assert_eq!(there, [false, true, false, true, false]);
    let error = model.fit(&x, &y, fit(1).validation_freq(0)).map(drop).expect_err("never");
    insta::assert_snapshot!(error, @r"
    fit: `validation_freq` is 0
      help: it must be a whole number from 1 on
    ");
    Ok(())
}

#[test]
fn a_loss_that_is_not_finite_ends_the_training_quietly() -> Outcome {
    let mut model = model(1e38)?;
    let (x, y) = (array![[1e20_f32]], array![[1.0_f32]]);
    assert!(model.fit(&x, &y, fit(3)).is_err());
    let mut epochs = 0;
    let count = LambdaCallback::new().on_epoch_end(|_, _, _| {
        epochs += 1;
        Ok(())
    });
    let history = model.fit(&x, &y, fit(3).callback(TerminateOnNaN::new()).callback(count))?;
    assert_eq!(history.get("loss"), None);
    assert_eq!(epochs, 0);
    assert!(model.get_weights()?[0].iter().all(|w| w.is_finite()));
    Ok(())
}

#[test]
fn an_interrupted_training_goes_on() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (x, y) = samples();
    let backup = || BackupAndRestore::new(folder.path());
    let mut whole = model(0.01)?;
    whole.fit(&x, &y, fit(6))?;
    let mut first = model(0.01)?;
    let interrupted = LambdaCallback::new().on_epoch_begin(|epoch, _| match epoch {
        4 => Err(NnError::Argument(brolga_ir::Mistake::new("a failure of power"))),
        _ => Ok(()),
    });
    let error = first.fit(&x, &y, fit(6).callback(backup()).callback(interrupted));
    assert!(error.is_err());
    let mut second = model(0.01)?;
    let history = second.fit(&x, &y, fit(6).callback(backup()))?;
    assert_eq!(history.get("loss").map(<[f64]>::len), Some(2));
    assert_eq!(second.get_weights()?, whole.get_weights()?);
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0, "a training that ended has no backup");
    std::fs::write(folder.path().join("backup.json"), "{}")?;
    let error = second.fit(&x, &y, fit(6).callback(backup())).map(drop).expect_err("damaged");
    let error = error.to_string().replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(error, @r"
    BackupAndRestore: FOLDER/backup.json is damaged: missing field `epoch` at line 1 column 2
      help: remove it: the training begins anew
    ");
    let wrong = backup().save_freq(SaveFreq::Batches(0));
    let error = second.fit(&x, &y, fit(6).callback(wrong)).map(drop).expect_err("never");
    insta::assert_snapshot!(error, @r"
    BackupAndRestore: a save_freq of 0 steps
      help: save_freq is 1 step or more
    ");
    Ok(())
}

#[test]
fn event_files_are_written_for_training_and_validation() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (mut model, (x, y)) = (model(0.01)?, samples());
    let board = TensorBoard::new(folder.path()).update_freq(1);
    model.fit(&x, &y, fit(2).validation_data(&x, &y).callback(board))?;
    for (part, tags) in [
        ("train", &["epoch_loss", "batch_loss", "epoch_learning_rate"][..]),
        ("validation", &["epoch_loss"]),
    ] {
        let files: Vec<_> =
            std::fs::read_dir(folder.path().join(part))?.collect::<Result<_, _>>()?;
        assert_eq!(files.len(), 1);
        let bytes = std::fs::read(files[0].path())?;
        for tag in tags {
            assert!(
                bytes.windows(tag.len()).any(|window| window == tag.as_bytes()),
                "{part} {tag}"
            );
        }
    }
    Ok(())
}
