//! Callbacks in real trainings.

use std::cell::RefCell;
use std::error::Error;

use brolga_nn::callbacks::{
    BackupAndRestore, LambdaCallback, LearningRateScheduler, ReduceLROnPlateau, SaveFreq,
    SwapEMAWeights, TensorBoard, TerminateOnNaN,
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
    let calls = RefCell::new(String::new());
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
    // Of three batches: as in Keras, the second epoch takes what the first has left.
    assert_eq!(calls.into_inner(), "begin 0:0111 1:01 end");
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

/// The calls of every hook, as letters with numbers.
fn diary(calls: &RefCell<String>) -> LambdaCallback<'_> {
    let note = |what: String| {
        calls.borrow_mut().push_str(&what);
        Ok(())
    };
    LambdaCallback::new()
        .on_batch_begin(move |batch, _| note(format!(" ({batch}")))
        .on_batch_end(move |batch, _, _| note(format!(" {batch})")))
        .on_test_begin(move |i| note(format!(" test of {:?}:", i.steps)))
        .on_test_batch_begin(move |batch, _| note(format!(" ({batch}")))
        .on_test_batch_end(move |batch, _, _| note(format!(" {batch})")))
        .on_test_end(move |logs, _| note(format!(" {}", logs.loss() > 0.0)))
        .on_predict_begin(move |i| note(format!(" predict of {:?}:", i.steps)))
        .on_predict_batch_begin(move |batch, _| note(format!(" ({batch}")))
        .on_predict_batch_end(move |batch, outputs, _| {
            note(format!(" {batch}: {:?})", outputs[0].shape()))
        })
        .on_predict_end(move |_| note(" end".to_owned()))
}

#[test]
fn evaluations_and_predictions_call_callbacks() -> Outcome {
    let (mut model, (x, y)) = (model(0.1)?, samples());
    let calls = RefCell::new(String::new());
    let evaluate = || Evaluate::new().batch_size(4).verbose(0).callback(diary(&calls));
    model.evaluate_with(&x, &y, evaluate())?;
    let predict = Predict::new().batch_size(4).verbose(0).callback(diary(&calls));
    model.predict_with(&x, predict)?;
    model.fit(&x, &y, fit(1).steps_per_epoch(1).validation_data(&x, &y).callback(diary(&calls)))?;
    let lines = calls.take();
    insta::assert_snapshot!(lines.trim().replace(" test", "\ntest").replace(" predict", "\npredict"), @"
    test of Some(2): (0 0) (1 1) true
    predict of Some(2): (0 0: [4, 1]) (1 1: [2, 1]) end (0 0)
    test of Some(3): (0 0) (1 1) (2 2) true
    ");
    let fails = LambdaCallback::new().on_test_batch_end(|batch, _, _| match batch {
        1 => Err(NnError::Argument(brolga_ir::Mistake::new("enough"))),
        _ => Ok(()),
    });
    let error = model.evaluate_with(&x, &y, evaluate().batch_size(2).callback(fails));
    assert_eq!(error.expect_err("a callback that fails").to_string(), "enough");
    Ok(())
}

#[test]
fn callbacks_of_batches_are_called_once_for_several_steps() -> Outcome {
    let run = |steps: usize| -> Result<_, Box<dyn Error>> {
        let mut model = Sequential::new();
        model.add(Input::new([1]));
        model.add(Dense::new(1).use_bias(false).kernel_initializer("zeros"));
        let compile = Compile::new().optimizer(SGD::new(0.01)).loss("mae").threads(1);
        model.compile(compile.steps_per_execution(steps))?;
        let calls = RefCell::new(String::new());
        let (x, y) =
            (Array2::from_shape_fn((10, 1), |(i, _)| i as f32), Array2::<f32>::ones((10, 1)));
        model.fit(&x, &y, fit(2).callback(diary(&calls)))?;
        model.evaluate_with(
            &x,
            &y,
            Evaluate::new().batch_size(4).verbose(0).callback(diary(&calls)),
        )?;
        let predict = Predict::new().batch_size(4).verbose(0).callback(diary(&calls));
        model.predict_with(&x, predict)?;
        Ok((model.get_weights()?, calls.into_inner()))
    };
    let (one, two) = (run(1)?, run(2)?);
    assert_eq!(one.0, two.0);
    insta::assert_snapshot!(two.1.trim().replace(" test", "\ntest").replace(" predict", "\npredict"), @"
    (0 1) (2 3) (4 4) (0 1) (2 3) (4 4)
    test of Some(3): (0 1) (2 2) true
    predict of Some(3): (0 1: [8, 1]) (2 2: [2, 1]) end
    ");
    let error = Sequential::new().compile(Compile::new().steps_per_execution(0)).map(drop);
    insta::assert_snapshot!(error.expect_err("no steps"), @"
    compile: `steps_per_execution` is 0
      help: it must be a whole number from 1 on
    ");
    Ok(())
}

/// Steps counted by callbacks are those of the training, however often they are called.
#[test]
fn files_are_saved_after_as_many_steps_as_asked() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1));
    model.compile(Compile::new().loss("mae").threads(1).steps_per_execution(2))?;
    let (x, y) = (Array2::<f32>::ones((12, 1)), Array2::<f32>::ones((12, 1)));
    let saves =
        ModelCheckpoint::new(folder.path().join("{batch}.safetensors").display().to_string());
    let saves = saves.save_weights_only(true).save_freq(SaveFreq::Batches(3));
    let board = TensorBoard::new(folder.path().join("board")).update_freq(3);
    model.fit(&x, &y, fit(1).callback(saves).callback(board))?;
    let mut names: Vec<_> = std::fs::read_dir(folder.path())?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    // After two, four and six steps it is asked whether three are done since the last time.
    assert_eq!(names, ["4.safetensors", "board"]);
    Ok(())
}

/// The averages of a training by hand: `a ← m·a + (1 − m)·w`, of the first step `a ← w`.
#[test]
fn averages_take_the_place_of_weights() -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1).use_bias(false).kernel_initializer("zeros"));
    let optimizer = SGD::new(0.5).use_ema(true).ema_momentum(0.75);
    model.compile(Compile::new().optimizer(optimizer).loss("mae").threads(1))?;
    // The gradient is −1, and so the weights are 0.5, 1, 1.5, 2.
    let (x, y) = (array![[1.0_f32]], array![[100.0_f32]]);
    let (weights, averages) = ([0.5_f32, 1.0, 1.5, 2.0], [0.5_f32, 0.625, 0.84375, 1.1328125]);
    for swap_on_epoch in [false, true] {
        model.set_weights(&[array![[0.0_f32]].into_dyn()])?;
        let compiled = SGD::new(0.5).use_ema(true).ema_momentum(0.75);
        model.compile(Compile::new().optimizer(compiled).loss("mae").threads(1))?;
        let seen = RefCell::new(vec![]);
        let see = |session: &mut brolga_nn::Session| -> Result<(), NnError> {
            seen.borrow_mut().push(session.get_weights()?[0][[0, 0]]);
            Ok(())
        };
        let sees = LambdaCallback::new().on_test_begin(|i| see(i.session)).on_epoch_end(
            |epoch, _, training| {
                // It may end early, after the epoch of the last weight.
                if epoch == 3 {
                    training.stop();
                }
                see(training.session)
            },
        );
        let swap = SwapEMAWeights::new().swap_on_epoch(swap_on_epoch);
        let history =
            model.fit(&x, &y, fit(9).validation_data(&x, &y).callback(swap).callback(sees))?;
        let expected: Vec<f32> = (0..4)
            .flat_map(|k| [averages[k], if swap_on_epoch { averages[k] } else { weights[k] }])
            .collect();
        assert_eq!(seen.into_inner(), expected);
        let losses: Vec<f64> = averages.iter().map(|w| f64::from(100.0 - w)).collect();
        assert_eq!(history.get("val_loss"), Some(&losses[..]));
        // As without the callback, a training leaves the averages.
        assert_eq!(model.get_weights()?[0][[0, 0]], averages[3]);
    }
    Ok(())
}

#[test]
fn averages_are_there_for_an_evaluation_alone() -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1).use_bias(false).kernel_initializer("ones"));
    let optimizer = SGD::new(0.5).use_ema(true).ema_momentum(0.75);
    model.compile(Compile::new().optimizer(optimizer).loss("mae").threads(1))?;
    let (x, y) = (array![[1.0_f32]], array![[3.0_f32]]);
    let swap = SwapEMAWeights::new();
    let evaluate = || Evaluate::new().verbose(0).callback(swap);
    // Before the first step there are no averages.
    assert_eq!(model.evaluate_with(&x, &y, evaluate())?.loss(), 2.0);
    model.train_on_batch(&x, &y)?;
    model.train_on_batch(&x, &y)?;
    // Weights 1.5 and 2, averages 1.5 and 1.625.
    assert_eq!(model.evaluate(&x, &y)?.loss(), 1.0);
    assert_eq!(model.evaluate_with(&x, &y, evaluate())?.loss(), 1.375);
    let predicted = model.predict_with(&x, Predict::new().verbose(0).callback(swap))?;
    assert_eq!(predicted[[0, 0]], 1.625);
    let fails = LambdaCallback::new()
        .on_test_begin(|_| Err(NnError::Argument(brolga_ir::Mistake::new("enough"))));
    assert!(model.evaluate_with(&x, &y, evaluate().callback(fails)).is_err());
    assert_eq!(model.get_weights()?[0][[0, 0]], 2.0);
    let mut other = self::model(0.1)?;
    let error = other.fit(&x, &y, fit(1).callback(swap)).map(drop).expect_err("no averages");
    insta::assert_snapshot!(error, @"
    SwapEMAWeights: the optimizer keeps no averages of weights
      help: give the optimizer `use_ema(true)`, such as SGD::new(0.01).use_ema(true)
    ");
    Ok(())
}
