//! The promises of training: the same bits for the same seed, exact resuming, one program a batch
//! size.

use brolga_ir::{DType, Op, Role, Tensor, Tracer, Type, interpret};
use brolga_nn::prelude::*;
use brolga_nn::trace::{Call, Context, Weights};
use brolga_nn::{Kind, TrainingPlan};
use brolga_runtime::Backend;
use ndarray::{Array1, Array2, ArrayD, array, s};

fn compile() -> Compile {
    Compile::new()
        .optimizer(Adam::new(0.05))
        .loss("sparse_categorical_crossentropy")
        .metrics(["accuracy"])
        .backend(Backend::Interpreter)
}

fn model() -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([2]));
    model.add(Dense::new(8).activation("tanh"));
    model.add(Dropout::new(0.25));
    model.add(Dense::new(2).activation("softmax"));
    model.compile(compile()).expect("the model is right");
    model
}

/// Points, and whether their coordinates have different signs.
fn xor(count: usize) -> (Array2<f32>, Array1<u8>) {
    let x = Array2::from_shape_fn((count, 2), |(i, j)| {
        let angle = 0.7 + i as f32 * 2.4;
        if j == 0 { angle.cos() } else { angle.sin() }
    });
    let y = x.outer_iter().map(|p| u8::from((p[0] < 0.0) != (p[1] < 0.0))).collect();
    (x, y)
}

fn fit<'a>() -> Fit<'a> {
    Fit::new().batch_size(16).verbose(false)
}

#[test]
fn a_nonlinear_problem_is_learned() -> Result<(), NnError> {
    let (x, y) = xor(100);
    let mut model = model();
    let (x_val, y_val) = xor(37);
    let history = model.fit(&x, &y, fit().epochs(30).validation_data(&x_val, &y_val))?;
    assert_eq!(history.epoch.len(), 30);
    assert!(
        history.last("val_loss") < history.get("val_loss").map(|loss| loss[0] / 2.0),
        "{history:?}"
    );
    assert!(history.last("val_accuracy") > Some(0.9), "{history:?}");
    let scores = model.evaluate(&x_val, &y_val)?;
    assert_eq!(scores.get("accuracy"), history.last("val_accuracy"));
    let classes = model.predict(&x_val)?;
    assert_eq!(classes.shape(), [37, 2]);
    let right = classes.outer_iter().zip(&y_val).filter(|(p, y)| u8::from(p[1] > p[0]) == **y);
    assert_eq!(scores.get("accuracy"), Some(right.count() as f64 / 37.0));
    Ok(())
}

#[test]
fn a_seed_gives_the_same_bits_each_time() -> Result<(), NnError> {
    let (x, y) = xor(40);
    let run = |seed, fit: Fit<'_>| -> Result<(History, Vec<ArrayD<f32>>), NnError> {
        let mut model = model();
        model.seed(seed)?;
        let history = model.fit(&x, &y, fit)?;
        Ok((history, model.get_weights()?))
    };
    assert_eq!(run(3, fit())?, run(3, fit())?);
    assert_ne!(run(3, fit())?.1, run(4, fit())?.1);
    assert_ne!(run(3, fit())?.1, run(3, fit().seed(9))?.1);
    assert_ne!(run(3, fit())?.1, run(3, fit().shuffle(false))?.1);
    Ok(())
}

#[test]
fn single_steps_give_the_bits_of_an_epoch() -> Result<(), NnError> {
    let (x, y) = xor(40);
    let weights: Vec<f32> = (0..40).map(|i| (i % 3) as f32).collect();
    let mut whole = model();
    let mut epoch = vec![];
    let collects = LambdaCallback::new().on_batch_end(|_, logs, _| {
        epoch.push(logs.clone());
        Ok(())
    });
    let arguments = fit().shuffle(false).sample_weight(&weights).class_weight([(1, 0.5)]);
    whole.fit(&x, &y, arguments.callback(collects))?;

    let mut single = model();
    let steps = |model: &mut Sequential| -> Result<Vec<Logs>, NnError> {
        let batches = [0..16, 16..32, 32..40].into_iter();
        let step = |batch: std::ops::Range<usize>| {
            let weights = OnBatch::new().sample_weight(&weights[batch.clone()]);
            let (x, y) = (x.slice(s![batch.clone(), ..]), y.slice(s![batch]));
            model.train_on_batch_with(&x, &y, weights.class_weight([(1, 0.5)]))
        };
        batches.map(step).collect()
    };
    assert_eq!(steps(&mut single)?, epoch);
    assert_eq!(single.get_weights()?, whole.get_weights()?);

    // The totals go on until they are reset.
    assert_ne!(single.test_on_batch(&x, &y)?, whole.evaluate(&x, &y)?);
    single.reset_metrics();
    let logs = single.test_on_batch(&x, &y)?;
    assert_eq!(logs, whole.evaluate_with(&x, &y, Evaluate::new().batch_size(40))?);
    assert_eq!(single.test_on_batch(&x, &y)?, logs, "the mean of twice the same");
    assert_eq!(single.predict_on_batch(&x)?, whole.predict(&x)?);

    // A training and an evaluation reset them, too.
    for model in [&mut single, &mut whole] {
        model.fit(&x, &y, fit())?;
    }
    assert_eq!(steps(&mut single)?, steps(&mut whole)?);
    Ok(())
}

#[test]
fn passes_end_after_so_many_steps() -> Result<(), NnError> {
    let (x, y) = xor(40);
    let (first_x, first_y) = (x.slice(s![..32, ..]), y.slice(s![..32]));
    let mut model = model();
    let validation = fit().validation_data(&x, &y).validation_batch_size(8).validation_steps(4);
    let history = model.fit(&x, &y, validation)?;
    let scores = model.evaluate_with(&first_x, &first_y, Evaluate::new().batch_size(8))?;
    assert_eq!(history.last("val_loss"), scores.get("loss"));
    assert_eq!(history.last("val_accuracy"), scores.get("accuracy"));
    assert_ne!(scores, model.evaluate_with(&x, &y, Evaluate::new().batch_size(8))?);
    for (steps, samples) in [(1, 8), (4, 32), (5, 40), (usize::MAX, 40)] {
        let (x, y) = (&x, &y);
        let passed = model.evaluate_with(x, y, Evaluate::new().batch_size(8).steps(steps))?;
        let (some_x, some_y) = (x.slice(s![..samples, ..]), y.slice(s![..samples]));
        assert_eq!(passed, model.evaluate_with(&some_x, &some_y, Evaluate::new().batch_size(8))?);
        let predicted = model.predict_with(x, Predict::new().batch_size(8).steps(steps))?;
        assert_eq!(predicted, model.predict(&some_x)?);
    }
    Ok(())
}

#[test]
fn a_training_that_goes_on_from_a_file_gives_the_same_bits()
-> Result<(), Box<dyn std::error::Error>> {
    let (x, y) = xor(40);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("state.safetensors");

    let mut whole = model();
    whole.fit(&x, &y, fit().epochs(4))?;

    let mut first = model();
    first.fit(&x, &y, fit().epochs(2))?;
    first.save_state(&path)?;
    let mut second = model();
    second.load_state(&path)?;
    second.fit(&x, &y, fit().initial_epoch(2).epochs(4))?;

    assert_eq!(second.get_weights()?, whole.get_weights()?);
    assert_eq!(first.count_params()?, 2 * 8 + 8 + 8 * 2 + 2);
    Ok(())
}

#[test]
fn weights_survive_a_file_and_a_new_optimizer() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("weights.safetensors");
    let (x, y) = xor(20);
    let mut model = model();
    model.fit(&x, &y, fit())?;
    let weights = model.get_weights()?;
    model.save_weights(&path)?;
    model.compile(compile().optimizer("sgd"))?;
    assert_eq!(model.get_weights()?, weights);
    model.add(Dense::new(3));
    assert_eq!(model.get_weights()?[..4], weights);

    let mut other = self::model();
    other.seed(1)?;
    assert_ne!(other.get_weights()?, weights);
    other.load_weights(&path)?;
    assert_eq!(other.get_weights()?, weights);
    Ok(())
}

/// A case of public reports about Keras, where the order of weights in a file changed with what was
/// frozen: layers of equal shapes got each other's weights.
#[test]
fn files_do_not_depend_on_which_layers_are_frozen() -> Result<(), Box<dyn std::error::Error>> {
    let model = |trainable: [bool; 3]| -> Result<Sequential, NnError> {
        let mut model = Sequential::new();
        model.add(Input::new([2]));
        model.add(Dense::new(2).trainable(trainable[0]));
        model.add(BatchNormalization::new().trainable(trainable[1]));
        model.add(Dense::new(2).trainable(trainable[2]));
        model.compile(compile().loss("mse").metrics(["mae"]))?;
        Ok(model)
    };
    let file = tempfile::NamedTempFile::new()?;
    for frozen in [[false, true, true], [true, false, false], [false; 3]] {
        let mut saved = model(frozen)?;
        let first = saved.session()?.weights().map(|weight| weight.ty.shape.to_vec());
        let number = |(number, shape): (usize, Vec<usize>)| {
            ArrayD::from_shape_fn(shape, |index| number as f32 + index[0] as f32 / 8.0)
        };
        let weights: Vec<_> = first.enumerate().map(number).collect();
        saved.set_weights(&weights)?;
        saved.save_weights(file.path())?;
        let mut loaded = model([true, true, false])?;
        loaded.load_weights(file.path())?;
        assert_eq!(loaded.get_weights()?, weights, "{frozen:?}");
    }
    Ok(())
}

/// Writes down what it is called for.
#[derive(Default)]
struct Diary(Vec<String>);

impl Callback for Diary {
    fn on_train_begin(&mut self, training: &mut Training<'_>) -> Result<(), NnError> {
        let TrainingPlan { epochs, steps, samples, batch_size, reported, .. } = training.plan;
        let (steps, samples) = (steps.unwrap_or_default(), samples.unwrap_or_default());
        self.0.push(format!("{epochs} × {steps} steps, {samples} by {batch_size}: {reported:?}"));
        Ok(())
    }

    fn on_batch_end(
        &mut self,
        batch: usize,
        logs: &Logs,
        _: &mut Training<'_>,
    ) -> Result<(), NnError> {
        assert!(logs.loss().is_finite());
        self.0.push(format!("step {batch}"));
        Ok(())
    }

    fn on_epoch_end(
        &mut self,
        epoch: usize,
        logs: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        logs.set("lr", training.session.learning_rate().map_or(0.0, f64::from));
        training.session.set_learning_rate(0.5)?;
        self.0.push(format!("epoch {epoch}"));
        if epoch == 1 {
            training.stop();
        }
        Ok(())
    }

    fn on_train_end(&mut self, _: &mut Training<'_>) -> Result<(), NnError> {
        self.0.push("end".to_owned());
        Ok(())
    }
}

#[test]
fn callbacks_see_each_step_and_may_end_the_training() -> Result<(), NnError> {
    let (x, y) = xor(20);
    let mut diary = Diary::default();
    let fit = fit().epochs(9).validation_split(0.1).callback(&mut diary);
    let history = model().fit(&x, &y, fit)?;
    assert_eq!(history.get("lr"), Some([f64::from(0.05f32), 0.5].as_slice()));
    assert_eq!(
        diary.0,
        [
            r#"9 × 2 steps, 18 by 16: ["loss", "accuracy", "val_loss", "val_accuracy"]"#,
            "step 0",
            "step 1",
            "epoch 0",
            "step 0",
            "step 1",
            "epoch 1",
            "end"
        ]
    );
    Ok(())
}

#[test]
fn the_loss_of_an_epoch_is_the_mean_over_its_samples() -> Result<(), NnError> {
    let (x, y) = (array![[1.0f32], [2.0], [3.0]], array![0.0f64, 0.0, 0.0]);
    let mut model = Sequential::new();
    model.add(Dense::new(1).use_bias(false).kernel_initializer("ones"));
    let compile = Compile::new().optimizer(SGD::new(0.0)).loss("mse").metrics(["mae"]);
    model.compile(compile.backend(Backend::Interpreter))?;
    let history = model.fit(&x, &y, Fit::new().batch_size(2).shuffle(false).verbose(false))?;
    assert_eq!(history.last("loss"), Some(((1.0 + 4.0) / 2.0 * 2.0 + 9.0) / 3.0));
    assert_eq!(history.last("mae"), Some(2.0));
    let weights = array![0.0f32, 0.0, 2.0];
    let weighted = Fit::new().sample_weight(&weights).batch_size(3).verbose(false);
    assert_eq!(model.fit(&x, &y, weighted)?.last("loss"), Some(f64::from(18.0f32 / 3.0)));
    Ok(())
}

#[test]
fn frozen_layers_stay() -> Result<(), NnError> {
    let (x, y) = xor(16);
    let mut model = Sequential::new();
    model.add(Input::new([2]));
    model.add(Dense::new(4).activation("relu").trainable(false));
    model.add(Dense::new(2).activation("softmax"));
    model.compile(compile())?;
    let before = model.get_weights()?;
    model.fit(&x, &y, fit())?;
    let after = model.get_weights()?;
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2], after[2]);
    Ok(())
}

#[test]
fn a_softmax_before_the_loss_is_not_computed_with_clipping() -> Result<(), NnError> {
    let step = model().trace(Kind::Train, 4)?;
    let loss = step.ids().filter(|&id| step.node(id).origin.layer.as_deref() == Some("loss"));
    let ops: Vec<_> = loss.map(|id| step.node(id).op.name()).collect();
    assert!(ops.contains(&"log") && !ops.contains(&"max") && !ops.contains(&"min"), "{ops:?}");
    Ok(())
}

#[test]
fn the_step_of_the_mnist_model_has_its_parts() -> Result<(), NnError> {
    let mut model = brolga_nn::builtin::mnist_cnn()?;
    let graph = model.trace(Kind::Train, 32)?;
    brolga_ir::verify::verify(&graph).expect("a traced step is a graph");
    let count = |name: &str| graph.ids().filter(|&id| graph.node(id).op.name() == name).count();
    assert_eq!((count("conv"), count("conv_grad_filter"), count("conv_grad_input")), (2, 2, 1));
    assert_eq!((count("max_pool"), count("max_unpool"), count("random_bernoulli")), (2, 2, 1));
    let replaced = graph.outputs().iter().filter(|output| output.replaces.is_some()).count();
    assert_eq!(replaced, 8 * 3 + 2, "weights, slots, counters");
    let outside = graph.ids().filter(|&id| {
        let node = graph.node(id);
        node.origin.layer.is_none() && !matches!(node.op, Op::Parameter(_))
    });
    let roles: Vec<_> = outside.map(|id| graph.node(id).origin.role).collect();
    assert!(roles.iter().all(|role| *role == Role::Update), "{roles:?}");
    assert_eq!(model.count_params()?, 225_034);
    Ok(())
}

#[test]
fn programs_are_compiled_once_for_each_size_of_batch() -> Result<(), NnError> {
    let (x, y) = xor(20);
    let mut model = model();
    let compiled = |model: &mut Sequential| -> Result<Vec<(String, usize)>, NnError> {
        let compilations = model.session()?.compilations();
        Ok(compilations.iter().map(|c| (c.program.clone(), c.batch)).collect())
    };
    let program = |name: &str, batch| (name.to_owned(), batch);
    let mut expected = vec![
        program("train_step", 16),
        program("train_step", 4),
        program("eval_step", 16),
        program("eval_step", 4),
    ];
    for _ in 0..2 {
        model.fit(&x, &y, fit().batch_size(16).validation_data(&x, &y))?;
        assert_eq!(compiled(&mut model)?, expected);
    }
    model.fit(&x, &y, fit().batch_size(5))?;
    expected.push(program("train_step", 5));
    model.evaluate_with(&x, &y, Evaluate::new().batch_size(16).verbose(false))?;
    assert_eq!(compiled(&mut model)?, expected);
    Ok(())
}

#[test]
fn dropout_keeps_a_share_and_scales_it() -> Result<(), Box<dyn std::error::Error>> {
    let count = 200_000;
    for rate in [0.1, 0.5, 0.8] {
        let tracer = Tracer::new("dropout");
        let seed = tracer.input("seed", Type::new(DType::I32, [2]));
        let step = tracer.input("step", Type::scalar(DType::I32));
        let x = tracer.input("x", Type::f32([count / 100, 100]));
        let mut context = Context::training(&tracer, &seed, &step);
        let mut weights = Weights::default();
        let y = Dropout::new(rate).call(&mut Call::new(&mut context, &mut weights), &[x]);
        tracer.output(&y[0]);
        let graph = tracer.finish()?;
        let inputs = graph.inputs().iter().map(|&id| Tensor::full(graph.ty(id.into()), 1.0));
        let results = interpret(&graph, &inputs.collect::<Vec<_>>())?;
        let values = results[0].data().to_f64();
        let scaled = f64::from((1.0 / (1.0 - rate)) as f32);
        assert!(values.iter().all(|&value| value == 0.0 || value == scaled), "rate {rate}");
        let kept = values.iter().filter(|&&value| value != 0.0).count() as f64 / count as f64;
        // Five standard deviations of a binomial distribution.
        let deviation = (rate * (1.0 - rate) / count as f64).sqrt();
        assert!((kept - (1.0 - rate)).abs() < 5.0 * deviation, "rate {rate}: {kept} kept");
    }
    Ok(())
}

#[test]
fn bytes_are_rescaled_inside_of_the_program() -> Result<(), NnError> {
    let bytes = Array2::from_shape_fn((50, 6), |(i, j)| ((i * 37 + j * 91) % 256) as u8);
    let scaled = bytes.mapv(|byte| f32::from(byte) * (1.0 / 255.0_f64) as f32 + 0.5);
    let y: Array1<u8> = (0..50).map(|i| (i % 3) as u8).collect();
    let model = |rescales: bool, backend: Backend, threads: usize| -> Result<_, NnError> {
        let mut model = Sequential::new();
        model.add(Input::new([6]));
        if rescales {
            model.add(Rescaling::new(1.0 / 255.0).offset(0.5));
        }
        model.add(Dense::new(8).activation("tanh").name("hidden"));
        model.add(Dense::new(3).activation("softmax").name("classes"));
        model.compile(compile().backend(backend).threads(threads))?;
        Ok(model)
    };
    let mut reference = model(false, Backend::Interpreter, 1)?;
    let first = reference.get_weights()?;
    let history = reference.fit(&scaled, &y, fit().epochs(3))?;
    for (backend, threads) in [
        (Backend::Interpreter, 1),
        (Backend::Native, 1),
        (Backend::Native, 2),
        (Backend::Native, 3),
    ] {
        let mut model = model(true, backend, threads)?;
        model.set_weights(&first)?;
        assert_eq!(model.fit(&bytes, &y, fit().epochs(3))?.history, history.history);
        assert_eq!(model.get_weights()?, reference.get_weights()?);
        assert_eq!(model.predict(&bytes)?, reference.predict(&scaled)?);
    }
    Ok(())
}
