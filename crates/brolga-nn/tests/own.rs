//! Classes of the user's own, written as another crate would write them: a layer, an initializer, a
//! loss, a metric, two optimizers and a callback.

use std::sync::Arc;

use brolga_ir::{DType, Mistake, Shape, Type, Var};
use brolga_nn::arguments::{self, Argument, Range};
use brolga_nn::initializers::{Initializer, Random};
use brolga_nn::layers::{Base, WeightSpec};
use brolga_nn::losses::{Losses, Reduction};
use brolga_nn::metrics::mean_statistics;
use brolga_nn::optimizers::{Common, LearningRate, Slot, Step, Update};
use brolga_nn::prelude::*;
use brolga_nn::registry::{Choice, Registry, from_config, to_config};
use brolga_nn::trace::{Call, Prediction};
use brolga_nn::{class, layer, loss, metric, object, optimizer};
use ndarray::{Array1, Array2, array};
use serde::{Deserialize, Serialize};
use serde_json::json;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// `start`, `start + 1`, ..
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Ramp {
    start: f64,
}

object!(Ramp { start: Finite });

impl Default for Ramp {
    fn default() -> Self {
        Self { start: 1.0 }
    }
}

impl Initializer for Ramp {
    fn fill(&self, _: &Shape, _: Random, start: usize, values: &mut [f32]) {
        let first = self.start as f32 + start as f32;
        (0..).zip(values).for_each(|(index, value)| *value = first + index as f32);
    }
}

/// `x · factors`, one for each channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Scale {
    #[serde(flatten)]
    base: Base,
    #[serde(default = "ramp")]
    initializer: Choice<dyn Initializer>,
    #[serde(default)]
    penalty: f64,
}

fn ramp() -> Choice<dyn Initializer> {
    Ramp::default().into()
}

layer!(Scale { penalty: AtLeast(0.0) });

impl Layer for Scale {
    fn base(&self) -> &Base {
        &self.base
    }

    fn build(&self, inputs: &[Type]) -> Result<Vec<WeightSpec>, Mistake> {
        match inputs {
            [x] if x.shape.rank() >= 2 => {
                let channels = x.shape[x.shape.rank() - 1];
                Ok(vec![WeightSpec::trainable("factors", [channels], &self.initializer)])
            }
            _ => Err(Mistake::new("Scale takes (None, .., channels)")),
        }
    }

    fn call(&self, call: &mut Call<'_>, inputs: &[Var]) -> Vec<Var> {
        let factors = call.weight("factors");
        if self.penalty > 0.0 {
            call.add_loss(&((&factors * &factors).reduce_sum(&[0], false) * self.penalty));
        }
        call.map(inputs, |_, x| x * factors)
    }
}

/// `|t − y|³`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Cubic {
    reduction: Reduction,
}

loss!(Cubic);

impl Loss for Cubic {
    fn reduction(&self) -> Reduction {
        self.reduction
    }

    fn values(&self, y_true: &Var, y_pred: &Prediction) -> Losses {
        let error = (y_true.reshape(y_pred.output.shape().clone()) - &y_pred.output).abs();
        (&error * &error * &error).reduce_mean(&[1], false).into()
    }
}

/// The share of predictions at most `tolerance` away from the label.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Near {
    name: Option<String>,
    tolerance: f64,
}

metric!(Near { tolerance: Positive });

impl Default for Near {
    fn default() -> Self {
        Self { name: None, tolerance: 0.5 }
    }
}

impl Metric for Near {
    fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn statistics(&self, y_true: &Var, y_pred: &Prediction, weight: Option<&Var>) -> Vec<Var> {
        let labels = y_true.reshape(y_pred.output.shape().clone());
        let error = (labels - &y_pred.output).abs();
        let near = error.le(&error.constant_like(self.tolerance)).cast(DType::F32);
        mean_statistics(&near, weight)
    }
}

/// Second moments of matrices as the product of those of rows and of columns: `R ← β·R + (1 −
/// β)·mean_j g²`, `C ← β·C + (1 − β)·mean_i g²`, `V = R·C / mean R`; those of vectors as they are;
/// `w ← w − η·g / √(V + ε)`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Factored {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    beta: f64,
}

optimizer!(Factored { learning_rate: AtLeast(0.0), beta: BelowOne });

impl Default for Factored {
    fn default() -> Self {
        Self { learning_rate: 0.125.into(), common: Common::default(), beta: 0.5 }
    }
}

const EPSILON: f64 = 1e-6;

impl Optimizer for Factored {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        match weight.shape[..] {
            [rows, columns] => vec![
                Slot::zeros("rows", &Type::f32([rows])),
                Slot::zeros("columns", &Type::f32([columns])),
            ],
            _ => vec![Slot::zeros("squares", weight)],
        }
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let squares = gradient * gradient;
        let mean = |old: &Var, new: &Var| old * self.beta + new * (1.0 - self.beta);
        let (moment, slots) = match slots {
            [rows, columns] => {
                let rows = mean(rows, &squares.reduce_mean(&[1], false));
                let columns = mean(columns, &squares.reduce_mean(&[0], false));
                let share = &rows / rows.reduce_mean(&[0], false);
                (share.reshape([share.shape()[0], 1]) * &columns, vec![rows, columns])
            }
            _ => {
                let squares = mean(&slots[0], &squares);
                (squares.clone(), vec![squares])
            }
        };
        let step = gradient * &scalars[0] / (moment + EPSILON).sqrt();
        Update { weight: weight - step, slots }
    }
}

/// Momentum that grows from step to step, `µ_t = β·(1 − 0.96ᵗ / 2)`, with the product of all of
/// them so far, as Nadam has it: `m ← µ_t·m + (1 − µ_t)·g`, `w ← w − η·m / (1 − Π µ)`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Growing {
    learning_rate: LearningRate,
    #[serde(flatten)]
    common: Common,
    beta: f64,
}

optimizer!(Growing { learning_rate: AtLeast(0.0), beta: BelowOne });

impl Default for Growing {
    fn default() -> Self {
        Self { learning_rate: 0.125.into(), common: Common::default(), beta: 0.9 }
    }
}

impl Optimizer for Growing {
    fn learning_rate(&self) -> &LearningRate {
        &self.learning_rate
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        vec![Slot::zeros("momentum", weight)]
    }

    fn states(&self) -> Vec<Slot> {
        vec![Slot::full("product", &Type::scalar(DType::F32), 1.0)]
    }

    /// The learning rate, the momentum, the product with it.
    fn scalars(&self, step: &Step) -> Vec<Var> {
        let decay = step.number.constant_like(0.96).pow(&step.number);
        let momentum = (1.0 - decay * 0.5) * self.beta;
        let product = &step.states[0] * &momentum;
        vec![step.learning_rate.clone(), momentum, product]
    }

    fn next_states(&self, _: &Step, scalars: &[Var]) -> Vec<Var> {
        vec![scalars[2].clone()]
    }

    fn update(&self, scalars: &[Var], weight: &Var, gradient: &Var, slots: &[Var]) -> Update {
        let [rate, momentum, product] = scalars else {
            return Update { weight: weight.clone(), slots: slots.to_vec() };
        };
        let m = &slots[0] * momentum + gradient * (1.0 - momentum);
        Update { weight: weight - &m * rate / (1.0 - product), slots: vec![m] }
    }
}

/// Ends the training after so many epochs.
#[derive(Debug)]
struct AtMost {
    epochs: usize,
    done: usize,
}

impl Callback for AtMost {
    fn on_train_begin(&mut self, _: &mut Training<'_>) -> Result<(), NnError> {
        let epochs = Argument::new("epochs", &self.epochs, Range::Count);
        Ok(arguments::check("AtMost", &[epochs])?)
    }

    fn on_epoch_end(
        &mut self,
        _: usize,
        logs: &mut Logs,
        training: &mut Training<'_>,
    ) -> Result<(), NnError> {
        self.done += 1;
        logs.set("done", self.done as f64);
        if self.done == self.epochs {
            training.stop();
        }
        Ok(())
    }
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add::<dyn Initializer>(class!(Ramp["steps"]));
    registry.add::<dyn Layer>(class!(Scale));
    registry.add::<dyn Loss>(class!(Cubic));
    registry.add::<dyn Metric>(class!(Near));
    registry.add::<dyn Optimizer>(class!(Factored)).add::<dyn Optimizer>(class!(Growing));
    registry
}

/// Layers of both kinds, with initializers of the user's own inside of them.
fn config() -> serde_json::Value {
    json!({ "class_name": "Sequential", "config": { "name": "own", "layers": [
        { "class_name": "InputLayer", "config": { "batch_shape": [null, 2] } },
        { "class_name": "Dense", "config": {
            "units": 2, "use_bias": false,
            "kernel_initializer": { "class_name": "Ramp", "config": { "start": -2.0 } },
        } },
        { "class_name": "Scale", "config": { "initializer": "steps", "penalty": 0.5 } },
    ] } })
}

#[test]
fn a_config_of_own_classes_is_a_model() -> Outcome {
    let mut model = Sequential::from_config_with(&config(), &registry())?;
    let weights = model.get_weights()?;
    assert_eq!(weights[0], array![[-2.0, -1.0], [0.0, 1.0]].into_dyn());
    assert_eq!(weights[1], array![1.0, 2.0].into_dyn());
    let written: Vec<_> = model.layers().map(to_config).collect::<Result<_, _>>()?;
    assert_eq!(written[1]["config"]["kernel_initializer"]["config"]["start"], -2.0);
    assert_eq!(written[2]["config"]["initializer"]["class_name"], "Ramp");
    let again = registry().object::<dyn Layer>(&written[2])?;
    assert_eq!(to_config(&*again)?, written[2]);
    Ok(())
}

#[test]
fn a_model_of_own_classes_is_trained() -> Outcome {
    let registry = registry();
    let mut model = Sequential::from_config_with(&config(), &registry)?;
    let metric = registry
        .object::<dyn Metric>(&json!({"class_name": "Near", "config": {"tolerance": 4}}))?;
    let compile = Compile::new()
        .optimizer(registry.by_name::<dyn Optimizer>("factored")?)
        .loss(registry.by_name::<dyn Loss>("cubic")?);
    model.compile(compile.metrics([metric]).threads(1))?;
    // Outputs (−2, −2) and (0, 2), cubes 8, 8, 0, 0; half of the squares of the factors is 2.5.
    let (x, y) = (array![[1.0_f32, 0.0], [0.0, 1.0]], array![[0.0_f32, 0.0], [0.0, 2.0]]);
    let scores = model.evaluate_with(&x, &y, Evaluate::new().verbose(false))?;
    assert_eq!((scores.get("loss"), scores.get("near")), (Some(6.5), Some(1.0)));
    let mut callback = AtMost { epochs: 3, done: 0 };
    let fit = Fit::new().epochs(9).verbose(false).callback(&mut callback);
    let history = model.fit(&x, &y, fit)?;
    assert_eq!(history.get("done"), Some([1.0, 2.0, 3.0].as_slice()));
    assert!(history.get("loss").is_some_and(|losses| losses[2] < losses[0]));
    let none = Fit::new().verbose(false).callback(AtMost { epochs: 0, done: 0 });
    insta::assert_snapshot!(model.fit(&x, &y, none).expect_err("no epoch"), @"
    AtMost: `epochs` is 0
      help: it must be a whole number from 1 on
    ");
    Ok(())
}

fn matrix(optimizer: impl Into<Choice<dyn Optimizer>>) -> Result<Sequential, NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(2).kernel_initializer(Ramp { start: -2.0 }));
    model.compile(Compile::new().optimizer(optimizer).loss("mse").threads(2))?;
    Ok(model)
}

fn data() -> (Array2<f32>, Array2<f32>) {
    let x = Array2::from_shape_fn((8, 3), |(i, j)| ((3 * i + 5 * j) % 7) as f32 / 4.0 - 0.5);
    let y = Array2::from_shape_fn((8, 2), |(i, j)| ((2 * i + j) % 5) as f32 / 2.0);
    (x, y)
}

fn fit(epochs: usize) -> Fit<'static> {
    Fit::new().batch_size(8).shuffle(false).epochs(epochs).verbose(false)
}

/// Gradients of the mean squared error of `x·w + b`.
fn gradients(
    x: &Array2<f64>,
    y: &Array2<f64>,
    w: &Array2<f64>,
    b: &Array1<f64>,
) -> (Array2<f64>, Array1<f64>) {
    let error = (x.dot(w) + b - y) * (2.0 / y.len() as f64);
    (x.t().dot(&error), error.sum_axis(ndarray::Axis(0)))
}

fn close(given: &ndarray::ArrayD<f32>, expected: &[f64]) {
    let near = |(g, e): (&f32, &f64)| (f64::from(*g) - e).abs() < 1e-5 * e.abs().max(1.0);
    assert!(given.iter().zip(expected).all(near), "{given} is not {expected:?}");
    assert_eq!(given.len(), expected.len());
}

#[test]
fn slots_have_shapes_of_their_own() -> Outcome {
    let mut model = matrix(Factored::default())?;
    let (x, y) = data();
    model.fit(&x, &y, fit(3))?;
    let layout = model.session()?.snapshot()?.layout().clone();
    let kept: Vec<_> = layout.iter().filter(|(name, _)| name.starts_with("factored/")).collect();
    insta::assert_snapshot!(
        kept.iter().map(|(name, ty)| format!("{name}: {ty}")).collect::<Vec<_>>().join("\n"), @"
    factored/dense/kernel/rows: f32[3]
    factored/dense/bias/squares: f32[2]
    factored/dense/kernel/columns: f32[2]
    "
    );
    let (x, y) = (x.mapv(f64::from), y.mapv(f64::from));
    let mut w = Array2::from_shape_fn((3, 2), |(i, j)| (2 * i + j) as f64 - 2.0);
    let (mut b, mut squares) = (Array1::zeros(2), Array1::<f64>::zeros(2));
    let (mut rows, mut columns) = (Array1::<f64>::zeros(3), Array1::<f64>::zeros(2));
    for _ in 0..3 {
        let (dw, db) = gradients(&x, &y, &w, &b);
        let square = &dw * &dw;
        rows = (rows + square.sum_axis(ndarray::Axis(1)) / 2.0) * 0.5;
        columns = (columns + square.sum_axis(ndarray::Axis(0)) / 3.0) * 0.5;
        squares = (squares + &db * &db) * 0.5;
        let mean = rows.sum() / 3.0;
        w = Array2::from_shape_fn((3, 2), |(i, j)| {
            w[[i, j]] - 0.125 * dw[[i, j]] / (rows[i] * columns[j] / mean + EPSILON).sqrt()
        });
        b = &b - db * 0.125 / squares.mapv(|s: f64| (s + EPSILON).sqrt());
    }
    let weights = model.get_weights()?;
    close(&weights[0], w.as_slice().unwrap_or_default());
    close(&weights[1], b.as_slice().unwrap_or_default());
    Ok(())
}

#[test]
fn an_optimizer_has_states_of_its_own() -> Outcome {
    let mut model = matrix(Growing::default())?;
    let (x, y) = data();
    model.fit(&x, &y, fit(3))?;
    let momentum = |t: i32| 0.9 * (1.0 - 0.5 * 0.96f64.powi(t));
    let expected = momentum(1) * momentum(2) * momentum(3);
    let state = model.session()?.snapshot()?;
    let product = state.slice::<f32>("growing/product")?;
    assert!((f64::from(product[0]) - expected).abs() < 1e-6, "{product:?} is not {expected}");
    let (x, y) = (x.mapv(f64::from), y.mapv(f64::from));
    let mut w = Array2::from_shape_fn((3, 2), |(i, j)| (2 * i + j) as f64 - 2.0);
    let (mut b, mut product) = (Array1::zeros(2), 1.0);
    let (mut mw, mut mb) = (Array2::<f64>::zeros((3, 2)), Array1::<f64>::zeros(2));
    for step in 1..=3 {
        let (dw, db) = gradients(&x, &y, &w, &b);
        let u = momentum(step);
        product *= u;
        (mw, mb) = (mw * u + dw * (1.0 - u), mb * u + db * (1.0 - u));
        (w, b) = (w - &mw * 0.125 / (1.0 - product), b - &mb * 0.125 / (1.0 - product));
    }
    let weights = model.get_weights()?;
    close(&weights[0], w.as_slice().unwrap_or_default());
    close(&weights[1], b.as_slice().unwrap_or_default());
    Ok(())
}

#[test]
fn what_own_optimizers_keep_is_saved() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("state.safetensors");
    let (x, y) = data();
    for name in ["Factored", "Growing"] {
        let optimizer = || registry().by_name::<dyn Optimizer>(name);
        let mut whole = matrix(optimizer()?)?;
        whole.fit(&x, &y, fit(2))?;
        whole.save_state(&path)?;
        whole.fit(&x, &y, fit(2))?;
        let mut resumed = matrix(optimizer()?)?;
        resumed.load_state(&path)?;
        resumed.fit(&x, &y, fit(2))?;
        assert_eq!(resumed.get_weights()?, whole.get_weights()?, "{name}");
    }
    Ok(())
}

/// An optimizer that declares other slots than it gives.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Careless {
    common: Common,
    number: i32,
}

optimizer!(Careless {});

impl Optimizer for Careless {
    fn learning_rate(&self) -> &LearningRate {
        static RATE: LearningRate = LearningRate::Constant(1.0);
        &RATE
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn slots(&self, weight: &Type) -> Vec<Slot> {
        let dtype = if self.number == 0 { DType::F64 } else { DType::F32 };
        vec![Slot::zeros("slot", &Type::new(dtype, weight.shape.clone()))]
    }

    fn states(&self) -> Vec<Slot> {
        vec![Slot::zeros("count", &Type::scalar(DType::I32))]
    }

    fn next_states(&self, step: &Step, _: &[Var]) -> Vec<Var> {
        if self.number == 1 { vec![] } else { vec![&step.states[0] + 1.0] }
    }

    fn update(&self, _: &[Var], weight: &Var, _: &Var, slots: &[Var]) -> Update {
        match self.number {
            2 => Update { weight: weight.clone(), slots: vec![] },
            3 => Update { weight: weight.clone(), slots: vec![slots[0].reduce_sum(&[0], false)] },
            _ => Update { weight: weight.clone(), slots: slots.to_vec() },
        }
    }
}

#[test]
fn an_optimizer_keeps_what_it_declares() -> Outcome {
    let (x, y) = data();
    let of = |number| -> Result<String, NnError> {
        let mut model = match matrix(Careless { number, ..Careless::default() }) {
            Ok(model) => model,
            Err(error) => return Ok(error.to_string()),
        };
        let error = model.fit(&x, &y, fit(2)).map(drop);
        let count = model.session()?.snapshot()?.slice::<i32>("careless/count")?[0];
        Ok(error.map_or_else(|error| error.to_string(), |()| format!("{count} steps")))
    };
    let without_location = |text: String| {
        text.lines().filter(|line| !line.contains(" at ")).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(of(0).map(without_location)?, @"
    dense/kernel: the slot `slot` is f64[3,2]
      help: slots are f32 or i32
    ");
    insta::assert_snapshot!(of(1).map(without_location)?, @"layer `careless`: the optimizer keeps (i32[]), the next values are ()");
    insta::assert_snapshot!(of(2).map(without_location)?, @"layer `dense`: the optimizer keeps (f32[3,2]), the next values are ()");
    insta::assert_snapshot!(of(3).map(without_location)?, @"layer `dense`: the optimizer keeps (f32[3,2]), the next values are (f32[2])");
    insta::assert_snapshot!(of(4).map(without_location)?, @"2 steps");
    Ok(())
}

#[test]
fn what_is_not_known_is_named_with_its_nearest() {
    let registry = registry();
    let layer = |value| message(registry.object::<dyn Layer>(&value));
    insta::assert_snapshot!(layer(json!({"class_name": "Scael"})), @r"
    there is no layer `Scael`; did you mean `Scale`?
      help: there are Activation, ActivityRegularization, AdaptiveAveragePooling1D, AdaptiveAveragePooling2D, AdaptiveAveragePooling3D, AdaptiveMaxPooling1D, AdaptiveMaxPooling2D, AdaptiveMaxPooling3D, Add, AdditiveAttention, AlphaDropout, Attention, Average, AveragePooling1D, AveragePooling2D, AveragePooling3D, BatchNormalization, Bidirectional, CategoryEncoding, CenterCrop, Concatenate, Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose, Conv3D, Conv3DTranspose, ConvLSTM1D, ConvLSTM2D, ConvLSTM3D, Cropping1D, Cropping2D, Cropping3D, Dense, DepthwiseConv1D, DepthwiseConv2D, Discretization, Dot, Dropout, ELU, EinsumDense, Embedding, Flatten, GRU, GaussianDropout, GaussianNoise, GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D, GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D, GroupNormalization, GroupQueryAttention, Identity, Input, IntegerLookup, LSTM, LayerNormalization, LeakyReLU, Masking, MaxPooling1D, MaxPooling2D, MaxPooling3D, Maximum, MelSpectrogram, Minimum, MultiHeadAttention, Multiply, Normalization, PReLU, Permute, PositionEmbedding, RMSNormalization, RNN, RandomContrast, RandomCrop, RandomFlip, RandomRotation, RandomTranslation, RandomZoom, ReLU, RepeatVector, Rescaling, Reshape, Resizing, ReversibleEmbedding, RotaryEmbedding, STFTSpectrogram, Scale, SeparableConv1D, SeparableConv2D, SimpleRNN, SinePositionEncoding, Softmax, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D, Subtract, TimeDistributed, TokenAndPositionEmbedding, UnitNormalization, UpSampling1D, UpSampling2D, UpSampling3D, ZeroPadding1D, ZeroPadding2D, ZeroPadding3D
    ");
    insta::assert_snapshot!(layer(json!({"class_name": "Scale", "config": {"penlty": 1.0}})), @"Scale: `penlty` = 1.0 is not supported; did you mean `penalty`?");
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {"unit": 3}})), @"Dense: `unit` = 3 is not supported; did you mean `units`?");
    insta::assert_snapshot!(layer(json!({"class_name": "Scale", "config": {"initializer": "rampe"}})), @"
    Scale: `initializer`: there is no initializer `rampe`; did you mean `ramp`?
      help: there are constant, glorot_normal, glorot_uniform, he_normal, he_uniform, identity, lecun_normal, lecun_uniform, ones, orthogonal, ramp, random_normal, random_uniform, stft, truncated_normal, variance_scaling, zeros
    ");
    insta::assert_snapshot!(layer(json!({"class_name": "Dense", "config": {
        "units": 3, "bias_initializer": {"class_name": "Ramp", "config": {"strat": 3.0}},
    }})), @"Dense: `bias_initializer`: Ramp: `strat` = 3.0 is not supported; did you mean `start`?");
    insta::assert_snapshot!(message(registry.by_name::<dyn Optimizer>("growng")), @"
    there is no optimizer `growng`; did you mean `growing`?
      help: there are adadelta, adafactor, adagrad, adam, adamax, adamw, factored, ftrl, growing, lamb, lion, muon, nadam, rmsprop, sgd
    ");
    insta::assert_snapshot!(message(registry.by_name::<dyn Loss>("cubik")), @"
    there is no loss `cubik`; did you mean `cubic`?
      help: there are binary_crossentropy, binary_focal_crossentropy, categorical_crossentropy, categorical_focal_crossentropy, categorical_generalized_cross_entropy, categorical_hinge, circle, cosine_similarity, ctc, cubic, dice, hinge, huber, kl_divergence, log_cosh, mean_absolute_error, mean_absolute_percentage_error, mean_squared_error, mean_squared_logarithmic_error, poisson, sparse_categorical_crossentropy, squared_hinge, tversky
    ");
    insta::assert_snapshot!(message(registry.by_name::<dyn Metric>("Nearr")), @"
    there is no metric `Nearr`; did you mean `Near`?
      help: there are AUC, Accuracy, BinaryAccuracy, BinaryCrossentropy, BinaryIoU, CategoricalAccuracy, CategoricalCrossentropy, CategoricalHinge, ConcordanceCorrelation, CosineSimilarity, F1Score, FBetaScore, FalseNegatives, FalsePositives, Hinge, IoU, KLDivergence, LogCoshError, Mean, MeanAbsoluteError, MeanAbsolutePercentageError, MeanIoU, MeanSquaredError, MeanSquaredLogarithmicError, Near, OneHotIoU, OneHotMeanIoU, PearsonCorrelation, Poisson, Precision, PrecisionAtRecall, R2Score, Recall, RecallAtPrecision, RootMeanSquaredError, SensitivityAtSpecificity, SparseCategoricalAccuracy, SparseCategoricalCrossentropy, SparseTopKCategoricalAccuracy, SpecificityAtSensitivity, SquaredHinge, Sum, TopKCategoricalAccuracy, TrueNegatives, TruePositives
    ");
}

fn message<T>(result: Result<T, NnError>) -> String {
    result.map(drop).expect_err("a mistake").to_string()
}

/// Own classes are in the registry that they were added to and nowhere else, also after it was
/// used.
#[test]
fn a_registry_is_a_value() {
    let ramp = json!({"class_name": "Dense", "config": {"units": 3, "bias_initializer": "ramp"}});
    registry().object::<dyn Layer>(&ramp).expect("the registry has it");
    assert!(message(from_config::<dyn Layer>(&ramp)).contains("there is no initializer `ramp`"));
    assert!(message(Sequential::from_config(&config())).contains("there is no initializer `Ramp`"));
}

/// As Keras's custom objects do.
#[test]
fn an_own_class_goes_before_ours() -> Outcome {
    #[derive(Debug, Clone, Default, Serialize, Deserialize)]
    struct Zeros {}
    object!(Zeros);
    impl Initializer for Zeros {
        fn fill(&self, _: &Shape, _: Random, _: usize, values: &mut [f32]) {
            values.fill(0.5);
        }
    }
    let mut registry = Registry::default();
    registry.add::<dyn Initializer>(class!(Zeros));
    let mut values = [0.0];
    let zeros: Arc<dyn Initializer> = registry.by_name("zeros")?;
    zeros.fill(&Shape::scalar(), Random::new(0, 0), 0, &mut values);
    assert_eq!(values, [0.5]);
    Ok(())
}
