//! The arguments of all optimizers: schedules, moving averages, accumulated gradients, scaled
//! losses.

use brolga_ir::Type;
use brolga_nn::optimizers::schedules::{
    CosineDecay, ExponentialDecay, PiecewiseConstantDecay, PolynomialDecay,
};
use brolga_nn::optimizers::{Lion, Muon, Nadam, Optimizer, slots};
use brolga_nn::prelude::*;
use brolga_nn::registry::{Choice, Value, from_config, to_config};
use brolga_runtime::Backend;
use ndarray::{Array2, ArrayD, array, s};
use serde_json::json;

type Outcome = Result<(), NnError>;

const BACKENDS: [Backend; 2] = [Backend::Interpreter, Backend::Native];

/// A line through two inputs, with these first weights.
fn line(
    optimizer: impl Into<Choice<dyn Optimizer>>,
    backend: Backend,
) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([2])).add(Dense::new(1));
    model.compile(Compile::new().optimizer(optimizer).loss("mse").backend(backend))?;
    model.set_weights(&[array![[0.5f32], [-0.25]].into_dyn(), array![0.125f32].into_dyn()])?;
    Ok(model)
}

fn samples(count: usize) -> (Array2<f32>, Array2<f32>) {
    let x = Array2::from_shape_fn((count, 2), |(i, j)| ((3 * i + 5 * j) % 7) as f32 / 4.0);
    let y = Array2::from_shape_fn((count, 1), |(i, _)| (i % 3) as f32);
    (x, y)
}

fn fit(epochs: usize, batch_size: usize) -> Fit<'static> {
    Fit::new().epochs(epochs).batch_size(batch_size).shuffle(false).verbose(false)
}

/// The weights after a training of so many epochs.
fn trained(
    optimizer: impl Into<Choice<dyn Optimizer>>,
    backend: Backend,
    (epochs, batch): (usize, usize),
) -> Result<Vec<ArrayD<f32>>, NnError> {
    let mut model = line(optimizer, backend)?;
    let (x, y) = samples(8);
    model.fit(&x, &y, fit(epochs, batch))?;
    model.get_weights()
}

#[test]
fn schedules_set_the_learning_rate_of_each_step() -> Outcome {
    let rates = [0.5f32, 0.25, 0.125];
    let schedule = || PiecewiseConstantDecay::new([0.0, 1.0], rates.map(f64::from));
    for backend in BACKENDS {
        let mut model = line(SGD::new(schedule()), backend)?;
        let (x, y) = samples(3);
        let mut by_hand = line(SGD::new(0.5), backend)?;
        for (step, rate) in rates.iter().enumerate() {
            let (x, y) = (x.slice(s![step..=step, ..]), y.slice(s![step..=step, ..]));
            assert_eq!(model.session()?.learning_rate().unwrap_or(*rate), *rate);
            by_hand.session()?.set_learning_rate(*rate)?;
            model.fit(&x, &y, fit(1, 1))?;
            by_hand.fit(&x, &y, fit(1, 1))?;
            assert_eq!(model.get_weights()?, by_hand.get_weights()?, "step {step}");
        }
        assert_eq!(model.session()?.learning_rate(), Some(0.125));
    }
    Ok(())
}

/// The case of a public report about Keras: rates of 0.1, 0.05 and 0.025 and a gradient of 1.
#[test]
fn a_decay_lowers_the_rate_after_each_step() -> Outcome {
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1).use_bias(false).kernel_initializer("zeros"));
    let decay = SGD::new(ExponentialDecay::new(0.1, 1.0, 0.5));
    model.compile(Compile::new().optimizer(decay).loss("mae").backend(Backend::Interpreter))?;
    let (x, y) = (array![[1.0_f32]], array![-1000.0_f32]);
    for expected in [-0.1_f32, -0.15, -0.175] {
        model.fit(&x, &y, fit(1, 1))?;
        let weight = model.get_weights()?[0][[0, 0]];
        assert!((weight - expected).abs() < 1e-7, "{weight} {expected}");
    }
    Ok(())
}

#[test]
fn a_training_with_a_schedule_is_resumed_exactly() -> Outcome {
    let schedule = || ExponentialDecay::new(0.1, 3.0, 0.5);
    let (x, y) = samples(8);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.safetensors");
    let mut first = line(Nadam::new(schedule()), Backend::Native)?;
    first.fit(&x, &y, fit(2, 2))?;
    first.save_state(&path)?;
    first.fit(&x, &y, fit(2, 2))?;
    let mut second = line(Nadam::new(schedule()), Backend::Native)?;
    second.load_state(&path)?;
    second.fit(&x, &y, fit(2, 2))?;
    assert_eq!(first.get_weights()?, second.get_weights()?);
    assert_eq!(first.session()?.learning_rate(), second.session()?.learning_rate());
    Ok(())
}

#[test]
fn accumulated_gradients_are_those_of_larger_batches() -> Outcome {
    for backend in BACKENDS {
        let whole = trained(SGD::new(0.25), backend, (3, 4))?;
        let parts = SGD::new(0.25).gradient_accumulation_steps(2);
        let parts = trained(parts, backend, (3, 2))?;
        for (whole, part) in whole.iter().flatten().zip(parts.iter().flatten()) {
            assert!((whole - part).abs() < 1e-6, "{whole} and {part}");
        }
        // A training that ends between two updates leaves the weights as they were.
        let mut model = line(Nadam::new(0.25).gradient_accumulation_steps(3), backend)?;
        let before = model.get_weights()?;
        let (x, y) = samples(2);
        model.fit(&x, &y, fit(1, 1))?;
        assert_eq!(model.get_weights()?, before);
        model.fit(&x, &y, fit(1, 2))?;
        assert_ne!(model.get_weights()?, before);
    }
    Ok(())
}

/// The average of weights w₁, w₂, .. with momentum ½ is w₁, (w₁ + w₂)/2, ..
#[test]
fn weights_become_their_averages_after_a_training() -> Outcome {
    for backend in BACKENDS {
        let (x, y) = samples(3);
        let mut plain = line(SGD::new(0.25), backend)?;
        let mut average: Option<Vec<ArrayD<f32>>> = None;
        for step in 0..3 {
            let (x, y) = (x.slice(s![step..=step, ..]), y.slice(s![step..=step, ..]));
            plain.fit(&x, &y, fit(1, 1))?;
            let weights = plain.get_weights()?;
            average = Some(match average {
                None => weights,
                Some(old) => {
                    old.iter().zip(&weights).map(|(a, w)| a * 0.5f32 + w * 0.5f32).collect()
                }
            });
        }
        let averaging = SGD::new(0.25).use_ema(true).ema_momentum(0.5);
        let mut averaged = line(averaging, backend)?;
        averaged.fit(&x, &y, fit(1, 1))?;
        assert_eq!(Some(averaged.get_weights()?), average);
    }
    Ok(())
}

/// With a momentum of 1 the average stays at the weights after the first update.
#[test]
fn weights_are_overwritten_as_often_as_asked() -> Outcome {
    for backend in BACKENDS {
        let after_one = {
            let mut model = line(SGD::new(0.25), backend)?;
            let (x, y) = samples(8);
            model.fit(&x.slice(s![..2, ..]), &y.slice(s![..2, ..]), fit(1, 2))?;
            model.get_weights()?
        };
        let often = SGD::new(0.25).use_ema(true).ema_momentum(1.0).ema_overwrite_frequency(2);
        let mut model = line(often, backend)?;
        let (x, y) = samples(8);
        let mut seen = vec![];
        let mut look = Look(&mut seen);
        model.fit(&x, &y, fit(1, 2).callback(&mut look))?;
        let (first, second, third) = (&seen[0], &seen[1], &seen[2]);
        assert_eq!(first, &after_one);
        assert_eq!(second, &after_one, "the second update is taken back");
        assert_ne!(third, &after_one);
        assert_eq!(model.get_weights()?, after_one);
    }
    Ok(())
}

/// Keeps the weights after each step.
struct Look<'a>(&'a mut Vec<Vec<ArrayD<f32>>>);

impl Callback for Look<'_> {
    fn on_batch_end(&mut self, _: usize, _: &Logs, training: &mut Training<'_>) -> Outcome {
        self.0.push(training.session.get_weights()?);
        Ok(())
    }
}

/// A power of two changes no digit.
#[test]
fn a_scaled_loss_has_the_same_gradients() -> Outcome {
    for backend in BACKENDS {
        let plain = trained(Adam::new(0.1), backend, (2, 4))?;
        let scaled = Adam::new(0.1).loss_scale_factor(1024.0);
        assert_eq!(trained(scaled, backend, (2, 4))?, plain);
    }
    Ok(())
}

/// Without a gradient a weight that decays becomes `w · (1 − 0.5 · 0.1)`.
#[test]
fn excluded_weights_do_not_decay() -> Outcome {
    let sgd = || SGD::new(0.1).weight_decay(0.5);
    let adamw = || AdamW::new(0.1).weight_decay(0.5);
    let all: [(&str, Choice<dyn Optimizer>, [f32; 2]); 5] = [
        ("none", sgd().into(), [0.95, 0.95]),
        ("a name", sgd().exclude_from_weight_decay(["bias"]).into(), [0.95, 1.0]),
        ("a path", sgd().exclude_from_weight_decay(["dense/kernel"]).into(), [1.0, 0.95]),
        ("another path", sgd().exclude_from_weight_decay(["other/kernel"]).into(), [0.95, 0.95]),
        ("of AdamW", adamw().exclude_from_weight_decay(["ker", "bi"]).into(), [1.0, 1.0]),
    ];
    for (name, optimizer, factors) in all {
        let mut model = line(optimizer, Backend::Interpreter)?;
        let x = Array2::<f32>::zeros((2, 2));
        let y = Array2::<f32>::from_elem((2, 1), 0.125);
        model.fit(&x, &y, fit(1, 2))?;
        let after = model.get_weights()?;
        let expected = [0.5 * factors[0], 0.125 * factors[1]];
        assert_eq!([after[0][[0, 0]], after[1][[0]]], expected, "{name}");
    }
    Ok(())
}

#[test]
fn muon_leaves_embeddings_to_adam() {
    let names = |muon: &Muon, path: &str, shape: &[usize]| -> Vec<&'static str> {
        slots(muon, path, &Type::f32(shape)).iter().map(|slot| slot.name).collect()
    };
    let muon = Muon::new(0.1).exclude_layers(["head"]);
    assert_eq!(names(&muon, "dense/kernel", &[4, 3]), ["momentum"]);
    assert_eq!(names(&muon, "dense/bias", &[3]), ["momentum", "velocity"]);
    assert_eq!(names(&muon, "conv2d/kernel", &[3, 3, 1, 2]), ["momentum", "velocity"]);
    assert_eq!(names(&muon, "Embedding_1/embeddings", &[9, 3]), ["momentum", "velocity"]);
    assert_eq!(names(&muon, "head/kernel", &[4, 3]), ["momentum", "velocity"]);
    let all = muon.clone().use_ema(true).gradient_accumulation_steps(2);
    assert_eq!(
        names(&all, "dense/kernel", &[4, 3]),
        ["momentum", "gradient_accumulator", "average"]
    );
}

#[test]
fn every_optimizer_trains_natively_as_on_the_interpreter() -> Outcome {
    for name in
        ["adadelta", "adafactor", "adagrad", "adamax", "ftrl", "lamb", "lion", "muon", "nadam"]
    {
        let [interpreted, native] = BACKENDS.map(|backend| trained(name, backend, (2, 3)));
        assert_eq!(interpreted?, native?, "{name}");
    }
    Ok(())
}

#[test]
fn schedules_are_parts_of_configs() -> Outcome {
    let adam = Adam::new(CosineDecay::new(0.5, 8.0).alpha(0.25));
    let config = to_config(&adam)?;
    assert_eq!(config["config"]["learning_rate"]["class_name"], "CosineDecay");
    assert_eq!(config["config"]["learning_rate"]["config"]["alpha"], 0.25);
    let again: std::sync::Arc<dyn Optimizer> = from_config(&config)?;
    assert_eq!(to_config(&*again)?, config);
    assert_eq!(again.learning_rate().first()?, 0.5);
    Ok(())
}

#[test]
fn mistakes_are_errors_when_the_model_is_compiled() {
    let error = |optimizer: Choice<dyn Optimizer>| match line(optimizer, Backend::Native) {
        Ok(_) => panic!("the model was compiled"),
        Err(error) => {
            let text = error.to_string();
            text.lines().filter(|l| !l.starts_with("  at ")).collect::<Vec<_>>().join("\n")
        }
    };
    insta::assert_snapshot!(error(SGD::new(ExponentialDecay::new(0.1, 0.0, 0.5)).into()), @"
    ExponentialDecay: `decay_steps` is 0
      help: it must be a number above 0 that f32 can hold
    ");
    insta::assert_snapshot!(error(SGD::new(PiecewiseConstantDecay::new([1.0], [0.5])).into()), @"
    PiecewiseConstantDecay: 1 boundaries and 1 values do not fit
      help: boundaries must ascend, and there must be one value more than boundaries
    ");
    insta::assert_snapshot!(error(SGD::new(-1.0).into()), @"
    SGD: `learning_rate` is -1
      help: it must be a number from 0 on that f32 can hold
    ");
    insta::assert_snapshot!(error(Adam::new(0.1).gradient_accumulation_steps(1).into()), @"
    Adam: `gradient_accumulation_steps` is 1
      help: it must be a number from 2 on that f32 can hold
    ");
    insta::assert_snapshot!(error(Lion::new(0.1).ema_momentum(1.5).into()), @"
    Lion: `ema_momentum` is 1.5
      help: it must be a number from 0 to 1
    ");
    insta::assert_snapshot!(error(Lion::new(0.1).ema_overwrite_frequency(0).into()), @"
    Lion: `ema_overwrite_frequency` is 0
      help: it must be a whole number from 1 on
    ");
    let of = |config: Value| match from_config::<dyn Optimizer>(&config) {
        Ok(optimizer) => panic!("{optimizer:?}"),
        Err(error) => error.to_string(),
    };
    insta::assert_snapshot!(of(json!({ "class_name": "SGD", "config": { "learning_rate": "quick" } })), @"
    SGD: `learning_rate`: there is no schedule `quick`
      help: there are cosine_decay, cosine_decay_restarts, exponential_decay, inverse_time_decay, piecewise_constant_decay, polynomial_decay
    ");
    insta::assert_snapshot!(of(json!({ "class_name": "SGD", "config": { "learning_rate": { "class_name": "CosineDecay", "config": {} } } })), @"SGD: `learning_rate`: CosineDecay: missing field `initial_learning_rate`");
    insta::assert_snapshot!(of(json!({ "class_name": "Ftrl", "config": { "beta_1": 0.5 } })), @"Ftrl: `beta_1` = 0.5 is not supported; did you mean `beta`?");
}

#[test]
fn the_learning_rate_of_a_schedule_cannot_be_set() -> Outcome {
    let mut model = line(SGD::new(PolynomialDecay::new(0.1, 10.0)), Backend::Native)?;
    let error = model.session()?.set_learning_rate(0.5).expect_err("it follows a schedule");
    insta::assert_snapshot!(error, @"
    set_learning_rate: the learning rate follows a schedule
      help: give the optimizer a number as its learning rate
    ");
    model.compile(Compile::new().optimizer("sgd").loss("mse"))?;
    model.session()?.set_learning_rate(0.5)
}
