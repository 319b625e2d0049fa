//! What is refused, and how it is told.

use brolga_ir::{DType, Type};
use brolga_nn::prelude::*;
use brolga_nn::registry::to_config;
use ndarray::{Array2, array};

use crate::{Outcome, data};

fn message<T>(result: Result<T, NnError>) -> String {
    let text = result.map(drop).expect_err("a mistake").to_string();
    // Where it was written moves with the lines of this file.
    let place = concat!(" at ", file!(), ":");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("at "));
    let line = |line: &str| match line.split_once(place) {
        Some((before, after)) => format!("{before}{}", after.trim_start_matches(char::is_numeric)),
        None => line.to_owned(),
    };
    lines.map(line).collect::<Vec<_>>().join("\n")
}

fn dense() -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(2));
    model
}

#[test]
fn functions_are_in_no_config() -> Outcome {
    let mut model = dense();
    model.add(Lambda::new(|x| x * 2.0));
    insta::assert_snapshot!(message(model.to_json()), @"
    layer `lambda`: Lambda: a function is a part of the program, and no config can hold it
      help: write a class of your own that has arguments instead, with `layer!`, `loss!`, `metric!` or `object!`, and give it to the registry that reads the config
    ");
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(2).activation(|x: &Var| x.exp()).name("exponents"));
    insta::assert_snapshot!(message(model.to_json()), @"
    layer `exponents`: Dense: Function: a function is a part of the program, and no config can hold it
      help: write a class of your own that has arguments instead, with `layer!`, `loss!`, `metric!` or `object!`, and give it to the registry that reads the config
    ");
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(2).kernel_initializer(|_: &[usize], _: &[usize]| 1.0));
    insta::assert_snapshot!(message(model.to_json()), @"
    layer `dense`: Dense: Function: a function is a part of the program, and no config can hold it
      help: write a class of your own that has arguments instead, with `layer!`, `loss!`, `metric!` or `object!`, and give it to the registry that reads the config
    ");
    let input = Input::new([3]).tensor();
    let output = Lambda::list(|x| x.to_vec()).name("same").on(&input);
    insta::assert_snapshot!(message(Model::new(&input, &output)?.to_json()), @"
    layer `same`: Lambda: a function is a part of the program, and no config can hold it
      help: write a class of your own that has arguments instead, with `layer!`, `loss!`, `metric!` or `object!`, and give it to the registry that reads the config
    ");
    let wrapper = losses::LossFunctionWrapper::new(|t, y| t - y);
    insta::assert_snapshot!(message(to_config(&wrapper)), @"
    LossFunctionWrapper: a function is a part of the program, and no config can hold it
      help: write a class of your own that has arguments instead, with `layer!`, `loss!`, `metric!` or `object!`, and give it to the registry that reads the config
    ");
    let wrapper = metrics::MeanMetricWrapper::new(|t, y| t - y);
    insta::assert_snapshot!(message(to_config(&wrapper)), @"
    MeanMetricWrapper: a function is a part of the program, and no config can hold it
      help: write a class of your own that has arguments instead, with `layer!`, `loss!`, `metric!` or `object!`, and give it to the registry that reads the config
    ");
    Ok(())
}

#[test]
fn a_lambda_keeps_the_rules_of_layers() -> Outcome {
    let (x, y) = data();
    let fails = |layer: Lambda| {
        let mut model = dense();
        model.add(layer);
        message(model.compile(Compile::new().loss("mse")))
    };
    insta::assert_snapshot!(fails(Lambda::new(|x| x.reduce_sum(&[0], true))), @"
    layer `lambda`: of a batch of 2 samples the layer makes f32[1,2]
      help: layers must keep the first axis, which counts the samples
    ");
    insta::assert_snapshot!(fails(Lambda::new(|x| x.reshape([7]))), @"layer `lambda`: `reshape`: [2,2] has 4 elements, [7] has 7");
    insta::assert_snapshot!(fails(Lambda::list(|_| vec![])), @"
    layer `lambda`: the layer makes 0 tensors
      help: a layer of a Sequential takes one and makes one
    ");
    let [a, b] = [(); 2].map(|()| Input::new([3]).tensor());
    let sum = Lambda::new(|x| x * 2.0).on([&a, &b]);
    let mut model = Model::new([&a, &b], &sum)?;
    insta::assert_snapshot!(message(model.compile(Compile::new().loss("mse"))), @"layer `lambda`: the layer takes one input, 2 were given");
    let mut model = dense();
    model.compile(Compile::new().loss(|t: &Var, y: &Var| t.matmul(y)))?;
    insta::assert_snapshot!(message(model.train_on_batch(&x, &y)), @"layer `loss`: `matmul`: the contracted extents differ, 2 in f32[8,2] and 8 in f32[8,2]");
    Ok(())
}

fn train<const K: usize>(
    function: impl Fn(
        &mut brolga_nn::model::StepTrace<'_>,
        brolga_nn::model::StepModel,
        Var,
    ) -> [Var; K]
    + Send
    + 'static,
) -> String {
    let mut step = TrainStep::new(move |step, [model], [x]| function(step, model, x));
    let mut model = dense();
    let before = model.get_weights().expect("weights");
    let message = message(step.run([&mut model], &data().0));
    assert_eq!(model.get_weights().expect("weights"), before);
    message
}

#[test]
fn mistakes_in_a_step_are_errors_of_its_run() {
    let sum = |x: &Var| x.reduce_sum(&[0, 1], false);
    insta::assert_snapshot!(train(|step, model, x| [step.call(&model, &x.cast(DType::I32), true)]), @"
    step.call: the model `sequential` takes batches of samples f32[3], i32[8,3] was given
      help: the first axis counts the samples; `cast` makes floats of integers
    ");
    insta::assert_snapshot!(train(|step, model, x| [step.call_all(&model, &[&x, &x], true).swap_remove(0)]), @"
    step.call: the model `sequential` takes 1 input, 2 were given
      help: step.call_all(&model, &[&a, &b], training)
    ");
    insta::assert_snapshot!(train(move |step, model, x| {
        let loss = step.call(&model, &x, true);
        let weights = step.trainable_weights(&model);
        let _gradients = step.gradients(&loss, &weights);
        [loss]
    }), @"
    the loss, `add` of layer `dense`, must be one float, it is f32[8,2]
      help: reduce it with `reduce_mean` or `reduce_sum`
    ");
    insta::assert_snapshot!(train(move |step, model, x| {
        let loss = sum(&x);
        let weights = step.trainable_weights(&model);
        let _gradients = step.gradients(&loss, &weights);
        [loss]
    }), @"
    there is no gradient by `%dense/kernel`: nothing uses it
      help: use it in the model, or do not train it
    ");
    insta::assert_snapshot!(train(move |step, model, x| {
        let loss = sum(&step.call(&model, &x, true));
        let weights = step.trainable_weights(&model);
        let gradients = step.gradients(&loss, &weights);
        let sgd = step.optimizer("sgd");
        step.apply_gradients(&sgd, &gradients[..1], &weights);
        [loss]
    }), @"
    step.apply_gradients: 2 weights, but 1 gradients
      help: give those of step.gradients(&loss, &weights), in this order
    ");
    insta::assert_snapshot!(train(move |step, model, x| {
        let loss = sum(&step.call(&model, &x, true));
        let weights = step.trainable_weights(&model);
        let mut gradients = step.gradients(&loss, &weights);
        gradients.reverse();
        let sgd = step.optimizer("sgd");
        step.apply_gradients(&sgd, &gradients, &weights);
        [loss]
    }), @"
    step.apply_gradients: the weight `dense/kernel` is f32[3,2], its gradient f32[2]
      help: give those of step.gradients(&loss, &weights), in this order
    ");
    insta::assert_snapshot!(train(move |step, model, x| {
        let loss = sum(&step.call(&model, &x, true));
        let own = step.state("own", Type::f32([]), 0.0);
        let sgd = step.optimizer("sgd");
        step.apply_gradients(&sgd, std::slice::from_ref(&loss), &[own]);
        [loss]
    }), @"
    step.apply_gradients: `own` is not a weight of a model
      help: take weights of step.trainable_weights(&model); states of your own are changed by step.assign
    ");
    insta::assert_snapshot!(train(|step, model, x| {
        let weights = step.weights(&model);
        step.assign(&weights[0], &x);
        [x]
    }), @"
    step.assign: `dense/kernel` is f32[3,2], the value f32[8,3]
      help: both must have the same type
    ");
    insta::assert_snapshot!(train(|step, _, x| {
        let _own = step.state("own", Type::new(DType::F64, [2]), 0.0);
        [x]
    }), @"
    step.state: the state `own` is f64[2]
      help: states are f32 or i32
    ");
    insta::assert_snapshot!(train(|step, _, x| {
        let first = step.state("own", Type::f32([2]), 0.0);
        let _second = step.state("own", Type::f32([3]), 0.0);
        [x, (*first).clone()]
    }), @"
    step.state: `own` is f32[3] and, before, f32[2]
      help: a state has one type; give another one a name of its own
    ");
    insta::assert_snapshot!(train(|step, _, x| {
        step.optimizer(SGD::new(-1.0));
        [x]
    }), @"
    SGD: `learning_rate` is -1
      help: it must be a number from 0 on that f32 can hold
    ");
    insta::assert_snapshot!(train(|step, _, x| [step.loss("mze", &x, &x)]), @"
    there is no loss `mze`
      help: there are binary_crossentropy, binary_focal_crossentropy, categorical_crossentropy, categorical_focal_crossentropy, categorical_generalized_cross_entropy, categorical_hinge, circle, cosine_similarity, ctc, dice, hinge, huber, kl_divergence, log_cosh, mean_absolute_error, mean_absolute_percentage_error, mean_squared_error, mean_squared_logarithmic_error, poisson, sparse_categorical_crossentropy, squared_hinge, tversky
    ");
    insta::assert_snapshot!(train(|_, _, x| [x.matmul(&x)]), @"`matmul`: the contracted extents differ, 3 in f32[8,3] and 8 in f32[8,3]");
    insta::assert_snapshot!(train(|_, _, _| {
        let other = brolga_ir::Tracer::new("other");
        [other.input("x", Type::f32([2]))]
    }), @"
    the function of the step returns a value of another graph
      help: it returns what it has computed itself
    ");
}

#[test]
fn runs_take_what_the_function_takes() -> Outcome {
    let (x, y) = data();
    let mut step = TrainStep::new(|step, [model], [x, y]| {
        let prediction = step.call(&model, &x, false);
        [step.loss("mse", &y, &prediction)]
    });
    let mut model = dense();
    insta::assert_snapshot!(message(step.run([&mut model], &x)), @"
    run: the function has 2 inputs, 1 array was given
      help: give an array for each, in their order: run([..], arrays![&x, &y])
    ");
    insta::assert_snapshot!(message(step.run([&mut model], [("x", &x), ("y", &y)])), @"
    run: the function has 2 inputs, arrays with names were given
      help: give an array for each, in their order: run([..], arrays![&x, &y])
    ");
    insta::assert_snapshot!(message(step.run([&mut model], [&x, &Array2::zeros((0, 2))])), @"
    input 1 is empty: its shape is [0, 2]
      help: there must be at least one sample, and no axis of extent 0
    ");
    let mut unbuilt = Sequential::new();
    unbuilt.add(Dense::new(2));
    insta::assert_snapshot!(message(step.run([&mut unbuilt], [&x, &y])), @"
    run: the model is not built: it does not know the shape of its input
      help: let the first layer be `Input::new([..])`, or train the model first
    ");
    step.run([&mut model], [&x, &y])?;
    model.add(Dense::new(2));
    insta::assert_snapshot!(message(step.run([&mut model], [&x, &y])), @"
    run: the models have other weights than in the first run of this step
      help: make a new TrainStep after a change of layers or of `trainable`
    ");
    let mut by_shape = TrainStep::new(|step, [], [x]| {
        if x.shape()[0] > 1 {
            let more = step.state("more", Type::f32([]), 0.0);
            return [&x * &*more];
        }
        [x]
    });
    by_shape.run([], &array![[1.0_f32]])?;
    insta::assert_snapshot!(message(by_shape.run([], &array![[1.0_f32], [2.0]])), @"
    run: for these shapes the step has the states `more`; before it had none
      help: the function must write down the same states, optimizers and updates for all shapes
    ");
    Ok(())
}

#[test]
fn gradients_are_by_inputs_of_floats() {
    let x = array![1.0_f32, 2.0];
    let sum = |[x]: &[Var; 1]| (x.reduce_sum(&[0], false), []);
    insta::assert_snapshot!(message(value_and_grad(sum, [1]).run(&x)), @"
    value_and_grad: there is no input 1
      help: the function has 1 input, from 0 on
    ");
    insta::assert_snapshot!(message(value_and_grad(sum, [0]).run(&array![1, 2])), @"
    the loss, `reduce_sum`, must be one float, it is i32[]
      help: what it counts has no slope; use a differentiable measure of it
    ");
    insta::assert_snapshot!(message(value_and_grad(|[x]| (x.clone(), []), [0]).run(&x)), @"
    the loss, `%x0`, must be one float, it is f32[2]
      help: reduce it with `reduce_mean` or `reduce_sum`
    ");
}
