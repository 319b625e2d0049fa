//! Recurrent layers in models: loops have the bits of steps written out, stacked cells those of
//! layers one after the other, masked steps change nothing; mistakes say what to do.

use std::error::Error;

use brolga_nn::model::Functional;
use brolga_nn::prelude::*;
use ndarray::{Array2, Array3, ArrayD, Axis, s};

type Outcome = Result<(), Box<dyn Error>>;

/// Numbers without a pattern.
fn sequences(samples: usize, steps: usize, features: usize) -> Array3<f32> {
    Array3::from_shape_fn((samples, steps, features), |(i, t, k)| {
        ((i * 31 + t * 17 + k * 7) as f32 * 0.7).sin()
    })
}

fn model(layers: impl FnOnce(&mut Sequential), features: usize, steps: usize) -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([steps, features]));
    layers(&mut model);
    model
}

/// A model of one layer for four steps of three numbers.
fn one(layer: impl Layer + 'static) -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([4, 3]));
    model.add(layer);
    model
}

fn predicted(mut model: Sequential, x: &Array3<f32>) -> Result<ArrayD<f32>, NnError> {
    model.predict_with(x, Predict::new().verbose(false))
}

#[test]
fn a_loop_has_the_bits_of_its_steps_written_out() -> Outcome {
    let x = sequences(3, 5, 4);
    for backwards in [false, true] {
        let with = |unroll: bool| {
            let layer =
                || LSTM::new(6).return_sequences(true).go_backwards(backwards).unroll(unroll);
            let trained = |mut model: Sequential| -> Result<ArrayD<f32>, NnError> {
                model.compile(Compile::new().optimizer("adam").loss("mse"))?;
                let y = Array2::<f32>::from_elem((3, 2), 0.5);
                model.fit(&x, &y, Fit::new().epochs(3).batch_size(2).verbose(0))?;
                predicted(model, &x)
            };
            trained(model(
                |model| {
                    model.add(layer());
                    model.add(GRU::new(3).unroll(unroll));
                    model.add(Dense::new(2));
                },
                4,
                5,
            ))
        };
        assert_eq!(with(false)?, with(true)?);
    }
    Ok(())
}

#[test]
fn stacked_cells_are_layers_one_after_the_other() -> Outcome {
    let x = sequences(2, 4, 3);
    let ones = |_: &[usize], _: &[usize]| 0.25_f32;
    let cell = |units| LSTMCell::new(units).kernel_initializer(ones).recurrent_initializer(ones);
    let layer = |units| LSTM::new(units).kernel_initializer(ones).recurrent_initializer(ones);
    let stacked = one(RNN::new(vec![cell(2), cell(3)]));
    let layers = model(
        |model| {
            model.add(layer(2).return_sequences(true));
            model.add(layer(3));
        },
        3,
        4,
    );
    assert_eq!(predicted(stacked, &x)?, predicted(layers, &x)?);
    Ok(())
}

#[test]
fn masked_steps_at_the_end_change_nothing() -> Outcome {
    let short = sequences(2, 3, 2);
    let mut long = Array3::from_elem((2, 5, 2), -1.0);
    long.slice_mut(s![.., ..3, ..]).assign(&short);
    let layers = |model: &mut Sequential, masking: bool| {
        if masking {
            model.add(Masking::new().mask_value(-1.0));
        }
        model.add(GRU::new(4));
        model.add(Dense::new(2));
    };
    let of_short = predicted(model(|model| layers(model, false), 2, 3), &short)?;
    assert_eq!(predicted(model(|model| layers(model, true), 2, 5), &long)?, of_short);
    Ok(())
}

#[test]
fn both_directions_see_the_sequence_in_their_order() -> Outcome {
    let x = sequences(2, 4, 3);
    let ones = |_: &[usize], _: &[usize]| 0.25_f32;
    let layer = || {
        SimpleRNN::new(2)
            .kernel_initializer(ones)
            .recurrent_initializer(ones)
            .return_sequences(true)
    };
    let both = predicted(one(Bidirectional::new(layer())), &x)?;
    let forward = predicted(one(layer()), &x)?;
    let mut reversed = x.clone();
    reversed.invert_axis(Axis(1));
    let mut backward = predicted(one(layer()), &reversed)?;
    backward.invert_axis(Axis(1));
    assert_eq!(both.slice(s![.., .., ..2]).into_dyn(), forward);
    assert_eq!(both.slice(s![.., .., 2..]).into_dyn(), backward);
    Ok(())
}

#[test]
fn states_go_in_and_come_out() -> Outcome {
    let x = Input::new([3, 2]).tensor();
    let [_, h, c] = LSTM::new(4).return_state(true).name("encoder").on_all(&x);
    let arguments = brolga_nn::model::CallArguments::of(&x).tensors("initial_state", [&h, &c]);
    let y = LSTM::new(4).name("decoder").on(arguments);
    let mut model: Functional = Model::new(&x, &y)?;
    let json = model.to_json()?;
    assert!(json.contains("initial_state"), "{json}");
    let given = sequences(2, 3, 2);
    let predict =
        |model: &mut Functional| model.predict_with(&given, Predict::new().verbose(false));
    let first = predict(&mut model)?;
    assert_eq!(first.shape(), [2, 4]);
    let mut read = Functional::from_json(&json)?;
    assert_eq!(predict(&mut read)?, first);
    Ok(())
}

/// The message of a model with this layer, without lines of files.
fn message(layer: impl Layer + 'static, shape: &[usize]) -> String {
    let mut model = Sequential::new();
    model.add(Input::new(shape.iter().copied()));
    model.add(layer);
    let error = model.compile(Compile::new().optimizer("sgd").loss("mse")).expect_err("a mistake");
    without_lines(&error)
}

/// An error without lines of files.
fn without_lines(error: &NnError) -> String {
    let line = |line: &str| match line.split_once(".rs:") {
        Some((before, _)) => format!("{before}.rs"),
        None => line.to_owned(),
    };
    error.to_string().lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn mistakes_name_the_layer() {
    insta::assert_snapshot!(message(LSTM::new(3), &[4]), @"
    layer `lstm`: LSTM takes (None, steps, features), given (None, 4)
      at crates/brolga-nn/tests/recurrent.rs
      help: an axis of steps follows the batch
    ");
    insta::assert_snapshot!(message(LSTM::new(0), &[4, 2]), @"
    layer `lstm`: LSTM: `units` is 0
      at crates/brolga-nn/tests/recurrent.rs
      help: it must be a whole number from 1 on
    ");
    insta::assert_snapshot!(message(GRU::new(3), &[4, 2, 5]), @"
    layer `gru`: GRUCell takes a vector in each step, given [2,5]
      at crates/brolga-nn/tests/recurrent.rs
    ");
    insta::assert_snapshot!(message(GRU::new(3).stateful(true), &[4, 2]), @"
    layer `gru`: GRU keeps states between batches of an unknown size
      at crates/brolga-nn/tests/recurrent.rs
      help: let the input declare the size: Input::new([..]).batch_size(32)
    ");
    insta::assert_snapshot!(message(RNN::new("no_cell"), &[4, 2]), @"
    layer `rnn`: there is no cell `no_cell`
      at crates/brolga-nn/tests/recurrent.rs
      help: there are gru_cell, lstm_cell, simple_rnn_cell, stacked_rnn_cells
    ");
    insta::assert_snapshot!(message(RNN::new(Vec::<LSTMCell>::new()), &[4, 2]), @"
    layer `rnn`: StackedRNNCells has no cell
      at crates/brolga-nn/tests/recurrent.rs
    ");
    insta::assert_snapshot!(message(Bidirectional::new(Dense::new(3)), &[4, 2]), @"
    layer `bidirectional`: Bidirectional takes a recurrent layer, given Dense
      at crates/brolga-nn/tests/recurrent.rs
      help: such as LSTM, GRU, SimpleRNN or RNN with a cell
    ");
    let same = Bidirectional::new(LSTM::new(3)).backward_layer(LSTM::new(3));
    insta::assert_snapshot!(message(same, &[4, 2]), @"
    layer `bidirectional`: both layers of Bidirectional go the same way
      at crates/brolga-nn/tests/recurrent.rs
      help: `go_backwards(true)` turns one of them around
    ");
    let other = Bidirectional::new(LSTM::new(3))
        .backward_layer(LSTM::new(3).go_backwards(true).return_sequences(true));
    insta::assert_snapshot!(message(other, &[4, 2]), @"
    layer `bidirectional`: the layers of Bidirectional differ in what they return
      at crates/brolga-nn/tests/recurrent.rs
      help: return_sequences, return_state and stateful have to be the same
    ");
    insta::assert_snapshot!(message(Bidirectional::new(LSTM::new(3)).merge_mode("max"), &[4, 2]), @"
    layer `bidirectional`: Bidirectional has no merge mode `max`
      at crates/brolga-nn/tests/recurrent.rs
      help: it is concat, sum, mul, ave, or none
    ");
    insta::assert_snapshot!(message(TimeDistributed::new(Dense::new(3)), &[4]), @"
    layer `time_distributed`: TimeDistributed takes (None, steps, ..), given (None, 4)
      at crates/brolga-nn/tests/recurrent.rs
    ");
}

/// A model of one layer for batches of two samples with four steps of three numbers.
fn of_two(layer: impl Layer + 'static) -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([4, 3]).batch_size(2));
    model.add(layer);
    model
}

fn in_batches(model: &mut Sequential, x: &Array3<f32>) -> Result<ArrayD<f32>, NnError> {
    model.predict_with(x, Predict::new().batch_size(2).verbose(false))
}

#[test]
fn a_stateful_layer_goes_on_where_the_batch_before_has_ended() -> Outcome {
    fn check<L: Layer + 'static>(layer: L, stateful: L) -> Outcome {
        let long = sequences(2, 12, 3);
        let mut whole = Sequential::new();
        whole.add(Input::new([12, 3]));
        whole.add(layer);
        let expected = whole.predict_with(&long, Predict::new().verbose(false))?;
        let mut model = of_two(stateful);
        model.set_weights(&whole.get_weights()?)?;
        let part = |from: usize| long.slice(s![.., from..from + 4, ..]).to_owned();
        for _ in 0..2 {
            for from in [0, 4, 8] {
                let given = in_batches(&mut model, &part(from))?;
                let whole = expected.slice(s![.., from..from + 4, ..]).to_owned();
                assert_eq!(given, whole.into_dyn());
            }
            model.reset_states()?;
        }
        Ok(())
    }
    let rnn = || RNN::new(vec![LSTMCell::new(3), LSTMCell::new(2)]).return_sequences(true);
    check(rnn(), rnn().stateful(true))?;
    let simple = || SimpleRNN::new(3).return_sequences(true);
    check(simple(), simple().stateful(true))?;
    let lstm = || LSTM::new(3).return_sequences(true);
    check(lstm(), lstm().stateful(true))?;
    let gru = || GRU::new(3).return_sequences(true).unroll(true);
    check(gru(), gru().stateful(true))
}

/// States go on in training and evaluation too; they are neither trained nor counted.
#[test]
fn states_go_on_in_training_and_are_no_weights() -> Outcome {
    let mut model = of_two(LSTM::new(3).stateful(true));
    model.add(Dense::new(1));
    model.compile(Compile::new().optimizer("sgd").loss("mse"))?;
    assert_eq!(model.get_weights()?.len(), 5);
    assert_eq!(model.count_params()?, 3 * 12 + 3 * 12 + 12 + 4);
    let (x, y) = (sequences(2, 4, 3), Array2::<f32>::from_elem((2, 1), 0.5));
    let first = in_batches(&mut model, &x)?;
    assert_ne!(in_batches(&mut model, &x)?, first);
    model.reset_states()?;
    assert_eq!(in_batches(&mut model, &x)?, first);
    model.reset_state("lstm")?;
    model.evaluate_with(&x, &y, Evaluate::new().batch_size(2).verbose(false))?;
    assert_ne!(in_batches(&mut model, &x)?, first, "the evaluation has changed the states");

    let weights = model.get_weights()?;
    model.reset_states()?;
    let fit = || Fit::new().batch_size(2).shuffle(false).verbose(0);
    model.fit(&x, &y, fit())?;
    assert_ne!(model.get_weights()?, weights);
    model.set_weights(&weights)?;
    assert_ne!(in_batches(&mut model, &x)?, first, "the training has changed the states");
    Ok(())
}

#[test]
fn both_directions_keep_their_states() -> Outcome {
    let mut model = of_two(Bidirectional::new(LSTM::new(3).stateful(true)));
    let x = sequences(2, 4, 3);
    let first = in_batches(&mut model, &x)?;
    let second = in_batches(&mut model, &x)?;
    let differ =
        |axis: usize| first.slice(s![.., axis..axis + 3]) != second.slice(s![.., axis..axis + 3]);
    assert!(differ(0) && differ(3), "{first} {second}");
    model.reset_state("bidirectional")?;
    assert_eq!(in_batches(&mut model, &x)?, first);
    Ok(())
}

#[test]
fn another_batch_than_the_states_have_is_a_mistake() {
    let mut model = of_two(LSTM::new(3).stateful(true));
    let mut message = |samples: usize, size: usize| {
        let given = Predict::new().batch_size(size).verbose(false);
        let error =
            model.predict_with(&sequences(samples, 4, 3), given).expect_err("another batch");
        without_lines(&error)
    };
    insta::assert_snapshot!(message(6, 3), @"
    layer `lstm`: LSTM is stateful for batches of 2 samples, given 3
      at crates/brolga-nn/tests/recurrent.rs
      help: its states belong to the places of a batch: let `batch_size` be 2, and the number of samples a multiple of it
    ");
    insta::assert_snapshot!(message(5, 2), @"
    layer `lstm`: LSTM is stateful for batches of 2 samples, given 1
      at crates/brolga-nn/tests/recurrent.rs
      help: its states belong to the places of a batch: let `batch_size` be 2, and the number of samples a multiple of it
    ");
    let error = model.reset_state("dense").expect_err("it has no states");
    insta::assert_snapshot!(error, @"
    there is no stateful layer `dense`
      help: there are lstm
    ");
}
