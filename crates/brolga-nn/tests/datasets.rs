//! Trainings, evaluations and predictions on batches that are made while they are needed.

use std::error::Error;
use std::iter;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use brolga_nn::prelude::*;
use brolga_nn::{Batch, Data, WarningKind};
use brolga_runtime::Backend;
use ndarray::{Array1, Array2, Axis, array, s};

type Outcome = Result<(), Box<dyn Error>>;

fn model() -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Dense::new(6).activation("tanh"));
    model.add(Dropout::new(0.25));
    model.add(Dense::new(3).activation("softmax"));
    let compile = Compile::new().optimizer(Adam::new(0.05)).metrics(["accuracy"]).warnings(false);
    let loss = "sparse_categorical_crossentropy";
    model.compile(compile.loss(loss).backend(Backend::Interpreter))?;
    Ok(model)
}

fn samples(count: usize) -> (Array2<f32>, Array1<u8>) {
    let x = Array2::from_shape_fn((count, 2), |(i, j)| ((i * 7 + j * 5) % 11) as f32 / 11.0);
    (x, Array1::from_shape_fn(count, |i| (i % 3) as u8))
}

fn fit() -> Fit<'static> {
    Fit::new().verbose(0)
}

/// The batches of so many samples that arrays have.
fn batches<'a>(x: &'a Array2<f32>, y: &'a Array1<u8>, size: usize) -> Dataset<'a> {
    Dataset::from_generator(move || {
        x.axis_chunks_iter(Axis(0), size).zip(y.axis_chunks_iter(Axis(0), size))
    })
}

/// The message of an error.
fn message<T: std::fmt::Debug>(result: Result<T, NnError>) -> String {
    result.expect_err("an error").to_string()
}

#[test]
fn batches_give_the_bits_of_arrays() -> Outcome {
    let (x, y) = samples(37);
    let (x_val, y_val) = samples(20);
    let (mut with_arrays, mut with_batches) = (model()?, model()?);
    let expected = with_arrays.fit(
        &x,
        &y,
        fit().epochs(3).batch_size(8).shuffle(false).validation_data(&x_val, &y_val),
    )?;
    let validation = batches(&x_val, &y_val, 8);
    let history = with_batches.fit(
        batches(&x, &y, 8),
        (),
        fit().epochs(3).validation_data(validation, ()),
    )?;
    assert_eq!(history, expected);
    assert_eq!(with_batches.get_weights()?, with_arrays.get_weights()?);

    let expected = with_arrays.evaluate_with(&x, &y, Evaluate::new().batch_size(8).verbose(0))?;
    let scores = with_batches.evaluate_with(batches(&x, &y, 8), (), Evaluate::new().verbose(0))?;
    assert_eq!(scores, expected);
    let expected = with_arrays.predict_with(&x, Predict::new().batch_size(8).verbose(0))?;
    let x_alone = Dataset::from_generator(|| x.axis_chunks_iter(Axis(0), 8));
    assert_eq!(with_batches.predict_with(x_alone, Predict::new().verbose(0))?, expected);
    let labels_too = batches(&x, &y, 8).prefetch(0);
    assert_eq!(with_batches.predict_with(labels_too, Predict::new().verbose(0))?, expected);
    Ok(())
}

#[test]
fn weights_of_samples_and_classes_count() -> Outcome {
    let (x, y) = samples(24);
    let weights = Array1::from_shape_fn(24, |i| 0.5 + i as f32 / 24.0);
    let classes = [(0, 2.0), (2, 0.25)];
    let mut with_arrays = model()?;
    let arguments = || fit().epochs(2).class_weight(classes);
    let weighted = arguments().sample_weight(&weights).shuffle(false).batch_size(8);
    let expected = with_arrays.fit(&x, &y, weighted)?;
    let mut with_batches = model()?;
    let batch = |k: usize| {
        let part = s![8 * k..8 * k + 8];
        (x.slice(s![8 * k..8 * k + 8, ..]), y.slice(part), weights.slice(part))
    };
    let dataset = Dataset::from_generator(|| (0..3).map(batch));
    assert_eq!(with_batches.fit(dataset, (), arguments())?, expected);
    assert_eq!(with_batches.get_weights()?, with_arrays.get_weights()?);
    Ok(())
}

#[test]
fn batches_have_names_and_any_size() -> Outcome {
    let (left, right) =
        (Input::new([2]).name("left").tensor(), Input::new([1]).name("right").tensor());
    let joined = Concatenate::new().on([&left, &right]);
    let sum = Dense::new(1).name("sum").on(&joined);
    let sign = Dense::new(1).activation("sigmoid").name("sign").on(&joined);
    let mut model = Model::new([&left, &right], [&sum, &sign])?;
    let compile =
        Compile::new().output_loss("sum", "mse").output_loss("sign", "binary_crossentropy");
    model.compile(compile.backend(Backend::Interpreter))?;
    let batch = |size: usize| {
        let ones = |width| Data::from(Array2::<f32>::ones((size, width)));
        Batch::new([("right", ones(1)), ("left", ones(2))]).y([("sign", ones(1)), ("sum", ones(1))])
    };
    let sizes = [4, 1, 3];
    let dataset = Dataset::from_generator(|| sizes.into_iter().map(batch));
    let history = model.fit(dataset, (), fit().epochs(2))?;
    assert_eq!(history.epoch, [0, 1]);
    let programs = model.session()?.compilations();
    let compiled: Vec<usize> = programs.iter().map(|compilation| compilation.batch).collect();
    assert_eq!(compiled, sizes);
    Ok(())
}

/// As in Keras: an epoch of a given number of steps goes on where the one before it ended.
#[test]
fn epochs_of_so_many_steps_go_on() -> Outcome {
    let (x, y) = samples(40);
    let passes = AtomicUsize::new(0);
    let dataset = || {
        Dataset::from_generator(|| {
            passes.fetch_add(1, Ordering::Relaxed);
            x.axis_chunks_iter(Axis(0), 8).zip(y.axis_chunks_iter(Axis(0), 8))
        })
    };
    let mut whole = model()?;
    whole.fit(dataset(), (), fit().epochs(2))?;
    assert_eq!(passes.swap(0, Ordering::Relaxed), 2);
    let mut parts = model()?;
    // Of five batches: two, two, one; two, two, one.
    let history = parts.fit(dataset(), (), fit().epochs(6).steps_per_epoch(2))?;
    assert_eq!(passes.swap(0, Ordering::Relaxed), 2);
    assert_eq!(history.epoch.len(), 6);
    assert_eq!(parts.get_weights()?, whole.get_weights()?);
    let ended: Vec<_> =
        parts.warnings().iter().filter(|w| w.kind == WarningKind::OutOfData).collect();
    assert_eq!(ended.len(), 2);
    insta::assert_snapshot!(ended[0], @"
    fit: the data ended in epoch 3 after 1 of 2 steps
      help: give as many batches as steps_per_epoch times epochs, or fewer steps_per_epoch; a dataset that repeats its batches never ends
    ");
    // Arrays are cut in the same way.
    let mut arrays = model()?;
    arrays.fit(&x, &y, fit().batch_size(8).shuffle(false).epochs(6).steps_per_epoch(2))?;
    assert_eq!(arrays.get_weights()?, whole.get_weights()?);
    Ok(())
}

#[test]
fn an_epoch_that_ends_with_the_data_is_not_short() -> Outcome {
    let (x, y) = samples(32);
    let mut model = model()?;
    // The filter hides how many batches there are.
    let dataset = Dataset::from_generator(|| {
        let batches = x.axis_chunks_iter(Axis(0), 8).zip(y.axis_chunks_iter(Axis(0), 8));
        batches.filter(|_| true)
    });
    let history = model.fit(dataset, (), fit().epochs(4).steps_per_epoch(2))?;
    assert_eq!(history.epoch.len(), 4);
    assert_eq!(model.warnings(), []);
    Ok(())
}

#[test]
fn an_iterator_is_read_once() -> Outcome {
    let batch = || (Array2::<f32>::ones((4, 2)), array![0_u8, 1, 2, 0]);
    let dataset = |count| Dataset::from_iterator(iter::repeat_with(batch).take(count));
    let mut model = model()?;
    assert_eq!(model.fit(dataset(3), (), fit())?.epoch.len(), 1);
    assert_eq!(model.fit(dataset(6), (), fit().epochs(3).steps_per_epoch(2))?.epoch.len(), 3);
    assert_eq!(model.warnings(), []);
    // The training ends with the data.
    assert_eq!(model.fit(dataset(5), (), fit().epochs(9).steps_per_epoch(2))?.epoch.len(), 3);
    assert_eq!(model.warnings().len(), 1);
    insta::assert_snapshot!(message(model.fit(dataset(3), (), fit().epochs(2))), @"
    fit: the dataset is an iterator, which is read once, but it is needed 2 times
      help: give a function that makes the iterator, `Dataset::from_generator(|| ..)`, or say how many batches are taken each time: steps_per_epoch
    ");
    let (x, y) = samples(8);
    let validated = || fit().epochs(2).validation_data(dataset(3), ());
    insta::assert_snapshot!(message(model.fit(&x, &y, validated())), @"
    validation: the dataset is an iterator, which is read once, but it is needed 2 times
      help: give a function that makes the iterator, `Dataset::from_generator(|| ..)`, or say how many batches are taken each time: validation_steps
    ");
    assert_eq!(model.fit(&x, &y, validated().validation_freq(2))?.epoch.len(), 2);
    insta::assert_snapshot!(message(model.fit(&x, &y, validated().validation_steps(2).epochs(3))), @"
    validation: the dataset has no batches left
      help: an iterator is read once: give one with more batches, or a function that makes it, `Dataset::from_generator(|| ..)`
    ");
    Ok(())
}

#[test]
fn batches_without_end_need_a_number_of_steps() -> Outcome {
    let (x, y) = samples(8);
    let endless = || Dataset::from_generator(|| iter::repeat_with(|| (&x, &y)));
    let mut model = model()?;
    insta::assert_snapshot!(message(model.fit(endless(), (), fit())), @"
    fit: the dataset never ends
      help: say how many batches are wanted: steps_per_epoch
    ");
    assert_eq!(model.fit(endless(), (), fit().epochs(2).steps_per_epoch(3))?.epoch.len(), 2);
    insta::assert_snapshot!(message(model.fit(&x, &y, fit().validation_data(endless(), ()))), @"
    validation: the dataset never ends
      help: say how many batches are wanted: validation_steps
    ");
    let validated = fit().validation_data(endless(), ()).validation_steps(2).epochs(2);
    model.fit(&x, &y, validated)?;
    insta::assert_snapshot!(message(model.evaluate(endless(), ())), @"
    evaluate: the dataset never ends
      help: say how many batches are wanted: steps
    ");
    model.evaluate_with(endless(), (), Evaluate::new().steps(2).verbose(0))?;
    insta::assert_snapshot!(message(model.predict(endless())), @"
    predict: the dataset never ends
      help: say how many batches are wanted: steps
    ");
    let outputs = model.predict_with(endless(), Predict::new().steps(2).verbose(0))?;
    assert_eq!(outputs.shape(), [16, 3]);
    Ok(())
}

#[test]
fn arguments_for_arrays_are_refused() -> Outcome {
    let (x, y) = samples(8);
    let dataset = || batches(&x, &y, 4);
    let mut model = model()?;
    insta::assert_snapshot!(message(model.fit(dataset(), &y, fit())), @"
    fit: `y` was given beside a dataset
      help: it is a part of each batch: let the dataset give (x, y) or (x, y, sample_weight), and give `()` in place of y
    ");
    let weights = array![1.0_f32];
    insta::assert_snapshot!(message(model.fit(dataset(), (), fit().sample_weight(&weights))), @"
    fit: `sample_weight` was given beside a dataset
      help: it is a part of each batch: let the dataset give (x, y) or (x, y, sample_weight), and give `()` in place of y
    ");
    insta::assert_snapshot!(message(model.fit(dataset(), (), fit().batch_size(4))), @"
    fit: `batch_size` is for arrays, a dataset was given
      help: leave it out: the dataset decides how many samples a batch has
    ");
    insta::assert_snapshot!(message(model.fit(dataset(), (), fit().validation_split(0.5))), @"
    fit: `validation_split` is for arrays, a dataset was given
      help: give validation_data: nobody knows where the last part of a dataset begins
    ");
    let validated = fit().validation_data(dataset(), ()).validation_batch_size(4);
    insta::assert_snapshot!(message(model.fit(&x, &y, validated)), @"
    fit: `validation_batch_size` is for arrays, a dataset was given
      help: leave it out: the dataset decides how many samples a batch has
    ");
    model.fit(&x, &y, fit())?;
    let sized = Evaluate::new().batch_size(4);
    insta::assert_snapshot!(message(model.evaluate_with(dataset(), (), sized)), @"
    evaluate: `batch_size` is for arrays, a dataset was given
      help: leave it out: the dataset decides how many samples a batch has
    ");
    insta::assert_snapshot!(message(model.predict_with(dataset(), Predict::new().batch_size(4))), @"
    predict: `batch_size` is for arrays, a dataset was given
      help: leave it out: the dataset decides how many samples a batch has
    ");
    insta::assert_snapshot!(message(model.evaluate(&x, ())), @"
    y: 0 arrays were given
      help: the model has 1 output with a loss or metrics: `dense_1`; give an array for each, in this order or as pairs of name and array
    ");
    // As in Keras it has no effect, and is not the default.
    model.fit(dataset(), (), fit().shuffle(true))?;
    insta::assert_snapshot!(model.warnings().iter().map(ToString::to_string).collect::<String>(), @"
    fit: `shuffle` has no effect on a dataset, whose batches come in its own order
      help: shuffle where the batches are made, and leave `shuffle` out
    ");
    Ok(())
}

/// Batches `0, 1, ..`, of which one is made by another function.
fn with_odd(
    at: usize,
    odd: impl Fn() -> Result<Batch, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
) -> Dataset<'static> {
    let odd = Arc::new(odd);
    Dataset::from_generator(move || {
        let odd = odd.clone();
        (0..4).map(move |number| {
            let y = array![0_u8, 1, 2, 0];
            if number == at { odd() } else { Ok(Batch::new(Array2::<f32>::ones((4, 2))).y(y)) }
        })
    })
}

#[test]
fn wrong_batches_are_errors_that_name_them() -> Outcome {
    let mut model = model()?;
    let y = || array![0_u8, 1, 2, 0];
    let mut failed = |at, odd: fn() -> Result<Batch, Box<dyn Error + Send + Sync>>| {
        message(model.fit(with_odd(at, odd), (), fit().epochs(2)))
    };
    insta::assert_snapshot!(failed(0, || Err("the disk is gone".into())), @"fit, batch 1: the disk is gone");
    insta::assert_snapshot!(failed(2, || Err("the disk is gone".into())), @"epoch 1, batch 3: the disk is gone");
    insta::assert_snapshot!(failed(2, || panic!("no disk")), @"
    epoch 1, batch 3: the dataset panicked: no disk
      help: the function that makes batches must not panic: let it give an error as a batch, `Err(..)`
    ");
    insta::assert_snapshot!(failed(2, || Ok(Batch::new(Array2::<f32>::ones((4, 3))))), @"
    epoch 1, batch 3: `x` has samples of f32[3], in the first batch of f32[2]
      help: all batches have the same arrays, of the same sample shape and element type; the number of their samples may differ
    ");
    insta::assert_snapshot!(failed(1, || Ok(Batch::new(Array2::<f32>::ones((4, 3))).y(array![0_u8]))), @"
    epoch 1, batch 2: `x` has samples of f32[3], in the first batch of f32[2]
      help: all batches have the same arrays, of the same sample shape and element type; the number of their samples may differ
    ");
    insta::assert_snapshot!(failed(1, || Ok(Batch::new(Array2::<f64>::ones((4, 2))).y(array![0_u8]))), @"
    epoch 1, batch 2: `x` has samples of f64[2], in the first batch of f32[2]
      help: all batches have the same arrays, of the same sample shape and element type; the number of their samples may differ
    ");
    insta::assert_snapshot!(failed(1, || Ok(Batch::new(Array2::<f32>::ones((4, 2))).y(array![0_u8]))), @"
    epoch 1, batch 2: x has 4 samples, but y has 1
      help: the first axis counts the samples; both need the same number
    ");
    insta::assert_snapshot!(failed(3, || {
        Ok(Batch::new(Array2::<f32>::ones((2, 2))).y(array![0_u8, 5]))
    }), @"
    epoch 1, batch 4: y has the label 5 at row 1, but the model's output `dense_1` has 3 classes: labels go from 0 to 2
      help: correct the labels, let the last layer have more units, or exclude them with ignore_class
    ");
    insta::assert_snapshot!(failed(3, || {
        Ok(Batch::new(array![[0.0_f32, f32::NAN]]).y(array![0_u8]))
    }), @"
    epoch 1, step 4: the loss is NaN
      `x` has NaN in sample 0, at element 1 of the sample
      help: every number of the data must be finite
    ");
    let weighted = move || {
        Ok(Batch::new(Array2::<f32>::ones((4, 2))).y(y()).sample_weight([1.0_f32; 4].as_slice()))
    };
    insta::assert_snapshot!(message(model.fit(with_odd(1, weighted), (), fit())), @"
    epoch 1, batch 2: it has the arrays x, y, sample_weight, the first batch x, y
      help: all batches have the same arrays, of the same sample shape and element type; the number of their samples may differ
    ");
    insta::assert_snapshot!(message(model.evaluate_with(with_odd(1, weighted), (), Evaluate::new().verbose(0))), @"
    evaluate, batch 2: it has the arrays x, y, sample_weight, the first batch x, y
      help: all batches have the same arrays, of the same sample shape and element type; the number of their samples may differ
    ");
    insta::assert_snapshot!(message(model.predict_with(with_odd(3, || panic!("{}", 7)), Predict::new().verbose(0))), @"
    predict, batch 4: the dataset panicked: 7
      help: the function that makes batches must not panic: let it give an error as a batch, `Err(..)`
    ");
    let none = || Dataset::from_generator(iter::empty::<Batch>);
    insta::assert_snapshot!(message(model.fit(none(), (), fit())), @"
    fit: the dataset has no batches
      help: it must give one batch at least
    ");
    let (x, labels) = samples(8);
    let validated = fit().epochs(2).validation_data(with_odd(2, || Err("no disk".into())), ());
    let error = model.fit(&x, &labels, validated).expect_err("a validation that fails");
    insta::assert_snapshot!(error, @"validation, batch 3: no disk");
    assert!(error.history().is_some_and(|history| history.epoch.is_empty()));
    Ok(())
}

/// What one side of the queue tells the other: how many batches were made, and used.
#[derive(Default)]
struct Flow {
    made: AtomicUsize,
    used: AtomicUsize,
    most_ahead: AtomicUsize,
}

#[test]
fn few_batches_wait_and_the_thread_ends() -> Outcome {
    let flow = Flow::default();
    let dropped = Mutex::new(0);
    /// Counts that the iterator is given back.
    struct Guard<'a>(&'a Mutex<usize>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            *self.0.lock().expect("nobody panics with it") += 1;
        }
    }
    let dataset = |prefetch| {
        Dataset::from_generator(|| {
            let (guard, flow) = (Guard(&dropped), &flow);
            (0..1000).map(move |_| {
                let _ = &guard;
                let ahead = flow.made.fetch_add(1, Ordering::SeqCst) + 1;
                let ahead = ahead - flow.used.load(Ordering::SeqCst);
                flow.most_ahead.fetch_max(ahead, Ordering::SeqCst);
                (Array2::<f32>::ones((4, 2)), array![0_u8, 1, 2, 0])
            })
        })
        .prefetch(prefetch)
    };
    let mut model = model()?;
    for prefetch in [0, 1, 5] {
        for count in [&flow.made, &flow.used, &flow.most_ahead] {
            count.store(0, Ordering::SeqCst);
        }
        let counts = LambdaCallback::new().on_batch_end(|_, _, _| {
            flow.used.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        let stops = LambdaCallback::new().on_epoch_end(|_, _, training| {
            training.stop();
            Ok(())
        });
        let arguments = fit().epochs(3).steps_per_epoch(40).callback(counts).callback(stops);
        assert_eq!(model.fit(dataset(prefetch), (), arguments)?.epoch.len(), 1);
        let [made, used, ahead] =
            [&flow.made, &flow.used, &flow.most_ahead].map(|count| count.load(Ordering::SeqCst));
        // In the queue, being made, being used, and the first one, which is looked at early.
        assert!(used == 40 && made <= 40 + prefetch + 3 && ahead <= prefetch + 3, "{made} {ahead}");
    }
    assert_eq!(*dropped.lock().expect("as above"), 3);
    Ok(())
}
