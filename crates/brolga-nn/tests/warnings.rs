//! What runs, but most likely not as it was meant: each case, and what is healthy beside it.

use std::error::Error;
use std::process::Command;

use brolga_nn::optimizers::schedules::{CosineDecay, PiecewiseConstantDecay};
use brolga_nn::prelude::*;
use brolga_nn::{Warning, WarningKind};
use brolga_runtime::Backend;
use ndarray::{Array1, Array2, Array4};

type Outcome = Result<(), Box<dyn Error>>;

fn compile() -> Compile {
    let compile = Compile::new().optimizer("sgd").loss("sparse_categorical_crossentropy");
    compile.backend(Backend::Interpreter).warnings(false)
}

fn classifier(compile: Compile) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(3).activation("softmax"));
    model.compile(compile)?;
    Ok(model)
}

/// One number of four, by a layer with this activation.
fn regressor(activation: &str, compile: Compile) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(1).activation(activation));
    model.compile(compile)?;
    Ok(model)
}

fn x(count: usize) -> Array2<f32> {
    Array2::from_shape_fn((count, 4), |(i, j)| ((i * 7 + j * 5) % 11) as f32 / 11.0)
}

fn classes(count: usize) -> Array1<u8> {
    Array1::from_shape_fn(count, |i| (i % 3) as u8)
}

fn answers(count: usize) -> Array1<f32> {
    Array1::from_shape_fn(count, |i| f32::from(u8::from(i % 3 == 0)))
}

fn fit() -> Fit<'static> {
    Fit::new().verbose(0)
}

/// The warnings of a model, one after the other.
fn said(model: &Sequential) -> String {
    model.warnings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn silent(model: &Sequential) {
    assert_eq!(model.warnings(), []);
}

#[test]
fn a_model_of_which_nothing_is_trained() -> Outcome {
    let (x, y) = (x(12), classes(12));
    let mut frozen = Sequential::new();
    frozen.add(Input::new([4]));
    frozen.add(Dense::new(3).activation("softmax").trainable(false));
    frozen.compile(compile())?;
    silent(&frozen);
    frozen.evaluate_with(&x, &y, Evaluate::new().verbose(0))?;
    silent(&frozen);
    frozen.fit(&x, &y, fit())?;
    insta::assert_snapshot!(said(&frozen), @"
    fit: all 2 weights of the model are frozen: nothing is trained
      help: add layers with weights, or let some of them be trained: `.trainable(true)`
    ");
    frozen.fit(&x, &y, fit().epochs(2))?;
    assert_eq!(frozen.warnings().len(), 1, "it is said once");
    let mut empty = Sequential::new();
    empty.add(Input::new([4]));
    empty.add(Softmax::new());
    empty.compile(compile())?;
    empty.fit(&x, &Array1::from_shape_fn(12, |i| (i % 4) as u8), fit())?;
    insta::assert_snapshot!(said(&empty), @"
    fit: the model has no weights: nothing is trained
      help: add layers with weights, or let some of them be trained: `.trainable(true)`
    ");
    let mut healthy = Sequential::new();
    healthy.add(Input::new([4]));
    healthy.add(Dense::new(3).trainable(false));
    healthy.add(Dense::new(3).activation("softmax"));
    healthy.compile(compile())?;
    healthy.fit(&x, &y, fit())?;
    silent(&healthy);
    Ok(())
}

#[test]
fn a_metric_that_compares_classes_of_numbers() -> Outcome {
    let (x, prices) = (x(12), Array1::from_shape_fn(12, |i| i as f32 / 4.0));
    let mse = || compile().loss("mse").metrics(["accuracy"]);
    let mut model = regressor("linear", mse())?;
    silent(&model);
    model.fit(&x, &prices, fit())?;
    insta::assert_snapshot!(said(&model), @r#"
    the metric `accuracy` compares answers of yes or no, but a label is 0.25 (sample 1)
      help: for numbers use "mae" or "mse"; labels of yes or no are 0 and 1, shares of classes add up to 1
    "#);
    // An autoencoder.
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Dense::new(4));
    model.compile(mse())?;
    model.fit(&x, &x, fit())?;
    insta::assert_snapshot!(said(&model), @r#"
    the metric `accuracy` compares classes, but the labels are no shares of classes (sample 0)
      help: for numbers use "mae" or "mse"; labels of yes or no are 0 and 1, shares of classes add up to 1
    "#);
    let classes_of_one = compile().loss("mse").metrics(["categorical_accuracy"]);
    let model = regressor("linear", classes_of_one)?;
    insta::assert_snapshot!(said(&model), @r#"
    the metric `categorical_accuracy` compares classes, but the output of layer `dense` is one number: it is the same for all weights
      help: for answers of yes or no use "binary_accuracy", for other numbers "mae"
    "#);
    // Answers of yes and no, and classes, by the same metric.
    let mut model = regressor("sigmoid", mse())?;
    model.fit(&x, &answers(12), fit())?;
    silent(&model);
    let mut model = regressor("linear", mse())?;
    model.fit(&x, &answers(12), fit())?;
    silent(&model);
    let mut model =
        classifier(compile().metrics(["accuracy", "sparse_top_k_categorical_accuracy"]))?;
    model.fit(&x, &classes(12), fit())?;
    silent(&model);
    let mut model = classifier(compile().loss("categorical_crossentropy").metrics(["accuracy"]))?;
    let soft = Array2::from_shape_fn((12, 3), |(i, j)| if i % 3 == j { 0.8 } else { 0.1_f32 });
    model.fit(&x, &soft, fit())?;
    silent(&model);
    let mut model = regressor("linear", compile().loss("mse").metrics(["mae"]))?;
    model.fit(&x, &prices, fit())?;
    silent(&model);
    Ok(())
}

#[test]
fn a_loss_of_other_outputs_than_there_are() -> Outcome {
    let logits = losses::SparseCategoricalCrossentropy::new().from_logits(true);
    insta::assert_snapshot!(said(&classifier(compile().loss(logits))?), @"
    sparse_categorical_crossentropy: `from_logits` is true, but the output of layer `dense` is a softmax already: it is applied twice
      help: leave from_logits out, or the activation of the last layer
    ");
    let binary = losses::BinaryCrossentropy::new().from_logits(true);
    insta::assert_snapshot!(said(&regressor("sigmoid", compile().loss(binary))?), @"
    binary_crossentropy: `from_logits` is true, but the output of layer `dense` is a sigmoid already: it is applied twice
      help: leave from_logits out, or the activation of the last layer
    ");
    insta::assert_snapshot!(said(&regressor("linear", compile().loss("binary_crossentropy"))?), @r#"
    binary_crossentropy: it takes probabilities, but the output of layer `dense` is any number, since it has no activation
      help: give the last layer the activation "sigmoid", or say that its output is logits: BinaryCrossentropy::new().from_logits(true)
    "#);
    let linear = |loss: Compile| -> Result<Sequential, NnError> {
        let mut model = Sequential::new();
        model.add(Input::new([4, 4, 1]));
        model.add(Conv2D::new(3, (4, 4)));
        model.add(Flatten::new());
        model.compile(loss)?;
        Ok(model)
    };
    insta::assert_snapshot!(said(&linear(compile())?), @r#"
    sparse_categorical_crossentropy: it takes probabilities, but the output of layer `flatten` is any number, since it has no activation
      help: give the last layer the activation "softmax", or say that its output is logits: SparseCategoricalCrossentropy::new().from_logits(true)
    "#);
    let threshold = compile().loss(binary).metrics(["accuracy"]);
    insta::assert_snapshot!(said(&regressor("linear", threshold)?), @"
    the metric `accuracy` takes an output above 0.5 for yes, but the output of layer `dense` is logits, which mean yes above 0
      help: use metrics::BinaryAccuracy::new().threshold(0.0)
    ");
    // The same with the loss, or the activation, that fits.
    silent(&classifier(compile())?);
    silent(&linear(compile().loss(logits))?);
    silent(&regressor("sigmoid", compile().loss("binary_crossentropy"))?);
    let above_0 = metrics::BinaryAccuracy::new().threshold(0.0);
    silent(&regressor("linear", compile().loss(binary).metrics([above_0]))?);
    silent(&regressor("hard_sigmoid", compile().loss("binary_crossentropy"))?);
    silent(&regressor("linear", compile().loss("mse"))?);
    // Probabilities need no activation: here they are a mean of probabilities.
    let input = Input::new([4]).tensor();
    let branch = || Dense::new(3).activation("softmax").on(&input);
    let mut model = Model::new(&input, Average::new().on([&branch(), &branch()]))?;
    model.compile(compile())?;
    assert_eq!(model.warnings(), []);
    Ok(())
}

#[test]
fn classes_without_samples() -> Outcome {
    let (x, y) = (x(12), classes(12));
    let mut model = classifier(compile())?;
    model.fit(&x, &y, fit().class_weight([(1, 2.0), (3, 5.0), (-1, 2.0)]))?;
    insta::assert_snapshot!(said(&model), @"
    fit: `class_weight` names classes -1, 3, of which there is no sample
      help: class numbers count from 0, and are those of the labels; leave out classes without samples
    ");
    let mut model = classifier(compile())?;
    model.fit(&x, &y.mapv(|y| y.min(1)), fit().class_weight([(0, 1.0), (1, 2.0), (2, 2.0)]))?;
    insta::assert_snapshot!(said(&model), @"
    fit: `class_weight` names class 2, of which there is no sample
      help: class numbers count from 0, and are those of the labels; leave out classes without samples
    ");
    // Of batches, only what no batch can have.
    let batches = || Dataset::from_generator(|| [(&x, &y)]);
    let mut model = classifier(compile())?;
    model.fit(batches(), (), fit().class_weight([(2, 2.0), (4, 2.0)]))?;
    insta::assert_snapshot!(said(&model), @"
    fit: `class_weight` names class 4, of which there is no sample
      help: class numbers count from 0, and are those of the labels; leave out classes without samples
    ");
    let mut model = classifier(compile())?;
    model.fit(batches(), (), fit().class_weight([(2, 2.0)]))?;
    model.fit(&x, &y, fit().class_weight([(0, 2.0), (2, 0.5)]))?;
    silent(&model);
    Ok(())
}

#[test]
fn labels_of_one_class() -> Outcome {
    let x = x(12);
    let mut model = classifier(compile())?;
    model.fit(&x, &Array1::from_elem(12, 2_u8), fit())?;
    insta::assert_snapshot!(said(&model), @"
    fit: all labels are of class 2: the model learns to answer nothing else
      help: give samples of every class, and look at how the labels were made
    ");
    let mut model = classifier(compile().loss("categorical_crossentropy"))?;
    model.fit(&x, &Array2::from_shape_fn((12, 3), |(_, j)| u8::from(j == 1)), fit())?;
    insta::assert_snapshot!(said(&model), @"
    fit: all labels are of class 1: the model learns to answer nothing else
      help: give samples of every class, and look at how the labels were made
    ");
    let mut model = regressor("sigmoid", compile().loss("binary_crossentropy"))?;
    model.fit(&x, &Array1::<f32>::zeros(12), fit())?;
    insta::assert_snapshot!(said(&model), @"
    fit: all labels are of class 0: the model learns to answer nothing else
      help: give samples of every class, and look at how the labels were made
    ");
    let mut model = regressor("sigmoid", compile().loss("binary_crossentropy"))?;
    model.fit(&x, &answers(12), fit())?;
    silent(&model);
    let mut model = regressor("linear", compile().loss("mse"))?;
    model.fit(&x, &Array1::<f32>::zeros(12), fit())?;
    silent(&model);
    Ok(())
}

fn pixels() -> (Array4<f32>, Array1<u8>) {
    let x = Array4::from_shape_fn((12, 6, 6, 1), |(n, i, j, _)| {
        ((n * 31 + i * 57 + j * 91) % 256) as f32
    });
    (x, classes(12))
}

#[test]
fn numbers_that_are_not_scaled() -> Outcome {
    let (x, y) = pixels();
    let convolution = |first: &[fn(&mut Sequential)]| -> Result<Sequential, NnError> {
        let mut model = Sequential::new();
        model.add(Input::new([6, 6, 1]));
        first.iter().for_each(|add| add(&mut model));
        model.add(Conv2D::new(2, (3, 3)).activation("relu"));
        model.add(Flatten::new());
        model.add(Dense::new(3).activation("softmax"));
        model.compile(compile())?;
        Ok(model)
    };
    let mut model = convolution(&[])?;
    model.fit(&x, &y, fit())?;
    insta::assert_snapshot!(said(&model), @"
    fit: `x` has numbers up to 255, which layer `conv2d` takes as they are
      help: numbers from 0 to 1 are learned better: divide by the largest, or begin the model with Rescaling::new(1.0 / 255.0), Normalization or BatchNormalization
    ");
    // What only moves pixels changes nothing, and bytes are as large as floats.
    let mut model = convolution(&[
        |model| {
            model.add(RandomFlip::new("horizontal"));
        },
        |model| {
            model.add(ZeroPadding2D::new(1));
        },
        |model| {
            model.add(MaxPooling2D::new((2, 2)).padding("same"));
        },
    ])?;
    model.fit(&x.mapv(|x| x as u8), &y, fit())?;
    assert_eq!(
        model.warnings().iter().map(|w| w.kind).collect::<Vec<_>>(),
        [WarningKind::Unscaled]
    );
    let batches = Dataset::from_generator(|| [(&x, &y)]);
    let mut model = convolution(&[])?;
    model.fit(batches, (), fit())?;
    assert_eq!(model.warnings().len(), 1);
    let scaled: [fn(&mut Sequential); 4] = [
        |model| {
            model.add(Rescaling::new(1.0 / 255.0));
        },
        |model| {
            model.add(BatchNormalization::new());
        },
        |model| {
            model.add(LayerNormalization::new());
        },
        |model| {
            model.add(Normalization::new().mean(127.0).variance(5000.0));
        },
    ];
    for scaled in scaled {
        let mut model = convolution(&[scaled])?;
        model.fit(&x, &y, fit())?;
        silent(&model);
    }
    let mut model = convolution(&[])?;
    model.fit(&x.mapv(|x| x / 255.0), &y, fit())?;
    model.fit(&x.mapv(|x| x - 127.0), &y, fit())?;
    silent(&model);
    // Numbers of words are no quantities.
    let mut model = Sequential::new();
    model.add(Input::new([4]));
    model.add(Embedding::new(300, 2));
    model.add(Flatten::new());
    model.add(Dense::new(3).activation("softmax"));
    model.compile(compile())?;
    model.fit(&Array2::<u8>::from_elem((12, 4), 255), &y, fit())?;
    silent(&model);
    Ok(())
}

#[test]
fn a_learning_rate_of_0() -> Outcome {
    let (x, y) = (x(12), classes(12));
    let mut model = classifier(compile().optimizer(SGD::new(0.0)))?;
    silent(&model);
    model.fit(&x, &y, fit())?;
    insta::assert_snapshot!(said(&model), @"
    fit: the learning rate is 0: the optimizer changes no weight
      help: give the optimizer a learning rate above 0, such as Adam::new(1e-3)
    ");
    let late = PiecewiseConstantDecay::new([100.0], [0.0, 0.1]);
    let mut model = classifier(compile().optimizer(SGD::new(late)))?;
    model.fit(&x, &y, fit())?;
    insta::assert_snapshot!(said(&model), @"
    fit: the learning rate is 0: its schedule begins with 0, the optimizer changes no weight
      help: give the optimizer a learning rate above 0, such as Adam::new(1e-3)
    ");
    // A rate that rises from 0, as Keras's documentation shows it, and one that a callback sets.
    let warm = CosineDecay::new(0.0, 100.0).warmup(0.1, 10.0);
    let mut model = classifier(compile().optimizer(SGD::new(warm)))?;
    model.fit(&x, &y, fit())?;
    silent(&model);
    let mut model = classifier(compile().optimizer(SGD::new(0.0)))?;
    let sets = LearningRateScheduler::new(|_, _| 0.1);
    model.fit(&x, &y, fit().callback(sets))?;
    silent(&model);
    Ok(())
}

#[test]
fn a_split_of_sorted_labels() -> Outcome {
    let (x, sorted) = (x(12), Array1::from_shape_fn(12, |i| (i / 4) as u8));
    let mut model = classifier(compile())?;
    model.fit(&x, &sorted, fit().validation_split(0.35))?;
    insta::assert_snapshot!(said(&model), @"
    fit: the validation_split has class 2, which the rest of the samples does not have: it is cut off before the samples are shuffled, and the labels seem to be sorted
      help: shuffle samples and labels before fit, or give validation_data
    ");
    let mut model = classifier(compile())?;
    model.fit(&x, &classes(12), fit().validation_split(0.35))?;
    let mut others = sorted.clone();
    others[0] = 2;
    model.fit(&x, &others, fit().validation_split(0.35))?;
    model.fit(&x, &sorted.mapv(|y| y.min(1)), fit().validation_data(&x, &sorted))?;
    silent(&model);
    Ok(())
}

#[test]
fn a_batch_larger_than_the_data() -> Outcome {
    let (x, y) = (x(12), classes(12));
    let mut model = classifier(compile())?;
    model.fit(&x, &y, fit().batch_size(64))?;
    insta::assert_snapshot!(said(&model), @"
    fit: `batch_size` is 64, but there are 12 samples: an epoch is one step
      help: give a smaller batch_size, such as 32, or more samples
    ");
    let mut model = classifier(compile())?;
    model.fit(&x, &y, fit().batch_size(12))?;
    model.fit(&x, &y, fit())?;
    silent(&model);
    Ok(())
}

/// The variable that lets this test train a model with warnings, and what the others look for.
const TRAINS: &str = "BROLGA_TRAINS_WITH";

#[test]
fn warnings_are_written_once_unless_they_are_turned_off() -> Outcome {
    if let Ok(how) = std::env::var(TRAINS) {
        let (x, y) = (x(12), classes(12));
        let compile = compile().optimizer(SGD::new(0.0)).warnings(how != "quiet");
        let mut model = classifier(compile)?;
        model.fit(&x, &y, fit())?;
        model.fit(&x, &y, fit())?;
        let kinds: Vec<_> = model.warnings().iter().map(|warning: &Warning| warning.kind).collect();
        assert_eq!(kinds, [WarningKind::LearningRate]);
        return Ok(());
    }
    let written = |how: &str, variable: Option<&str>| -> Result<usize, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        let name = "warnings_are_written_once_unless_they_are_turned_off";
        command.args(["--exact", name]).env(TRAINS, how).env_remove("BROLGA_WARNINGS");
        let output = command.envs(variable.map(|value| ("BROLGA_WARNINGS", value))).output()?;
        assert!(output.status.success());
        Ok(String::from_utf8(output.stderr)?
            .matches("warning: fit: the learning rate is 0")
            .count())
    };
    assert_eq!(written("loud", None)?, 1);
    assert_eq!(written("loud", Some("default"))?, 1);
    assert_eq!(written("quiet", None)?, 0);
    assert_eq!(written("loud", Some("ignore"))?, 0);
    Ok(())
}
