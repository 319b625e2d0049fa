//! What plans of training steps hold: attention stores no scores, and updates of tables touch the
//! rows that occur.

use std::error::Error;

use brolga_codegen::compile;
use brolga_ir::{DType, Graph};
use brolga_nn::Kind;
use brolga_nn::model::{Functional, Symbolic};
use brolga_nn::optimizers::Optimizer;
use brolga_nn::prelude::*;
use brolga_nn::registry::Choice;
use brolga_runtime::{MemoryReport, Options, Planned};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// The optimized graph and the plan of a step of training on two threads.
fn planned(model: &mut Functional, batch: usize) -> Outcome<(Graph, Planned)> {
    let mut graph = model.trace(Kind::Train, batch)?;
    brolga_passes::optimize(&mut graph)?;
    let state = model.session()?.snapshot()?;
    let options = Options { threads: 2, ..Options::default() };
    let plan = Planned::new(&graph, state.layout(), &options, compile)?;
    Ok((graph, plan))
}

const WIDTH: usize = 128;
const HEADS: usize = 4;

/// A transformer of two layers over sequences of so many vectors.
fn transformer(steps: usize, dropout: f64) -> Outcome<Functional> {
    let given = Input::new([steps, WIDTH]).tensor();
    let mut x = given.clone();
    for _ in 0..2 {
        let attention = MultiHeadAttention::new(HEADS, WIDTH / HEADS).dropout(dropout);
        let h = attention.on([&x, &x]);
        x = LayerNormalization::new().on(Add::new().on([&x, &h]));
        let h = Dense::new(WIDTH).on(Dense::new(4 * WIDTH).activation("relu").on(&x));
        x = LayerNormalization::new().on(Add::new().on([&x, &h]));
    }
    let y: Symbolic = Dense::new(10).activation("softmax").on(GlobalAveragePooling1D::new().on(&x));
    let mut model = Functional::new(&given, y)?;
    let compile = Compile::new().optimizer(Adam::new(1e-3));
    model.compile(compile.loss("sparse_categorical_crossentropy"))?;
    Ok(model)
}

#[test]
fn scores_of_attention_are_not_in_the_plan() -> Outcome {
    const BATCH: usize = 4;
    const STEPS: usize = 512;
    let (_, plan) = planned(&mut transformer(STEPS, 0.1)?, BATCH)?;
    let memory: &MemoryReport = plan.memory();
    // The largest values are those of the wide layers.
    let wide = 4 * BATCH * STEPS * 4 * WIDTH;
    let scores = 4 * BATCH * HEADS * STEPS * STEPS;
    assert!(wide < scores);
    let largest = memory.values.iter().map(|value| value.bytes).max().unwrap_or(0);
    assert!(largest <= wide, "{largest} bytes are more than the {wide} of a wide layer");
    assert!(memory.scratch <= wide, "{} bytes of scratch", memory.scratch);
    Ok(())
}

/// Scores of pairs of a row of a table of so many rows and of a small one.
fn towers(rows: usize, optimizer: impl Into<Choice<dyn Optimizer>>) -> Outcome<Functional> {
    let users = Input::new([1]).dtype("int32").name("user").tensor();
    let films = Input::new([1]).dtype("int32").name("film").tensor();
    let tower = |x: &Symbolic, rows: usize| {
        Dense::new(8).on(Flatten::new().on(Embedding::new(rows, 16).on(x)))
    };
    let product = Dot::new(1).on([&tower(&users, rows), &tower(&films, 30)]);
    let mut model = Functional::new([&users, &films], product)?;
    model.compile(Compile::new().optimizer(optimizer).loss("mean_squared_error"))?;
    Ok(model)
}

#[test]
fn work_and_memory_of_an_update_by_rows_do_not_grow_with_the_table() -> Outcome {
    /// Stages with their units, and bytes of results and of scratch memory.
    type Work = (Vec<(String, usize)>, [usize; 2]);
    let of = |rows: usize| -> Outcome<Work> {
        let (graph, plan) = planned(&mut towers(rows, Adagrad::new(0.1))?, 32)?;
        let text = graph.to_string();
        assert_eq!(text.matches("= update_rows").count(), 2, "table and slot: {text}");
        assert_eq!(text.matches("= scatter_add").count(), 1, "of the small table alone: {text}");
        let stages = plan.plan().stages();
        let stages = stages.map(|stage| (format!("{}/{}", stage.kernel, stage.stage), stage.units));
        Ok((stages.collect(), [plan.memory().planned, plan.memory().scratch]))
    };
    let (small, large) = (of(1_000)?, of(100_000)?);
    // The same stages of the same numbers of units, whose loops are over the batch; no stage copies
    // the table, which is changed in place.
    assert_eq!(small, large);
    assert!(!small.0.iter().any(|(name, _)| name.contains("copy")), "{:?}", small.0);
    Ok(())
}

#[test]
fn updates_by_rows_train_to_the_bits_of_whole_updates() -> Outcome {
    use ndarray::{Array1, Array2, ArrayD};

    let users = Array2::from_shape_fn((64, 1), |(i, _)| (i * i * 7 % 500) as i32);
    let films = Array2::from_shape_fn((64, 1), |(i, _)| (i % 30) as i32);
    let y = Array1::from_shape_fn(64, |i| (i % 5) as f32 / 4.0);
    // A decay of nothing changes no bit, and stands in the way of updates by rows.
    let trained = |optimizer: Box<dyn Fn() -> Outcome<Functional>>| -> Outcome<Vec<ArrayD<f32>>> {
        let mut model = optimizer()?;
        let mut first = model.get_weights()?;
        let values = first.iter_mut().zip(1..);
        values.for_each(|(weight, seed)| {
            let mut place = seed;
            weight.mapv_inplace(|_| {
                place = (place * 31 + 17) % 1009;
                place as f32 / 1009.0 - 0.5
            });
        });
        model.set_weights(&first)?;
        let fit = Fit::new().epochs(3).batch_size(16).shuffle(false).verbose(false);
        model.fit(brolga_nn::arrays![&users, &films], &y, fit)?;
        Ok(model.get_weights()?)
    };
    let sgd = |decay: bool| {
        move || {
            let sgd = SGD::new(0.1);
            towers(500, if decay { sgd.weight_decay(0.0) } else { sgd })
        }
    };
    let adagrad = |decay: bool| {
        move || {
            let adagrad = Adagrad::new(0.1);
            towers(500, if decay { adagrad.weight_decay(0.0) } else { adagrad })
        }
    };
    assert_eq!(trained(Box::new(sgd(false)))?, trained(Box::new(sgd(true)))?);
    assert_eq!(trained(Box::new(adagrad(false)))?, trained(Box::new(adagrad(true)))?);
    let (graph, _) = planned(&mut sgd(true)()?, 16)?;
    assert!(!graph.to_string().contains("update_rows"));
    assert!(graph.inputs().iter().any(|&id| graph.ty(id.into()).dtype == DType::I32));
    Ok(())
}
