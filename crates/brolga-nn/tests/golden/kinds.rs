//! How the cases of each kind are computed: traced with the public parts of the frontend, evaluated
//! by the interpreter, and once more with native code, which must give the same bits.

use std::error::Error;
use std::sync::Arc;

use brolga_autodiff::gradients;
use brolga_codegen::compile;
use brolga_ir::{DType, Graph, Origin, Tensor, Tracer, Type, Var, interpret};
use brolga_nn::activations::ActivationFunction;
use brolga_nn::keywords::Keywords;
use brolga_nn::layers::Layer;
use brolga_nn::losses::{self, Loss};
use brolga_nn::metrics::Metric;
use brolga_nn::model::{Functional, Model, Network};
use brolga_nn::optimizers::schedules::Schedule;
use brolga_nn::optimizers::{LearningRate, Optimizer, Slot, Trained, apply, slots};
use brolga_nn::registry::from_config;
use brolga_nn::trace::{Call, Context, Prediction, Weights};
use brolga_nn::{Compile, Data, Fit, Predict, Sequential};
use brolga_runtime::{Backend, Executable, Options, State, StateLayout};
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use crate::case::{Case, ONE_CALL, SEVERAL_STEPS, numbers};

type Outcome = Result<(), Box<dyn Error>>;

/// A graph under construction whose inputs are tensors of a case.
struct Sketch<'a> {
    case: &'a Case,
    tracer: Tracer,
    inputs: Vec<Tensor>,
    outputs: Vec<String>,
}

impl<'a> Sketch<'a> {
    fn new(case: &'a Case) -> Self {
        Self { case, tracer: Tracer::new("case"), inputs: vec![], outputs: vec![] }
    }

    fn input(&mut self, name: &str) -> Var {
        let tensor = self.case.tensor(name).clone();
        let var = self.tracer.input(&name.replace('/', "_"), tensor.ty());
        self.inputs.push(tensor);
        var
    }

    fn list(&mut self, prefix: &str) -> Vec<Var> {
        let names: Vec<_> = self.case.list(prefix).into_iter().map(|(name, _)| name).collect();
        names.iter().map(|name| self.input(name)).collect()
    }

    /// Compares a value with the tensor of this name.
    fn expect(&mut self, name: impl Into<String>, var: &Var) {
        self.outputs.push(name.into());
        self.tracer.output(var);
    }

    /// How layers behave in the case. Nothing random is compared, so that the seed does not matter.
    fn context(&self) -> Context {
        let zeros = |shape: &[usize]| self.tracer.full(&Type::new(DType::I32, shape), 0.0);
        match self.case.extra["training"] == true {
            true => Context::training(&self.tracer, &zeros(&[2]), &zeros(&[])),
            false => Context::inference(&self.tracer),
        }
    }

    /// Compares what a training call leaves in the weights that it updates.
    fn updates(&mut self, weights: &[Var], after: &Weights) {
        for (state, next) in after.updates() {
            let place = weights.iter().position(|weight| weight.value() == state.value());
            self.expect(format!("after/{}", place.unwrap_or_default()), next);
        }
    }

    /// Σ y·dy, whose gradients the case holds.
    fn pulled(&mut self, y: &Var, place: usize) -> Var {
        let dy = self.input(&format!("dy{place}"));
        (y * dy).reduce_sum(&axes(y), false)
    }

    fn check(self) -> Outcome {
        let results = results(self.tracer.finish()?, &self.inputs)?;
        let pairs = self.outputs.iter().zip(&results);
        pairs.into_iter().try_for_each(|(name, given)| self.case.expect(name, given, ONE_CALL))
    }
}

/// The results of the interpreter, which are also those of native code.
fn results(graph: Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Box<dyn Error>> {
    let results = interpret(&graph, inputs)?;
    match native(graph, inputs)? == results {
        true => Ok(results),
        false => Err("native code gives other bits than the interpreter".into()),
    }
}

/// The results of native code, of fused kernels.
fn native(mut graph: Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, Box<dyn Error>> {
    brolga_passes::optimize(&mut graph)?;
    let layout = StateLayout::of_graphs([&graph])?;
    let options = Options { threads: 2, ..Options::default() };
    let mut program = Executable::new(&graph, &layout, &options, compile)?;
    for (index, input) in inputs.iter().enumerate() {
        program.set_input(index, input)?;
    }
    program.run(&mut State::zeros(&layout)?)?;
    Ok((0..graph.outputs().len())
        .map(|index| program.output_tensor(index))
        .collect::<Result<_, _>>()?)
}

fn axes(x: &Var) -> Vec<usize> {
    (0..x.shape().rank()).collect()
}

pub(crate) fn activation(case: &Case) -> Outcome {
    let activation: Arc<dyn ActivationFunction> = from_config(&case.config)?;
    let mut sketch = Sketch::new(case);
    let x = sketch.input("x0");
    let y = activation.apply(&x);
    sketch.expect("y0", &y);
    let pulled = sketch.pulled(&y, 0);
    let dx = gradients(&sketch.tracer, &pulled, &[x])?;
    sketch.expect("dx0", &dx[0]);
    sketch.check()
}

pub(crate) fn layer(case: &Case) -> Outcome {
    let layer: Arc<dyn Layer> = from_config(&case.config)?;
    let mut sketch = Sketch::new(case);
    let inputs = sketch.list("x");
    let types: Vec<Type> = inputs.iter().map(|x| x.ty().clone()).collect();
    let specs = layer.build(&types)?;
    let weights = sketch.list("w/");
    let named = specs.iter().zip(&weights);
    let mut named = Weights::new(named.map(|(s, w)| (&*s.name, w.clone(), s.trainable)));
    let mut context = sketch.context();
    let mut call = Call::new(&mut context, &mut named).with(keywords(&case.extra["call"]));
    let outputs = layer.call(&mut call, &inputs);
    if let Some(error) = sketch.tracer.error() {
        return Err(error.into());
    }
    for (place, y) in outputs.iter().enumerate() {
        sketch.expect(format!("y{place}"), y);
    }
    sketch.updates(&weights, &named);
    let pulled = outputs.iter().enumerate().map(|(place, y)| sketch.pulled(y, place));
    let pulled = pulled.reduce(|a, b| a + b).ok_or("the layer has no output")?;
    // Keras differentiates neither by indices nor by moving statistics.
    let names = (0..inputs.len()).map(|i| format!("dx{i}"));
    let names = names.chain((0..weights.len()).map(|i| format!("dw/{i}")));
    let wrt = names.zip(inputs.iter().chain(&weights).cloned());
    let (names, wrt): (Vec<_>, Vec<_>) = wrt.filter(|(name, _)| case.get(name).is_some()).unzip();
    for (name, gradient) in names.iter().zip(gradients(&sketch.tracer, &pulled, &wrt)?) {
        sketch.expect(name, &gradient);
    }
    sketch.check()
}

/// The arguments of a call besides its inputs, which are no tensors.
fn keywords(given: &Value) -> Keywords {
    let given = given.as_object().into_iter().flatten();
    given.fold(Keywords::default(), |keywords, (name, value)| keywords.with(name, value.clone()))
}

pub(crate) fn loss(case: &Case) -> Outcome {
    let loss: Arc<dyn Loss> = from_config(&complete(&case.config))?;
    let mut sketch = Sketch::new(case);
    let (x, y_true) = (sketch.input("x0"), sketch.input("y_true"));
    let weight = case.get("sample_weight").is_some().then(|| sketch.input("sample_weight"));
    let y = losses::compute(&*loss, &y_true, &x.clone().into(), weight.as_ref());
    sketch.expect("y0", &y);
    let sum = y.reduce_sum(&axes(&y), false);
    let dx = gradients(&sketch.tracer, &sum, &[x])?;
    sketch.expect("dx0", &dx[0]);
    sketch.check()
}

/// The config of a loss with the argument that Keras does not write.
fn complete(config: &Value) -> Value {
    let mut config = config.clone();
    if config["class_name"] == "Huber" {
        config["config"]["delta"] = 0.7.into();
    }
    config
}

pub(crate) fn metric(case: &Case) -> Outcome {
    let metric: Arc<dyn Metric> = from_config(&case.config)?;
    let mut totals: Vec<Vec<f64>> = vec![vec![]; metric.parts()];
    let sample = Type::f32(&case.tensor("x0").shape()[1..]);
    for update in 0..case.count("updates") {
        let mut sketch = Sketch::new(case);
        let (x, y_true) =
            (sketch.input(&format!("x{update}")), sketch.input(&format!("y_true{update}")));
        let weight = format!("sample_weight{update}");
        let weight = case.get(&weight).is_some().then(|| sketch.input(&weight));
        let parts = metric.statistics(&y_true, &Prediction::from(x), weight.as_ref());
        parts.iter().for_each(|part| sketch.tracer.output(part));
        let results = results(sketch.tracer.finish()?, &sketch.inputs)?;
        for (total, part) in totals.iter_mut().zip(&results) {
            let part = numbers(part);
            total.resize(part.len(), 0.0);
            total.iter_mut().zip(part).for_each(|(total, x)| *total += x);
        }
    }
    let numbers = metric.results(&totals);
    let shape: Vec<usize> = metric.numbers(&sample).into_iter().collect();
    let values = numbers.iter().map(|&number| number as f32).collect();
    let result = Tensor::f32(shape, values).ok_or("as many numbers as the metric says")?;
    case.expect("y0", &result, ONE_CALL)
}

pub(crate) fn optimizer(case: &Case) -> Outcome {
    let optimizer: Arc<dyn Optimizer> = from_config(&case.config)?;
    let full = |slot: &Slot| Tensor::full(&slot.ty, slot.initial);
    let mut states: Vec<Tensor> = optimizer.states().iter().map(full).collect();
    let mut weights: Vec<Vec<Tensor>> =
        case.list("w/").into_iter().map(|(_, w)| vec![w.clone()]).collect();
    for tensors in &mut weights {
        let ty = tensors[0].ty();
        tensors.extend(slots(&*optimizer, "", &ty).iter().map(full));
    }
    for step in 0..case.count("steps") {
        let tracer = Tracer::new("step");
        let mut inputs = vec![];
        let mut input = |tensor: &Tensor| {
            inputs.push(tensor.clone());
            tracer.input(&format!("i{}", inputs.len()), tensor.ty())
        };
        let iterations = input(&Tensor::scalar(DType::I32, step as f64));
        let rate = match optimizer.learning_rate() {
            LearningRate::Constant(rate) => input(&Tensor::scalar(DType::F32, *rate)),
            LearningRate::Schedule(schedule) => schedule.rate(&iterations.cast(DType::F32)),
        };
        let state_inputs: Vec<Var> = states.iter().map(&mut input).collect();
        let mut trained = vec![];
        for (index, tensors) in weights.iter().enumerate() {
            trained.push(Trained {
                path: String::new(),
                origin: Origin::default(),
                weight: input(&tensors[0]),
                gradient: input(case.tensor(&format!("g{step}/{index}"))),
                slots: tensors[1..].iter().map(&mut input).collect(),
            });
        }
        let updates = apply(&*optimizer, &rate, &iterations, &state_inputs, &trained);
        updates.states.iter().for_each(|state| tracer.output(state));
        for update in &updates.weights {
            tracer.output(&update.weight);
            update.slots.iter().for_each(|slot| tracer.output(slot));
        }
        let mut results = results(tracer.finish()?, &inputs)?.into_iter();
        states.iter_mut().zip(&mut results).for_each(|(old, new)| *old = new);
        for (index, tensors) in weights.iter_mut().enumerate() {
            tensors.iter_mut().zip(&mut results).for_each(|(old, new)| *old = new);
            case.expect(&format!("w_after{step}/{index}"), &tensors[0], SEVERAL_STEPS)?;
        }
    }
    Ok(())
}

pub(crate) fn schedule(case: &Case) -> Outcome {
    let schedule: Arc<dyn Schedule> = from_config(&case.config)?;
    let tracer = Tracer::new("schedule");
    let steps = numbers(case.tensor("steps"));
    for steps in &steps {
        tracer.output(&schedule.rate(&tracer.scalar(DType::F32, *steps)));
    }
    let rates = results(tracer.finish()?, &[])?;
    let rates = rates.iter().map(|rate| numbers(rate)[0] as f32).collect();
    let rates = Tensor::f32([steps.len()], rates).ok_or("a rate for each number of steps")?;
    case.expect("y0", &rates, ONE_CALL)
}

pub(crate) fn model(case: &Case) -> Outcome {
    let trained = trained(case, Backend::Interpreter)?;
    if self::trained(case, Backend::Native)? != trained {
        return Err("native code gives other bits than the interpreter".into());
    }
    trained.iter().try_for_each(|(name, tensor)| case.expect(name, tensor, SEVERAL_STEPS))
}

/// The losses of a model's training, its weights afterwards, and what it predicts.
fn trained(case: &Case, backend: Backend) -> Result<Vec<(String, Tensor)>, Box<dyn Error>> {
    match case.config["class_name"].as_str() {
        Some("Sequential") => train(Sequential::from_config(&case.config)?, case, backend),
        _ => train(Functional::from_config(&case.config)?, case, backend),
    }
}

fn train<N: Network>(
    mut model: Model<N>,
    case: &Case,
    backend: Backend,
) -> Result<Vec<(String, Tensor)>, Box<dyn Error>> {
    let optimizer: Arc<dyn Optimizer> = from_config(&case.extra["optimizer"])?;
    let loss = case.extra["loss"].as_str().unwrap_or_default();
    model.compile(Compile::new().optimizer(optimizer).loss(loss).backend(backend))?;
    let weights: Vec<_> = case.list("w/").into_iter().map(|(_, w)| array(w)).collect();
    model.set_weights(&weights)?;
    let mut losses = vec![];
    for step in 0..case.count("steps") {
        let x = arrays(case, &format!("x{step}"));
        let y = case.tensor(&format!("y_true{step}"));
        let fit = Fit::new().batch_size(y.shape()[0]).shuffle(false).verbose(false);
        let history = model.fit(x, data(y), fit)?;
        losses.push(history.last("loss").unwrap_or(f64::NAN) as f32);
    }
    let losses = Tensor::f32([losses.len()], losses).ok_or("one loss a step")?;
    let mut results = vec![("running_loss".to_owned(), losses)];
    for (index, weight) in model.get_weights()?.iter().enumerate() {
        results.push((format!("w_after/{index}"), tensor(weight)));
    }
    let last = case.extra["predict_on"].as_str().ok_or("the name of an input")?;
    let prediction = model.predict_with(arrays(case, last), Predict::new().verbose(false))?;
    results.push(("y0".to_owned(), tensor(&prediction)));
    Ok(results)
}

/// The arrays of a model's inputs.
fn arrays(case: &Case, prefix: &str) -> Vec<Data<'static>> {
    case.list(&format!("{prefix}/")).into_iter().map(|(_, x)| data(x)).collect()
}

fn array(tensor: &Tensor) -> ArrayD<f32> {
    let values = numbers(tensor).into_iter().map(|x| x as f32).collect();
    ArrayD::from_shape_vec(IxDyn(tensor.shape()), values).expect("as many as the shape says")
}

fn tensor(array: &ArrayD<f32>) -> Tensor {
    Tensor::f32(array.shape(), array.iter().copied().collect()).expect("as many as the shape says")
}

fn data(tensor: &Tensor) -> Data<'static> {
    let values: Vec<f64> = numbers(tensor);
    Data::new(tensor.shape(), values).expect("as many as the shape says")
}
