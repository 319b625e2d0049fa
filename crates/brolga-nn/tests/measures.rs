//! Losses and metrics beside the reference cases: values of the model's own output, and mistakes.

use std::sync::Arc;

use brolga_ir::{Tensor, Tracer, Type, interpret};
use brolga_nn::losses::{self, CategoricalFocalCrossentropy, CosineSimilarity, Dice, Loss};
use brolga_nn::metrics::{
    Average, FBetaScore, LogCoshError, Mean, MeanIoU, Metric, Precision, Recall, Sum,
};
use brolga_nn::prelude::*;
use brolga_nn::registry::{Value, from_config};
use ndarray::{Array1, Array2, array};
use serde_json::json;

/// A metric of one batch, with these weights of its samples.
fn measured(metric: &dyn Metric, y_pred: &Array2<f32>, weight: Option<&[f32]>) -> f64 {
    let tensor = |values: Vec<f32>, shape: &[usize]| {
        Tensor::f32(shape, values).expect("as many as the shape says")
    };
    let tracer = Tracer::new("metric");
    let mut inputs = vec![tensor(y_pred.iter().copied().collect(), y_pred.shape())];
    inputs.extend(weight.map(|weight| tensor(weight.to_vec(), &[weight.len()])));
    let names = ["y_pred", "weight"];
    let vars = inputs.iter().zip(names).map(|(x, name)| tracer.input(name, x.ty()));
    let vars: Vec<_> = vars.collect();
    let parts = metric.statistics(&vars[0], &vars[0].clone().into(), vars.get(1));
    assert_eq!(parts.len(), metric.parts());
    parts.iter().for_each(|part| tracer.output(part));
    let results = interpret(&tracer.finish().expect("a graph"), &inputs).expect("a valid graph");
    metric.result(&results.iter().map(|part| part.data().to_f64()).collect::<Vec<_>>())
}

#[test]
fn outputs_are_summed_and_averaged() {
    let y = array![[1.0, 2.0], [3.0, 6.0]];
    assert_eq!(measured(&Mean::new(), &y, None), 3.0);
    assert_eq!(measured(&Mean::new(), &y, Some(&[3.0, 1.0])), 2.25);
    assert_eq!(measured(&Sum::new(), &y, None), 12.0);
    assert_eq!(measured(&Sum::new(), &y, Some(&[3.0, 1.0])), 18.0);
}

#[test]
fn metrics_have_the_names_of_keras() -> Result<(), NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([2])).add(Dense::new(2).activation("sigmoid"));
    let compile = Compile::new().loss("mse").metrics(["precision", "mape", "f1_score"]);
    let compile = compile.metrics([LogCoshError::new()]).metrics([FBetaScore::new(2.0)]);
    model.compile(compile.metrics([Recall::new().name("found")]))?;
    let (x, y) = (Array2::<f32>::zeros((4, 2)), Array2::<f32>::ones((4, 2)));
    let history = model.fit(&x, &y, Fit::new().verbose(false))?;
    let names: Vec<&str> = history.history.iter().map(|series| series.name.as_str()).collect();
    assert_eq!(names, ["loss", "precision", "mape", "f1_score", "logcosh", "fbeta_score", "found"]);
    Ok(())
}

/// The mistake of a metric of this prediction, with labels of the same shape.
fn mistake(metric: impl Metric, shape: &[usize]) -> String {
    let tracer = Tracer::new("metric");
    let (t, p) = (tracer.input("t", Type::f32(shape)), tracer.input("p", Type::f32(shape)));
    let parts = metric.statistics(&t, &p.into(), None);
    assert_eq!(parts.len(), metric.parts());
    without_location(&tracer.error().expect("a mistake").to_string())
}

fn without_location(message: &str) -> String {
    message.lines().filter(|line| !line.starts_with("  at ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn metrics_that_do_not_fit_are_mistakes() {
    insta::assert_snapshot!(mistake(Precision::new().top_k(4), &[2, 3]), @"
    the metric takes the 4 greatest of 3 elements
      help: `top_k` must not exceed the extent of the last axis
    ");
    insta::assert_snapshot!(mistake(Precision::new().class_id(3), &[2, 3]), @"
    the metric looks at class 3 of f32[2,3]
      help: `class_id` must be an index of the last axis
    ");
    insta::assert_snapshot!(mistake(FBetaScore::new(1.0).average(Average::Micro), &[2, 3, 4]), @"the metric takes [batch, classes], given f32[2,3,4]");
    insta::assert_snapshot!(mistake(MeanIoU::new(3).sparse_y_pred(false), &[2, 3]), @"
    the metric compares classes i32[2,3] with i32[2]
      help: both must have as many; see the arguments for vectors over the classes
    ");
}

#[test]
fn losses_that_do_not_fit_are_mistakes() {
    let mistake = |loss: &dyn Loss| {
        let tracer = Tracer::new("loss");
        let (t, p) = (tracer.input("t", Type::f32([2, 3])), tracer.input("p", Type::f32([2, 3])));
        let _ = losses::compute(loss, &t, &p.into(), None);
        without_location(&tracer.error().expect("a mistake").to_string())
    };
    insta::assert_snapshot!(mistake(&Dice::new().axis([1, 2])), @"
    shape [2,3] has no axis 2
      help: its axes are 0 to 1, or -2 to -1 from the end
    ");
    insta::assert_snapshot!(mistake(&CosineSimilarity::new().axis(-3)), @"
    shape [2,3] has no axis -3
      help: its axes are 0 to 1, or -2 to -1 from the end
    ");
    insta::assert_snapshot!(mistake(&CategoricalFocalCrossentropy::new().alpha([0.5, 0.25])), @"
    alpha is for 2 channels, the input has 3
      help: give one number, or one for each channel of the last axis
    ");
}

#[test]
fn metrics_report_one_number() {
    let error = |class: &str, config: Value| {
        let config = json!({ "class_name": class, "config": config });
        let metric: Result<Arc<dyn Metric>, NnError> = from_config(&config);
        metric.expect_err("a mistake").to_string()
    };
    insta::assert_snapshot!(error("Precision", json!({ "thresholds": [0.25, 0.5] })), @"Precision: `thresholds`: a metric reports one number: expected one threshold, given 2");
    insta::assert_snapshot!(error("F1Score", json!({ "average": null })), @"F1Score: `average`: a metric reports one number, but null stands for a number for each class");
    insta::assert_snapshot!(error("AUC", json!({ "multi_label": true })), @"AUC: `multi_label` = true is not supported");
    insta::assert_snapshot!(error("PrecisionAtRecall", json!({})), @"PrecisionAtRecall: missing field `recall`");
    let one = json!({ "class_name": "Recall", "config": { "thresholds": [0.25] } });
    assert!(from_config::<dyn Metric>(&one).is_ok());
}

/// Class numbers with the loss of Zhang and Sabuncu train as with the cross entropy.
#[test]
fn class_numbers_fit_the_generalized_cross_entropy() -> Result<(), NnError> {
    let mut model = Sequential::new();
    model.add(Input::new([3])).add(Dense::new(3).activation("softmax"));
    let compile = Compile::new().optimizer("adam").loss("categorical_generalized_cross_entropy");
    model.compile(compile.metrics(["accuracy", "sparse_top_k_categorical_accuracy"]))?;
    let x = Array2::from_shape_fn((6, 3), |(i, j)| if i % 3 == j { 1.0f32 } else { 0.0 });
    let y = Array1::from_shape_fn(6, |i| (i % 3) as u8);
    let history = model.fit(&x, &y, Fit::new().epochs(3).verbose(false))?;
    let losses = history.get("loss").unwrap_or_default();
    assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{losses:?}");
    assert_eq!(history.last("sparse_top_k_categorical_accuracy"), Some(1.0));
    Ok(())
}
