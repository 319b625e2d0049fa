//! Training with native code gives the interpreter's bits, with any number of threads.

use brolga_nn::prelude::*;
use brolga_runtime::Backend;
use ndarray::{Array1, Array4, ArrayD};

/// The history, the weights and the predictions.
type Trained = (History, Vec<ArrayD<f32>>, ArrayD<f32>);

/// A small model with a layer of every kind that the first models use, trained for two epochs.
fn trained(
    optimizer: &str,
    backend: Backend,
    threads: usize,
    weighted: bool,
) -> Result<Trained, NnError> {
    let x = Array4::from_shape_fn((37, 10, 9, 1), |(i, j, k, _)| {
        ((i * 31 + j * 17 + k * 7) % 23) as f32 / 23.0
    });
    let y = Array1::from_shape_fn(37, |i| (i % 5) as u8);
    let mut model = Sequential::new();
    model.add(Input::new([10, 9, 1]));
    model.add(Conv2D::new(8, (3, 3)).activation("relu"));
    model.add(MaxPooling2D::new((2, 2)));
    model.add(Conv2D::new(6, (2, 2)).padding("same").activation("tanh"));
    model.add(AveragePooling2D::new((2, 2)).padding("same"));
    model.add(Flatten::new());
    model.add(Dense::new(20).activation("sigmoid"));
    model.add(Dropout::new(0.5));
    model.add(Dense::new(5).activation("softmax"));
    let compile = Compile::new().optimizer(optimizer).loss("sparse_categorical_crossentropy");
    model.compile(compile.metrics(["accuracy"]).backend(backend).threads(threads))?;
    let weights = Array1::from_shape_fn(37, |i| (i % 4) as f32 / 3.0);
    let mut fit = Fit::new().epochs(2).batch_size(16).verbose(false).validation_data(&x, &y);
    if weighted {
        // 33 and 4 samples: neither a multiple of a vector, and one more than two vectors.
        fit = fit.sample_weight(&weights).batch_size(33);
    }
    let history = model.fit(&x, &y, fit)?;
    Ok((history, model.get_weights()?, model.predict(&x)?))
}

fn check(optimizer: &str, weighted: bool) -> Result<(), NnError> {
    let expected = trained(optimizer, Backend::Interpreter, 1, weighted)?;
    for threads in [1, 2, 3, 8] {
        let given = trained(optimizer, Backend::Native, threads, weighted)?;
        assert_eq!(given.0, expected.0, "{optimizer}, {threads} threads: the history");
        assert!(given.1 == expected.1, "{optimizer}, {threads} threads: the weights differ");
        assert!(given.2 == expected.2, "{optimizer}, {threads} threads: the predictions differ");
    }
    Ok(())
}

#[test]
fn native_code_gives_the_interpreters_bits() -> Result<(), NnError> {
    ["sgd", "adam", "adamw", "rmsprop"].into_iter().try_for_each(|name| check(name, false))
}

#[test]
fn weighted_samples_in_batches_of_33_give_the_interpreters_bits() -> Result<(), NnError> {
    check("adam", true)
}
