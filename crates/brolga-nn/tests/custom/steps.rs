//! Training steps of one's own.

use brolga_ir::Type;
use brolga_nn::initializers::Constant;
use brolga_nn::layers::{BatchNormalization, Dropout};
use brolga_nn::prelude::*;
use brolga_nn::regularizers::L2;
use brolga_runtime::{Backend, Options};
use ndarray::{array, s};

use crate::{Outcome, bits, classes, data};

/// A classifier with moving statistics, random numbers, penalties and a constraint.
fn classifier() -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([3]));
    model.add(Dense::new(6).activation("relu").kernel_regularizer(L2::new(0.01)));
    model.add(BatchNormalization::new());
    model.add(Dropout::new(0.25));
    model.add(Dense::new(2).activation("softmax").kernel_constraint("non_neg"));
    model
}

/// What `train_on_batch` does, by hand.
fn by_hand(optimizer: impl Fn() -> Adam + Send + 'static) -> TrainStep<1, 2, 1> {
    TrainStep::new(move |step, [model], [x, y]| {
        let prediction = step.call(&model, &x, true);
        let mut loss = step.loss("sparse_categorical_crossentropy", &y, &prediction);
        for term in step.losses(&model) {
            loss = loss + term;
        }
        let optimizer = step.optimizer(optimizer());
        let weights = step.trainable_weights(&model);
        let scaled = step.scale_loss(&optimizer, &loss);
        let gradients = step.gradients(&scaled, &weights);
        step.apply_gradients(&optimizer, &gradients, &weights);
        [loss]
    })
}

#[test]
fn a_step_that_does_what_fit_does_gives_the_same_bits() -> Outcome {
    let (x, _) = data();
    let y = classes();
    let adam = || {
        Adam::new(schedules::ExponentialDecay::new(0.05, 2.0, 0.5))
            .clipnorm(0.5)
            .loss_scale_factor(4.0)
    };
    let mut ours = classifier();
    ours.compile(Compile::new().optimizer(adam()).loss("sparse_categorical_crossentropy"))?;
    let mut own = classifier();
    let mut train = by_hand(adam);
    for rows in [0..8, 0..8, 2..5, 0..8, 5..8] {
        let (x, y) = (x.slice(s![rows.clone(), ..]), y.slice(s![rows]));
        ours.reset_metrics();
        let logs = ours.train_on_batch(&x, &y)?;
        let [loss] = train.run([&mut own], brolga_nn::arrays![&x, &y])?;
        assert_eq!(logs.get("loss"), Some(f64::from(loss.sum())));
        assert_eq!(bits(&own.get_weights()?), bits(&ours.get_weights()?));
    }
    assert_eq!(own.predict(&x)?, ours.predict(&x)?);
    Ok(())
}

#[test]
fn the_interpreter_makes_the_same_steps() -> Outcome {
    let (x, _) = data();
    let y = classes();
    let mut weights = vec![];
    for backend in [Backend::Native, Backend::Interpreter] {
        let mut model = classifier();
        let options = Options { backend, ..Options::default() };
        let mut train = by_hand(|| Adam::new(0.05)).options(options);
        for _ in 0..3 {
            train.run([&mut model], brolga_nn::arrays![&x, &y])?;
        }
        weights.push(bits(&model.get_weights()?));
    }
    assert_eq!(weights[0], weights[1]);
    Ok(())
}

/// A model of one weight, 1 at first: `weight · x`.
fn factor() -> Sequential {
    let mut model = Sequential::new();
    model.add(Input::new([1]));
    model.add(Dense::new(1).use_bias(false).kernel_initializer(Constant::new(1.0)));
    model
}

#[test]
fn two_models_and_two_optimizers_are_in_one_step() -> Outcome {
    let (mut generator, mut critic) = (factor(), factor());
    let mut train = TrainStep::new(|step, [generator, critic], [real, noise]| {
        let [learn, teach] = [(); 2].map(|()| step.optimizer(SGD::new(0.5)));
        let mean = |x: Var| x.reduce_mean(&[0, 1], false);
        let fake = step.call(&generator, &noise, true);
        let on_fake = mean(step.call(&critic, &fake, true));
        let critic_loss = on_fake - mean(step.call(&critic, &real, true));
        let weights = step.trainable_weights(&critic);
        let gradients = step.gradients(&critic_loss, &weights);
        step.apply_gradients(&teach, &gradients, &weights);
        // The critic is the new one from here on.
        let generator_loss = -mean(step.call(&critic, &fake, true));
        let weights = step.trainable_weights(&generator);
        let gradients = step.gradients(&generator_loss, &weights);
        step.apply_gradients(&learn, &gradients, &weights);
        [critic_loss, generator_loss]
    });
    let (real, noise) = (array![[2.0_f32]], array![[1.0_f32]]);
    // a, w: the factors. w ← w − (a − 2) / 2, then a ← a + w / 2.
    for (losses, a, w) in [([-1.0, -1.5], 1.75, 1.5), ([-0.375, -2.84375], 2.5625, 1.625)] {
        let given = train.run([&mut generator, &mut critic], [&real, &noise])?;
        assert_eq!(given.map(|loss| loss.sum()), losses);
        assert_eq!(generator.get_weights()?[0], array![[a]].into_dyn());
        assert_eq!(critic.get_weights()?[0], array![[w]].into_dyn());
    }
    assert_eq!(generator.predict(&noise)?, array![[2.5625]].into_dyn());
    let state = train.state().ok_or("a state")?;
    let names: Vec<&str> = state.layout().iter().map(|(name, _)| name).collect();
    insta::assert_snapshot!(names.join("\n"), @"
    sequential/dense/kernel
    sequential/rng/seed
    sequential/rng/step
    sequential_1/dense/kernel
    sequential_1/rng/seed
    sequential_1/rng/step
    sgd_1/learning_rate
    sgd_1/iterations
    sgd/learning_rate
    sgd/iterations
    ");
    Ok(())
}

#[test]
fn an_optimizer_keeps_its_slots_from_update_to_update() -> Outcome {
    let mut model = factor();
    // Twice in a run: velocity −0.5·g, then 0.5·v − 0.5·g.
    let mut train = TrainStep::new(|step, [model], [x]| {
        let sgd = step.optimizer(SGD::new(0.5).momentum(0.5));

        [(); 2].map(|()| {
            let loss = step.call(&model, &x, true).reduce_sum(&[0, 1], false);
            let weights = step.trainable_weights(&model);
            let gradients = step.gradients(&loss, &weights);
            step.apply_gradients(&sgd, &gradients, &weights);
            loss
        })
    });
    let x = array![[1.0_f32]];
    // v: −0.5, −0.75, −0.875, −0.9375.
    let losses = [train.run([&mut model], &x)?, train.run([&mut model], &x)?];
    assert_eq!(losses.map(|run| run.map(|loss| loss.sum())), [[1.0, 0.5], [-0.25, -1.125]]);
    assert_eq!(model.get_weights()?[0], array![[-2.0625]].into_dyn());
    let state = train.state_mut().ok_or("a state")?;
    assert_eq!(state.slice::<i32>("sgd/iterations")?, [4]);
    state.slice_mut::<f32>("sgd/learning_rate")?.fill(0.0);
    state.slice_mut::<f32>("sgd/dense/kernel/momentum")?.fill(0.0);
    train.run([&mut model], &x)?;
    assert_eq!(model.get_weights()?[0], array![[-2.0625]].into_dyn());
    Ok(())
}

#[test]
fn a_teacher_is_the_moving_mean_of_its_student() -> Outcome {
    let (mut student, mut teacher) = (factor(), factor());
    let mut train = TrainStep::new(|step, [student, teacher], [x]| {
        let loss = step.call(&student, &x, true).reduce_sum(&[0, 1], false);
        let sgd = step.optimizer("sgd");
        let weights = step.trainable_weights(&student);
        let gradients =
            step.gradients(&loss, &weights).iter().map(|g| g * 100.0).collect::<Vec<_>>();
        step.apply_gradients(&sgd, &gradients, &weights);
        let students = step.weights(&student);
        for (of_teacher, of_student) in step.weights(&teacher).iter().zip(&students) {
            step.assign(of_teacher, &(&**of_teacher * 0.5 + &**of_student * 0.5));
        }
        let runs = step.state("runs", Type::f32([]), 0.0);
        step.assign(&runs, &(&*runs + 1.0));
        [step.call(&teacher, &x, false), (*runs).clone()]
    });
    let x = array![[1.0_f32]];
    // Student: 0, −1. Teacher: 0.5, −0.25.
    for (runs, expected) in [0.5, -0.25].into_iter().enumerate() {
        let [output, before] = train.run([&mut student, &mut teacher], &x)?;
        assert_eq!(output, array![[expected]].into_dyn());
        assert_eq!(before.sum(), runs as f32);
        assert_eq!(teacher.get_weights()?[0], array![[expected]].into_dyn());
    }
    Ok(())
}

#[test]
fn a_run_begins_with_the_weights_that_the_model_has() -> Outcome {
    let mut model = factor();
    let mut train = TrainStep::new(|step, [model], [x]| {
        let y = step.call(&model, &x, false);
        let weights = step.weights(&model);
        step.assign(&weights[0], &(&*weights[0] * 2.0));
        [y]
    });
    let x = array![[3.0_f32]];
    train.run([&mut model], &x)?;
    model.set_weights(&[array![[5.0]].into_dyn()])?;
    let [y] = train.run([&mut model], &x)?;
    assert_eq!((y, model.get_weights()?[0].sum()), (array![[15.0]].into_dyn(), 10.0));
    Ok(())
}
